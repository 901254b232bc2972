"""ARC: what its lines say, and that records are found in it as in WARC."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest

from dspipe.extract.archives.arc import parse_line
from dspipe.extract.archives.compression import Damage
from dspipe.extract.spans import Span
from dspipe.recipe import Extract
from tests.extract.crawls import PARAGRAPH, make_answer, make_page, open_file, read_span, read_spans

SETTINGS = Extract()
FIRST = b"1 0 Crawler\nURL IP-address Archive-date Content-type Archive-length\n\n"
SECOND = (
    b"2 0 Crawler\nURL IP-address Archive-date Content-type Result-code Checksum Location Offset Filename "
    b"Archive-length\n\n"
)


def make_line(url: str, length: int, kind: str = "text/html", middle: str = "") -> bytes:
    return f"{url} 192.0.2.7 20040506070809 {kind} {middle}{length}\n".encode()


def make_record(number: int, middle: str = "", url: str | None = None) -> bytes:
    block = make_answer(make_page(f"{PARAGRAPH} Page {number}."))
    return make_line(url or f"http://example.org/{number}", len(block), middle=middle) + block + b"\n"


def make_archive(count: int = 5, version: int = 1) -> list[bytes]:
    block, middle = (FIRST, "") if version == 1 else (SECOND, "200 md5:0123 - 77 x.arc.gz ")
    first = make_line("filedesc://x.arc", len(block), "text/plain", "200 - - 0 x " if version == 2 else "")
    return [first + block + b"\n", *(make_record(number, middle) for number in range(count))]


def write(path: Any, *parts: bytes) -> Any:
    path.write_bytes(b"".join(parts))
    return open_file(path)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz"])
def test_pages_of_both_versions_become_rows(tmp_path, version, name):
    parts = [gzip.compress(part) if name.endswith("gz") else part for part in make_archive(3, version)]
    file = write(tmp_path / name, *parts)
    assert file.format == "arc"
    boundaries, documents, unused, counts = read_span(file, Span(), SETTINGS)
    assert counts.in_ == 4
    assert [row["reason"] for row in unused] == ["not-a-page"]
    assert boundaries == [sum(map(len, parts[:n])) for n in range(5)]
    assert documents[1] == {
        **dict.fromkeys(documents[1]),
        "id": documents[1]["id"],
        "text": f"{PARAGRAPH} Page 1.",
        "source": "test",
        "url": "http://example.org/1",
        "title": "T",
        "date": "2004-05-06T07:08:09Z",
        "origin": {"file": name, "offset": boundaries[2]},
        "digest": "md5:0123" if version == 2 else None,
    }


@pytest.mark.parametrize("name", ["x.arc", "x.arc.gz"])
def test_a_file_cut_anywhere_gives_the_same_rows(tmp_path, name):
    parts = make_archive(3)
    file = write(tmp_path / name, *(map(gzip.compress, parts) if name.endswith("gz") else parts))
    whole = read_span(file, Span(), SETTINGS)[:3]
    assert len(whole[1]) == 3
    for cut in range(1, file.bytes, 3):
        assert read_spans(file, [cut], SETTINGS) == whole, cut
    for boundary in whole[0][:-1]:
        found = read_span(file, Span(boundary, exact=True), SETTINGS)
        assert found[0] == whole[0][whole[0].index(boundary) :]


def test_what_is_no_answer_of_a_web_server_is_counted(tmp_path):
    block = b"20040506070809\n1.2.3.4\n"
    names = make_line("dns:example.org", len(block), "text/dns") + block + b"\n"
    missing = make_answer(make_page(), status="HTTP/1.0 404 Not Found")
    error = make_line("http://example.org/x", len(missing)) + missing + b"\n"
    old = make_line("http://example.org/y", 6) + b"<html>\n"
    file = write(tmp_path / "x.arc", *make_archive(1), names, error, old, make_record(9))
    _, documents, unused, _ = read_span(file, Span(), SETTINGS)
    assert len(documents) == 2
    assert [row["reason"] for row in unused] == ["not-a-page", "not-a-page", "status-4xx", "malformed"]


def test_addresses_with_spaces_are_read(tmp_path):
    url = "http://example.org/a b/1 2.html"
    ((document,),) = [read_span(write(tmp_path / "x.arc", make_record(1, url=url)), Span(), SETTINGS)[1]]
    assert document["url"] == url


def test_damage_costs_one_record(tmp_path):
    for parts in (make_archive(5), [gzip.compress(part) for part in make_archive(5)]):
        parts[3] = parts[3][:50] + parts[3][60:]
        _, documents, unused, _ = read_span(write(tmp_path / "x.arc", *parts), Span(), SETTINGS)
        assert [d["url"][-1] for d in documents] == ["0", "1", "3", "4"]
        assert [row["reason"] for row in unused] == ["not-a-page", "malformed"]


def test_a_line_full_of_dates_costs_no_time():
    line = b"http:x" + b" 1 20000101000000" * 480
    before = time.process_time()
    for _ in range(20):
        with pytest.raises(Damage):
            parse_line(line + b" 17x\n")
    assert time.process_time() - before < 0.5
    assert parse_line(line[:2000] + b" 17\n")[b"warc-target-uri"] == b"http:x"


@pytest.mark.parametrize("line", [b"", b"\n", b"x\n", b"http://a 1.2.3.4 2004 text/html 7\n"])
def test_what_is_no_line_of_labels_is_malformed(line):
    with pytest.raises(Damage, match="malformed"):
        parse_line(line)
