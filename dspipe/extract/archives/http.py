"""Turns an HTTP answer as a crawler stored it into the bytes of its page, and says what kind of page it is.

Anything in an answer may be wrong: declared encodings that the crawler undid, a body that ends early or grows
without end, no type at all. Browsers cope, so this does, within bounds.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from dspipe.extract.reasons import Unusable

MOST_HEAD = 64 << 10
SLICE = 8 << 10  # damage loses the slice that it is in
INFLATED_AT_ONCE = 1 << 20
MOST_ENCODINGS = 4
SNIFFED = 1024  # bytes of a body without a type that tell it
HTML_TYPES = ("text/html", "application/xhtml+xml")

match_status = re.compile(rb"HTTP/\d+(?:\.\d+)?[ \t]+([1-5])(\d\d)(?!\d)").match
find_charset = re.compile(rb"charset\s*=\s*[\"']?([^\s\"';,]+)", re.IGNORECASE).search
match_chunk = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1024})?\r?\n").match
match_line_end = re.compile(rb"\r?\n").match
find_empty_line = re.compile(rb"\n\r?\n").search
# what a page begins with, by the rules that browsers follow
match_tag = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p|!--)(?=[\s>/-])",
    re.IGNORECASE,
).match
find_html = re.compile(rb"<html[\s>]|<!doctype html", re.IGNORECASE).search
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


@dataclass(frozen=True)
class Answer:
    """The head of an HTTP answer, and where in its block the body begins."""

    status: int
    kind: bytes  # the media type, in lower case; empty where there is none
    charset: str | None
    transfer: bytes  # the encodings named, in lower case
    content: bytes
    begin: int


def parse_answer(block: bytes) -> Answer:
    """Read the head of an answer.

    Raises:
        Unusable: malformed.
    """
    status = match_status(block)
    size = find_head_end(block)
    if status is None or not 0 < size <= MOST_HEAD:
        raise Unusable("malformed")
    head = block[:size].lower()
    kind, charset = parse_type(find_value(head, b"content-type"))
    transfer, content = find_value(head, b"transfer-encoding"), find_value(head, b"content-encoding")
    return Answer(int(status[1] + status[2]), kind, charset, transfer, content, size)


def find_value(head: bytes, name: bytes) -> bytes:
    """What stands in the first of the lines, all in lower case, that begins with a name and a colon."""
    at = head.find(b"\n%b:" % name)
    return head[at + len(name) + 2 : head.find(b"\n", at + 1)].strip() if at >= 0 else b""


def find_head_end(block: bytes, start: int = 0) -> int:
    """Where the line behind the first empty one begins, -1 where there is none; lines end in LF or CRLF.

    No more is looked at than a head may have: what is behind may be long.
    """
    end = find_empty_line(block, start, start + MOST_HEAD + 4)
    return end.end() if end else -1


def parse_type(value: bytes) -> tuple[bytes, str | None]:
    """The media type and charset of a Content-Type: `Text/HTML; charset=x` → text/html, x."""
    charset = find_charset(value)
    kind = re.split(rb"[;,\s]", value.strip(), maxsplit=1)[0].lower()
    return kind, charset[1].decode("latin-1") if charset else None


def sniff_html(body: bytes) -> bool:
    """Whether a body of unknown type begins as web pages do."""
    return bool(match_tag(body) or find_html(body, 0, SNIFFED))


def decode_body(body: bytes, answer: Answer, limit: int) -> bytes:
    """Undo what the headers Transfer-Encoding and Content-Encoding say, where it is still to be undone.

    Crawlers often store a decoded body under its original headers, so that each is tried and left when it
    does not fit. A body that ends early is used as far as it goes.

    Raises:
        Unusable: too-large: more than `limit` bytes; malformed: compressed bytes that cannot be decompressed.
    """
    if b"chunked" in answer.transfer:
        body = unchunk(body, limit)
    for name in reversed(list_encodings(answer)[:MOST_ENCODINGS]):
        body = decompress(body, name, limit)
    if len(body) > limit:
        raise Unusable("too-large")
    return body


def list_encodings(answer: Answer) -> list[bytes]:
    """The compressions of a body, in the order in which they were done."""
    return [name.strip() for name in answer.content.split(b",") if name.strip() in DECODERS]


def unchunk(body: bytes, limit: int) -> bytes:
    """A body without the sizes between its chunks; itself where it has none."""
    pieces: list[bytes] = []
    at = size = 0
    while size <= limit and (head := match_chunk(body, at)):
        begin, length = head.end(), int(head[1], 16)
        end = match_line_end(body, begin + length)
        if not pieces and length and not end and begin + length < len(body):
            return body  # a first line that only looks like a size
        pieces.append(body[begin : begin + length])
        size += len(pieces[-1])
        if not length or not end:
            break
        at = end.end()
    return b"".join(pieces) if pieces else body


def decompress(body: bytes, name: bytes, limit: int) -> bytes:
    """The first bytes, a little more than `limit` at most, of a body compressed in the way named."""
    pieces, size = [], 0
    try:
        for piece in DECODERS[name](body):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Unusable("too-large")
    except (zlib.error, OSError, EOFError):
        pass
    if not size and CONTROL.search(body, 0, SNIFFED) and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unusable("malformed")
    return b"".join(pieces) if size else body


def inflate(body: bytes) -> Iterator[bytes]:
    """Undo gzip or zlib."""
    return feed(zlib.decompressobj(47), body)


def inflate_bare(body: bytes) -> Iterator[bytes]:
    """Undo deflate; some servers leave out the header of zlib, which the name means."""
    headed = body[:1] == b"\x1f" or (body[:1] == b"\x78" and int.from_bytes(body[:2], "big") % 31 == 0)
    return feed(zlib.decompressobj(47 if headed else -15), body)


def feed(inflater: zlib._Decompress, body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), SLICE):
        data = body[at : at + SLICE]
        while data:
            yield inflater.decompress(data, INFLATED_AT_ONCE)
            data = b"" if inflater.eof else inflater.unconsumed_tail
        if inflater.eof:
            return


def read_with_arrow(codec: str) -> Callable[[bytes], Iterator[bytes]]:
    def read(body: bytes) -> Iterator[bytes]:
        with pa.CompressedInputStream(pa.BufferReader(body), codec) as stream:
            while piece := stream.read(SLICE):
                yield piece

    return read


DECODERS = {
    b"gzip": inflate,
    b"x-gzip": inflate,
    b"deflate": inflate_bare,
    b"br": read_with_arrow("brotli"),
    b"zstd": read_with_arrow("zstd"),
}
