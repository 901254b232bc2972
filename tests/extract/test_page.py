"""Pages of any charset, size and malice as title and text."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lxml.html
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text

from dspipe.extract.pages.charset import decode_text, recode_page
from dspipe.extract.pages.page import MOST_TAGS, extract_page
from dspipe.extract.reasons import Unusable
from dspipe.extract.spans import Span
from dspipe.recipe import Extract, RecipeError
from tests.extract.crawls import make_pages, open_file, read_span
from tests.extract.guarded import find_blocks
from tests.extract.test_content import ARTICLE, SENTENCE

FULL = Extract(profile="full")
RUSSIAN = "Страница на русском языке, и её кодировка нигде не названа. "
JAPANESE = "日本語のページです。文字コードはいろいろあります。"


# ---- charsets


@pytest.mark.parametrize(
    ("page", "charset", "text"),
    [
        ("<p>é 中".encode(), None, "é 中"),
        ("<p>é 中".encode(), "utf-8", "é 中"),
        ("<p>é 中".encode(), "ISO-8859-1", "é 中"),
        ("<p>é 中".encode(), "no-such-charset", "é 中"),
        ("\ufeff<p>é 中".encode(), "windows-1252", "é 中"),
        ("<p>caf\xe9 “a”".encode("cp1252"), "iso-8859-1", "café “a”"),
        ("<p>caf\xe9 “a”".encode("cp1252"), "utf-8", "café “a”"),
        (f"<p>{RUSSIAN}".encode("cp1251"), "windows-1251", RUSSIAN.strip()),
        (f"<meta charset=windows-1251><p>{RUSSIAN}".encode("cp1251"), None, RUSSIAN.strip()),
        (f"<p>{RUSSIAN * 9}".encode("cp1251"), None, (RUSSIAN * 9).strip()),
        (f"<p>{RUSSIAN}".encode("koi8-r"), "KOI8-R", RUSSIAN.strip()),
        (f"<p>{JAPANESE}".encode("utf-16"), None, JAPANESE),
        ("<p>a é".encode("utf-16"), "utf-8", "a é"),
        (b"\xfe\xff" + "<p>a é".encode("utf-16-be"), None, "a é"),
        (b"\xfe\xff" + "<p>a é".encode("utf-16-be"), "utf-16", "a é"),
        ("<p>a é".encode("utf-16"), "iso-8859-1", "a é"),
        (f"<p>{JAPANESE}".encode("shift_jis"), "Shift_JIS", JAPANESE),
        (f"<meta charset=shift_jis><p>{JAPANESE}".encode("shift_jis"), "iso-8859-1", JAPANESE),
        (f"<p>{JAPANESE}".encode("euc-jp"), "euc-jp", JAPANESE),
        (f"<p>{JAPANESE}".encode("iso-2022-jp"), "iso-2022-jp", JAPANESE),
        (f"<meta charset=iso-2022-jp><p>{JAPANESE}".encode("iso-2022-jp"), None, JAPANESE),
        ("<p>中文网页".encode("gb18030"), "gb2312", "中文网页"),
        (b"<p>a\xff\xfeb", "utf-8", "aÿþb"),
    ],
)
def test_a_page_is_read_in_its_charset(page: bytes, charset: str | None, text: str) -> None:
    assert extract_page(page, charset, FULL).text == text


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.binary(max_size=80),
    st.sampled_from(
        [None, "", "utf-8", "utf-16", "utf-7", "iso-2022-jp", "gbk", "big5", "x\0", "hex", "idna", "é"]
    ),
)
def test_no_bytes_in_no_charset_fail(data: bytes, charset: str | None) -> None:
    assert isinstance(decode_text(data, charset), str)
    recode_page(data, charset).decode()


def test_a_page_of_valid_utf8_is_not_copied() -> None:
    page = "<p>é".encode()
    assert recode_page(page) is page


# ---- settings and bounds


def test_a_page_larger_than_the_bound_is_refused() -> None:
    bounded = Extract(max_page_bytes=10)
    assert extract_page(b"<p>" + b"a" * 7, None, bounded)
    with pytest.raises(Unusable, match="too-large"):
        extract_page(b"<p>" + b"a" * 8, None, bounded)


def test_main_is_the_content_and_full_is_everything() -> None:
    main, full = (
        extract_page(ARTICLE.encode(), None, Extract(profile=profile)) for profile in ("main", "full")
    )
    assert "Page number" not in main.text and main.text.startswith("The river\n\n")
    assert "Page number 3" in full.text and "Copyright" in full.text


def test_comments_are_kept_where_asked_for() -> None:
    article = f"<article><h1>The river</h1>{f'<p>{SENTENCE * 4}' * 3}</article>"
    comments = "".join(f"<div class=comment><p>{SENTENCE * 2}My opinion is {n}.</div>" for n in range(9))
    page = f"{article}<div id=comments>{comments}</div>".encode()
    without, with_comments = (extract_page(page, None, Extract(comments=keep)).text for keep in (False, True))
    assert "My opinion" not in without and "My opinion is 4." in with_comments


def test_pages_leave_nothing_behind_for_the_next_one() -> None:
    pages = [
        ARTICLE.encode(),
        b"",
        b"<title>t</title><div><pre hidden><a href=x>" * 900,
        b"<p>a",
        b"<b>" * 9,
        b"x",
    ]
    alone = [extract_page(page, None, FULL) for page in pages]
    assert [alone[n].text for n in (1, 3, 4, 5)] == ["", "a", "", "x"]
    with ThreadPoolExecutor(4) as threads:
        for page, found in zip(
            pages * 20, threads.map(lambda page: extract_page(page, None, FULL), pages * 20), strict=True
        ):
            assert found == alone[pages.index(page)]


# ---- other parsers


inline = st.sampled_from(
    [
        "word ",
        "two words ",
        "é&amp;b",
        "&lt;i&gt; ",
        "&#8364;",
        "<b>bold</b>",
        " <span>a <b>b</b></span>",
        "x, ",
    ]
)
lines = st.lists(inline, min_size=1, max_size=5).map("".join)
simple = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from(["p", *(f"h{level}" for level in range(1, 7))]), lines).map(
            lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>\n"
        ),
        lines.map(lambda text: f"\n{text}\n"),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"\n<div>{''.join(parts)}</div>\n"),
        st.lists(inner, max_size=4).map(
            lambda parts: "\n<ul>" + "".join(f"<li>{part}</li>\n" for part in parts) + "</ul>\n"
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(simple)
def test_the_words_of_clean_pages_are_those_that_other_parsers_find(body: str) -> None:
    page = f"<html><head><title>t</title></head><body>{body}</body></html>"
    words = extract_page(page.encode(), None, FULL).text.split()
    bullets = [word for word in words if word != "-"]
    assert bullets == extract_plain_text(page, main_content=False, list_bullets=False).split()
    assert bullets == lxml.html.document_fromstring(page).body.text_content().split()


# ---- malice

HOSTILE = {
    "nested elements": b"<div>" * 100_000 + b"text",
    "elements without an end": b"<b>x" * 100_000,
    "nested and closed": b"<div>" * 90_000 + b"text" + b"</div>" * 90_000,
    "nested lists": b"<ul><li>" * 50_000 + b"text",
    "tables in tables": b"<table><tr><td>" * 30_000 + b"text",
    "list items": b"<ul>" + b"<li>x" * 100_000,
    "one list item beside another": b"<ol>" + b"<li>x</li>" * 100_000,
    "paragraphs": b"<p>x" * 150_000,
    "less-than signs": b"<" * 300_000,
    "ampersands": b"&" * 1_000_000,
    "references without an end": b"&CounterClockwiseContourIntegra" * 30_000,
    "digits of a reference": b"&#" + b"9" * 1_000_000,
    "comments": b"<!--" * 250_000,
    "comments that almost end": b"<!--" + b"--!" * 300_000,
    "ends of paragraphs": b"</p>" * 250_000,
    "ends of links": b"<a href=" + b"x" * 1000 + b">t" + b"</a>" * 200_000,
    "attributes": b"<p" + b" class=nav" * 100_000 + b">text",
    "names of attributes": b"<p" + b" a" * 500_000 + b">text",
    "a long attribute": b"<p class='" + b"nav " * 250_000 + b"'>text",
    "a long style": b"<p style='" + b"a:b;" * 250_000 + b"'>text",
    "a long name": b"<" + b"a" * 1_000_000 + b">text",
    "quotes": b"<a href='" * 100_000,
    "scripts": b"<script>" * 100_000,
    "ends of scripts": b"<script>" + b"</scrip" * 100_000,
    "titles": b"<title>" * 100_000,
    "line breaks": b"x<br>" * 100_000,
    "line breaks in code": b"<pre>x" + b"<br>" * 200_000,
    "white space": b" \n" * 500_000,
    "NULs": b"\0" * 1_000_000,
    "brackets": b"<>" * 300_000,
    "images": b"<img alt=x>" * 90_000,
    "growing references": b"&nGt;" * 200_000,
    "headings": b"<h1>x" * 100_000,
    "options": b"<select>" + b"<option>x" * 100_000,
    "unknown elements": b"<x-a>x" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_are_done_with_within_their_memory(name: str) -> None:
    found = find_blocks(HOSTILE[name], links=True, alt=True)
    assert found is not None
    assert len(found.blocks) <= HOSTILE[name].count(b"<") + 1
    assert len(found.full) <= 2 * len(HOSTILE[name]) + 64 * (len(found.blocks) + 1)
    for profile in ("main", "full"):
        extract_page(HOSTILE[name], None, Extract(profile=profile, links=True, alt_text=True))


@pytest.mark.parametrize(
    "page", [b"<p>" * (MOST_TAGS + 1), b"<" * 1_000_000, b"<div>" * 150_000], ids=["tags", "signs", "nested"]
)
def test_a_page_that_nobody_has_written_is_refused(page: bytes) -> None:
    with pytest.raises(Unusable, match="too-deep"):
        extract_page(page, None, FULL)
    assert extract_page(b"<p>as ever", None, FULL).text == "as ever"


def test_the_careful_profile_without_its_package_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.warc.gz").write_bytes(b"".join(make_pages(2)))
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(RecipeError, match=r'pip install "dspipe\[careful\]"'):
        read_span(open_file(tmp_path / "x.warc.gz"), Span(), Extract(profile="careful"))


def test_the_careful_profile_gives_what_trafilatura_finds() -> None:
    words = "The river rose in the night, and by morning the lower field was under water. " * 3
    page = "<title>Floods</title><nav><a href=/>Home</a></nav>"
    page += (
        f"<article><h1>Floods</h1>{f'<p>{words}</p>' * 5}<p>Then <math><mi>x</mi></math> fell.</p></article>"
    )
    found = extract_page(page.encode(), None, Extract(profile="careful"))
    assert found.title == "Floods" and found.text.count("The river rose") == 15
    assert "Home" not in found.text and "$x$" in found.text


def test_comments_are_kept_when_they_are_asked_for() -> None:
    words = "The river rose in the night, and by morning the lower field was under water. " * 3
    page = f"<article>{f'<p>{words}</p>' * 9}</article>"
    page += "<div class=comments><h3>Replies</h3><p>Same here.</p></div>"
    assert "Same here." not in extract_page(page.encode(), None, Extract()).text
    assert "Same here." in extract_page(page.encode(), None, Extract(comments=True)).text
