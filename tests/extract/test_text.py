"""Text files: one document each, in whatever charset and compression."""

import gzip

import pytest

from dspipe.extract.spans import Span
from dspipe.recipe import Extract
from tests.extract.crawls import open_file, read_file, read_span
from tests.extract.test_streams import WHOLE

TEXT = "Съешь же ещё этих мягких французских булок,\nда выпей чаю, и так каждый день."


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compress", WHOLE)
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_text_file_is_one_document_in_whatever_charset(tmp_path, charset, compress):
    content = compress(TEXT.replace("\n", "\r\n").encode(charset))
    documents, _ = read_file(write(tmp_path / "x.txt", content))
    assert [(d["text"], d["origin"]) for d in documents] == [(TEXT, {"file": "x.txt", "offset": 0})]


def test_a_text_file_that_expands_without_end_is_too_large(tmp_path):
    path = write(tmp_path / "x.txt.gz", gzip.compress(b"x" * (64 << 20)))
    assert read_file(path, max_characters=1000)[1].dropped == {"too-large": 1}
    assert read_file(write(tmp_path / "y.md", b" \n\0"))[1].dropped == {"empty": 1}
    assert read_file(write(tmp_path / "y.md", b""))[1].dropped == {"empty": 1}


def test_a_cut_or_damaged_text_file_is_dropped(tmp_path):
    whole = gzip.compress(TEXT.encode() * 99)
    assert read_file(write(tmp_path / "x.txt.gz", whole[:-9]))[1].dropped == {"truncated": 1}
    damaged = whole[:20] + b"\xff" * 20 + whole[40:]
    assert read_file(write(tmp_path / "x.txt.gz", damaged))[1].dropped == {"malformed": 1}


def test_a_text_file_belongs_to_its_first_span(tmp_path):
    file = open_file(write(tmp_path / "x.txt", TEXT.encode()))
    boundaries, *rest = read_span(file, Span(0, 10), Extract())
    assert boundaries == [0, file.bytes]
    assert read_span(file, Span(0, None, exact=True), Extract())[1:] == tuple(rest)
    for span in (Span(10), Span(10, 20), Span(file.bytes, None, exact=True)):
        assert read_span(file, span, Extract())[:3] == ([], [], [])
    assert read_span(file, Span(), Extract(), frozenset([0]))[3].dropped == {"crashed": 1}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Title\n\ntext", "Title"),
        ("---\na: b\n---\n\n  #  The   title ##  \n\n# Another", "The title"),
        ("```sh\n# comment\n```\n# Title", "Title"),
        ("~~~~\n```\n~~~\n# comment\n~~~~ \n# Title # 1", "Title # 1"),
        ("    # code\n#hash\n## Section\ntext", None),
        ("# " + "x" * 5000, None),
        ("x\n" * 100_000 + "# Too far", None),
        ("```\n# never closed", None),
    ],
)
def test_the_first_heading_is_the_title_of_markdown(tmp_path, text, title):
    for name, expected in (("x.md", title), ("x.md.gz", title), ("x.txt", None)):
        (document,), _ = read_file(write(tmp_path / name, text.encode()))
        assert document["title"] == expected
