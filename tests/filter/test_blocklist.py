"""Hosts, beginnings of URLs and words in a user's list block what they say, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.filter.lists.blocklist import check_blocklist, find_blocked, load_blocklist
from dspipe.filter.outside import describe_blocklist
from dspipe.recipe import Filter, RecipeError
from tests.reference.blocklist import find_reasons, list_entries


def reasons(path: Path, content: str | bytes, urls: list[str | None]) -> list[list[str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = find_blocked(pa.array(urls, pa.string()), load_blocklist(str(path)))
    return [[reason for reason in found if found[reason][row]] for row in range(len(urls))]


HOST, URL, WORD = ["blocked-host"], ["blocked-url"], ["blocked-word"]
EXAMPLES: list[tuple[str, str, list[str]]] = [
    ("example.com", "http://example.com/a", HOST),
    ("example.com", "https://www.a.example.com", HOST),
    ("example.com", "http://notexample.com/", []),
    ("example.com", "http://example.com.org/", []),
    ("example.com", "http://a.org/example.com", []),
    ("example.com", "http://a.org/?u=http://example.com/", []),
    ("Example.COM.", "http://eXample.com", HOST),
    ("example.com", "http://example.com.:8080/", HOST),
    ("example.com", "http://me:secret@example.com:80", HOST),
    ("example.com", "http://example.com@a.org/", []),
    ("example.com", "http://a.org\\@example.com/", []),
    ("example.com", "example.com/a", HOST),
    ("example.com", "//example.com/a", HOST),
    ("example.com:81", "http://example.com:80/", HOST),
    ("https://example.com", "http://www.example.com/", HOST),
    ("https://localhost", "http://localhost/", HOST),
    ("10.0.0.1", "http://10.0.0.1:80/", HOST),
    ("[2001:DB8::1]", "http://[2001:db8::1]:80/x", HOST),
    ("bücher.example", "http://www.bücher.example/", HOST),
    ("example.com/x", "http://example.com/x", URL),
    ("example.com/x", "https://example.com:8443/x/y", URL),
    ("example.com/x", "http://example.com/x?z", URL),
    ("example.com/x", "http://example.com/x#z", URL),
    ("example.com/x", "http://example.com/xy", []),
    ("example.com/x", "http://example.com/x&y", []),
    ("example.com/x", "http://example.com/X", []),
    ("example.com/x", "http://example.com/", []),
    ("example.com/x", "http://www.example.com/x", []),
    ("https://EXAMPLE.com/x", "http://example.COM/x", URL),
    ("example.com/forum/", "http://example.com/forum/1", URL),
    ("example.com/forum/", "http://example.com/forum", []),
    ("example.com/", "http://example.com", URL),
    ("example.com/", "http://example.com?a", URL),
    ("example.com/", "http://example.com\\a", URL),
    ("example.com/", "http://www.example.com/", []),
    ("example.com?a=1", "http://example.com/?a=1&b=2", URL),
    ("example.com/x?a=", "http://example.com/x?a=5", URL),
    ("example.com/x?a=1", "http://example.com/x?a=12", []),
    ("casino", "http://a.org/my-CASINO_1", WORD),
    ("Casino", "http://casino.org/", WORD),
    ("casino", "http://a.org/casinos", []),
    ("casino", "http://a.org/1casino", []),
    ("casino", "http://a.org/?casino", WORD),
    ("18", "http://a.org/18+", WORD),
]


@pytest.mark.parametrize(("entry", "url", "blocked"), EXAMPLES)
def test_an_entry_blocks_what_it_says(entry: str, url: str, blocked: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    assert reasons(path, entry, [url]) == [blocked]
    assert reasons(path, f"{entry}\n", [None, f" {url}\n", ""]) == [[], blocked, []]
    assert find_reasons(url, list_entries(entry)) == blocked


def test_comments_blank_lines_and_line_ends_of_any_kind_are_no_entries(tmp_path: Path) -> None:
    content = "\ufeffa.com # of b.com\r\n\r\n # c.com\n#d.com\n\te.com\t\n\nf.com/#!/x"
    urls: list[str | None] = [*(f"http://{letter}.com/" for letter in "abcde"), "http://f.com/#!/x/y"]
    assert reasons(tmp_path / "list", content, urls) == [HOST, [], [], [], HOST, URL]


def test_one_url_can_have_all_reasons_and_an_empty_list_blocks_none(tmp_path: Path) -> None:
    urls: list[str | None] = ["http://a.com/x", None]
    assert reasons(tmp_path / "full", "a.com\na.com/x\nx\n", urls) == [HOST + URL + WORD, []]
    assert reasons(tmp_path / "empty", "", urls) == [[], []]
    assert reasons(tmp_path / "none", "a.com", []) == []


@pytest.mark.parametrize(
    "entry",
    [
        "0.0.0.0 a.com", "||a.com^", "*.a.com", ".a.com", "a..com", "my-casino", "/forum/", "http://",
        "[::1", "кот", "a.com\x00x", "localhost:80",
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_its_number(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"a.com\n# b\n{entry}\n")
    with pytest.raises(RecipeError, match=r"filter.blocklist: .*list, line 3: '.*' is no host"):
        check_blocklist(Filter(blocklist=str(path)))


def test_what_is_not_utf_8_is_refused_with_its_number(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"list, line 2: is not UTF-8"):
        reasons(tmp_path / "list", b"a.com\n\xff.com\n", [])


def test_a_list_that_is_not_there_is_refused() -> None:
    settings = Filter(blocklist="/nowhere/list")
    for read in (describe_blocklist, check_blocklist):
        with pytest.raises(RecipeError, match=r"filter.blocklist: /nowhere/list cannot be read"):
            read(settings)


def test_a_list_is_described_by_all_that_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "list"
    settings = Filter(blocklist=str(path))

    def describe(content: str) -> Any:
        path.write_text(content)
        (entry,) = describe_blocklist(settings)
        return entry

    first = describe("a.com\n")
    assert {**first, "sample": ""} == {"source": "blocklist", "file": "list", "bytes": 6, "sample": ""}
    assert describe("b.com\n") != first and describe("a.com\n") == first
    assert describe_blocklist(Filter()) == []


def test_a_list_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "list"
    assert reasons(path, "a.com", ["http://a.com"]) == [HOST]
    assert reasons(path, "other.com", ["http://a.com"]) == [[]]


def test_megabytes_of_dots_slashes_and_letters_are_walked_once(tmp_path: Path) -> None:
    urls: list[str | None] = [
        f"http://{'a.' * 10**6}b.com/x",
        f"b.com{'/a' * 10**6}",
        "a:" * 10**6,
        "@" * 10**6,
    ]
    assert reasons(tmp_path / "list", "b.com\nb.com/a/a\nz", urls) == [HOST, HOST + URL, [], []]


def test_bytes_that_are_no_utf_8_and_slices_are_walked_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a.com\nx")
    texts = [b"http://b.com/x", b"http://\xff.a.com/\xfe", b"\xc3", b"http://c.com/\0x"]
    offsets = [0]
    for text in texts:
        offsets.append(offsets[-1] + len(text))
    urls: Any = pa.StringArray.from_buffers(
        len(texts), pa.array(offsets, pa.int32()).buffers()[1], pa.py_buffer(b"".join(texts))
    )
    found = find_blocked(urls.slice(1), load_blocklist(str(tmp_path / "list")))
    assert found["blocked-host"].tolist() == [True, False, False]
    assert found["blocked-word"].tolist() == [False, False, True]


PIECE = st.sampled_from([*"abA1-_.:/?#&=@\\[] é", "a.b", "://", "//", "b.a", "/a", "http://", "www.", "a"])
LOOSE = st.lists(PIECE, max_size=14).map("".join)
NAME = st.lists(st.sampled_from(["a", "B", "a1", "c-d"]), min_size=1, max_size=4).map(".".join)
REST = st.lists(st.sampled_from(["/", "?", "&", "=", "a", "B", "aB", "b", "#"]), max_size=8).map("".join)
BEFORE = st.sampled_from(["", "http://", "HTTPS://", "//", "http://me@", "http://a:b@"])
AFTER = st.sampled_from(["", ".", ":80", ".:"])
REAL = st.tuples(BEFORE, NAME, AFTER, REST.map(lambda rest: rest and "/" + rest)).map("".join)
HOSTS = NAME.filter(lambda name: "." in name)
ENTRY = st.one_of(
    st.sampled_from(["a", "b", "a1", "80", "# a.b", ""]),
    HOSTS,
    st.tuples(BEFORE, HOSTS, AFTER).map("".join),
    st.tuples(BEFORE, NAME, st.sampled_from(["", ".", ":80"]), st.sampled_from("/?"), REST).map("".join),
)


@given(st.lists(ENTRY, max_size=6), st.lists(st.none() | REAL | LOOSE, max_size=10))
def test_kernels_equal_their_slow_twin(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str], urls: list[str | None]
) -> None:
    content = "\n".join(entries)
    listed = list_entries(content)
    path = tmp_path_factory.mktemp("twin") / "list"
    assert reasons(path, content, urls) == [find_reasons(url, listed) for url in urls]
