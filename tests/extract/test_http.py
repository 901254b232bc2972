"""HTTP answers: whatever was done to a body is undone, as far as that is possible, and within bounds."""

from __future__ import annotations

import gzip
import random
import time
import zlib

import pyarrow as pa
import pytest

from dspipe.extract.archives.http import (
    MOST_HEAD,
    decode_body,
    find_head_end,
    parse_answer,
    parse_type,
    sniff_html,
    unchunk,
)
from dspipe.extract.reasons import Unusable

PAGE = (
    b"<html><body>"
    + b"".join(b"<p>Paragraph %d, \xc3\xa9.</p>\n" % n for n in range(9000))
    + b"</body></html>"
)
LIMIT = 1 << 20


def decode(body: bytes, transfer: str = "", content: str = "", limit: int = LIMIT) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding:{transfer}\r\nContent-Encoding: {content}\r\n\r\n".encode()
    return decode_body(body, parse_answer(head), limit)


def chunk(body: bytes, size: int = 1000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%X ;name=value\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def compress_with_arrow(codec: str, body: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, codec) as stream:
        stream.write(body)
    return bytes(out.getvalue().to_pybytes())


ENCODED = {
    "gzip": gzip.compress(PAGE),
    "x-gzip": gzip.compress(PAGE),
    "deflate": zlib.compress(PAGE),
    "br": compress_with_arrow("brotli", PAGE),
    "zstd": compress_with_arrow("zstd", PAGE),
}


@pytest.mark.parametrize("name", ENCODED)
def test_every_compression_is_undone(name):
    assert decode(ENCODED[name], "", name) == PAGE
    assert decode(ENCODED[name], "", f" {name.upper()} , identity") == PAGE
    assert decode(chunk(ENCODED[name]), "Chunked", name) == PAGE
    assert decode(ENCODED[name], "chunked", name) == PAGE


def test_compressions_are_undone_in_the_order_in_which_they_were_done():
    assert decode(compress_with_arrow("brotli", gzip.compress(PAGE)), "", "gzip, br") == PAGE


def test_deflate_without_a_header_is_undone():
    assert decode(zlib.compress(PAGE)[2:-4], "", "deflate") == PAGE
    assert decode(ENCODED["gzip"], "", "deflate") == PAGE


@pytest.mark.parametrize("name", ENCODED)
def test_a_body_that_ends_early_is_used_as_far_as_it_goes(name):
    decoded = decode(ENCODED[name][: len(ENCODED[name]) * 9 // 10], "", name)
    assert PAGE.startswith(decoded)
    assert len(decoded) > 1000


@pytest.mark.parametrize("name", ENCODED)
def test_a_body_that_is_not_compressed_is_left_as_it_is(name):
    for body in (PAGE, b"", b"text", "<html>ü".encode("utf-16")):
        assert decode(body, "", name) == body


@pytest.mark.parametrize("name", ENCODED)
def test_a_body_that_cannot_be_decompressed_is_malformed(name):
    with pytest.raises(Unusable, match="malformed"):
        decode(b"\x1f\x8b\x08\xff" + random.Random(1).randbytes(3000), "", name)


@pytest.mark.parametrize("name", ENCODED)
def test_a_body_that_grows_without_end_is_too_large(name):
    bomb = {
        "gzip": gzip.compress(bytes(32 << 20)),
        "deflate": zlib.compress(bytes(32 << 20)),
        "br": compress_with_arrow("brotli", bytes(32 << 20)),
        "zstd": compress_with_arrow("zstd", bytes(32 << 20)),
    }[name.removeprefix("x-")]
    with pytest.raises(Unusable, match="too-large"):
        decode(bomb, "", name)


def test_chunks_may_be_cut():
    whole = chunk(PAGE)
    for size in (1010, 5000, len(whole) - 7, len(whole) - 1):
        cut = unchunk(whole[:size], LIMIT)
        assert PAGE.startswith(cut)
        assert len(cut) > 0.9 * size
    assert unchunk(whole.replace(b"\r\n", b"\n"), LIMIT) == PAGE
    assert unchunk(b"0\r\n\r\n", LIMIT) == b""


def test_a_first_line_that_only_looks_like_a_size_is_kept():
    body = b"a\nbook that begins with a letter"
    assert unchunk(body, LIMIT) == body


@pytest.mark.parametrize(
    ("block", "status", "kind", "charset"),
    [
        (
            b'HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; Charset="KOI8-R"\r\n\r\n',
            200,
            b"text/html",
            "koi8-r",
        ),
        (b"HTTP/1.0 404\ncontent-type:text/plain\n\nx: y\r\n\r\n", 404, b"text/plain", None),
        (b"HTTP/2 302 Found\r\nX: content-type: no\r\n\r\n", 302, b"", None),
    ],
)
def test_the_head_of_an_answer_is_read(block, status, kind, charset):
    answer = parse_answer(block)
    assert (answer.status, answer.kind, answer.charset) == (status, kind, charset)


@pytest.mark.parametrize(
    "block", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 600 X\r\n\r\n", b"ICY 200 OK\r\n\r\n"]
)
def test_what_is_no_answer_is_malformed(block):
    with pytest.raises(Unusable, match="malformed"):
        parse_answer(block)


def test_a_head_ends_at_the_first_empty_line():
    assert find_head_end(b"a\r\n\r\nb\n\nc") == 5
    assert find_head_end(b"a\n\nb\r\n\r\n") == 3
    assert find_head_end(b"a\n\r\nb") == 4
    assert find_head_end(b"a\r\nb") == -1


def test_what_is_behind_a_head_costs_no_time():
    head, body = b"a\nb\n\n", b"word " * 200_000
    before = time.process_time()
    assert {find_head_end(head + body) for _ in range(1000)} == {len(head)}
    copied = time.process_time() - before
    content = head + body
    before = time.process_time()
    assert {find_head_end(content) for _ in range(1000)} == {len(head)}
    assert time.process_time() - before < copied + 0.05
    assert find_head_end(b"a" * MOST_HEAD + body + b"\n\n") == -1


def test_types_are_read_as_far_as_they_can_be():
    assert parse_type(b"text/html;charset=utf-8") == (b"text/html", "utf-8")
    assert parse_type(b" TEXT/HTML, text/html") == (b"text/html", None)
    assert parse_type(b"") == (b"", None)


@pytest.mark.parametrize(
    "body", [b" \n<!DOCTYPE html>", b"\xef\xbb\xbf<HTML>", b"<?xml?>\n<html lang=x>", b"<p>"]
)
def test_pages_without_a_type_are_known_by_how_they_begin(body):
    assert sniff_html(body)


@pytest.mark.parametrize("body", [b"", b"words only", b"%PDF-1.4 <p>", b"<?xml?><rss>", b"{}"])
def test_what_is_no_page_is_known_too(body):
    assert not sniff_html(body)
