"""Turns the body of an HTTP answer into text: encodings undone, charset found, HTML read.

Anything in a page may be wrong: declared encodings that were undone by the crawler, a charset that is not the
page's, a compressed body that grows without end. Browsers cope, so this does, within bounds.
"""

from __future__ import annotations

import io
import zlib

from fastwarc.stream_io import BrotliReader, ChunkedReader, ZstdReader
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from dspipe.extract.nesting import has_too_many_elements, is_too_deep

LARGEST_PAGE = 16 << 20  # bytes of HTML; Common Crawl cuts pages at 5 MiB
HTML_TYPES = ("text/html", "application/xhtml+xml")
SINGLE_BYTE = ("cp1252", "ascii")


class Unusable(Exception):
    """A record gives no document; its argument is the reason, one of `rows.REASONS`."""


def extract_text(page: bytes, charset: str | None) -> str:
    """The main content of an HTML page: lists and code, but no menus, comments and image descriptions.

    Raises:
        Unusable: too-large, too-deep.
    """
    if has_too_many_elements(page):
        raise Unusable("too-deep")
    tree = HTMLTree.parse(decode_text(page, charset))
    if is_too_deep(tree, page):
        raise Unusable("too-deep")
    text: str = extract_plain_text(
        tree,
        preserve_formatting=True,
        main_content=True,
        list_bullets=True,
        alt_texts=False,
        links=False,
        form_fields=False,
        noscript=False,
        comments=False,
        post_meta=False,
    )
    return text


def decode_text(data: bytes, charset: str | None = None) -> str:
    """Bytes in an unknown charset as text, never failing.

    Text in another charset is hardly ever valid UTF-8, so validity outweighs the claim of a single-byte
    charset, which many servers make for everything that they send. Any other charset that is declared is
    tried next. What remains is detected, from `<meta>` or the bytes; that is slow, and seldom needed.
    """
    declared = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    if declared in (None, "utf-8", *SINGLE_BYTE) and b"\0" not in data and b"\x1b" not in data:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
    if declared not in (None, "utf-8"):
        try:
            return data.decode(declared).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            pass
    text: str = bytes_to_str(data, detect_encoding(data, from_html_meta=True) or "utf-8")
    return text


def decode_body(body: bytes, transfer: str, content: str) -> bytes:
    """Undo what the headers Transfer-Encoding and Content-Encoding say, where it is still to be undone.

    Crawlers often store a decoded body under its original headers, so that each is tried and left when it
    does not fit. A body that ends early is used as far as it goes.

    Raises:
        Unusable: too-large.
    """
    if "chunked" in transfer.lower():
        body = unchunk(body)
    for name in reversed([name.strip() for name in content.lower().split(",")][:4]):
        body = decompress(body, name)
        if len(body) > LARGEST_PAGE:
            raise Unusable("too-large")
    return body


def unchunk(body: bytes) -> bytes:
    try:
        return bytes(ChunkedReader(io.BytesIO(body)).read(LARGEST_PAGE + 1)) or body
    except Exception:
        return body


def decompress(body: bytes, name: str) -> bytes:
    """The first bytes, a little more than `LARGEST_PAGE` at most, of a body compressed in the way named."""
    try:
        if name in ("gzip", "x-gzip", "deflate"):
            raw = name == "deflate" and body[:1] != b"\x78"  # some servers leave out zlib's header
            return zlib.decompressobj(-15 if raw else 47).decompress(body, LARGEST_PAGE + 1)
        if name == "br":
            return bytes(BrotliReader(io.BytesIO(body)).read(LARGEST_PAGE + 1))
        if name == "zstd":
            return bytes(ZstdReader(io.BytesIO(body)).read(LARGEST_PAGE + 1))
    except Exception:
        pass
    return body
