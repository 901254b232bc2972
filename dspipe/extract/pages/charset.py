"""Bytes in whatever charset → text.

Browsers' order: a byte order mark, what HTTP says, what `<meta>` says, what the bytes look like. But text in
another charset is hardly ever valid UTF-8, so validity outweighs the claim of a single-byte charset, which
many servers make for everything that they send.
"""

from __future__ import annotations

from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
SINGLE_BYTE = ("ascii", "cp", "iso8859", "koi8", "mac")  # how Python's names of such charsets begin


def decode_text(data: bytes, charset: str | None = None) -> str:
    """Bytes as text, never failing; `charset` is what HTTP says, or None."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    declared = find_charset(charset)
    if may_be_utf8(data, declared):
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    if declared not in (None, "utf-8"):
        try:
            return data.decode(declared)
        except (UnicodeDecodeError, LookupError):
            pass
    # slow, and seldom needed
    text: str = bytes_to_str(data, detect_encoding(data, from_html_meta=True) or "utf-8")
    return text


def recode_page(page: bytes, charset: str | None = None) -> bytes:
    """A page as UTF-8, the same object where it is that already."""
    if may_be_utf8(page, find_charset(charset)) and not page.startswith(MARKS[0][0]):
        try:
            page.decode()
            return page
        except UnicodeDecodeError:
            pass
    return decode_text(page, charset).encode("utf-8", "replace")


def find_charset(charset: str | None) -> str | None:
    """Python's name of the charset that HTTP names, None where it names none that there is."""
    name: str | None = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    return name


def may_be_utf8(data: bytes, declared: str | None) -> bool:
    """Whether valid UTF-8 is what it seems: not with zeros, as in UTF-16, or escapes, as in ISO 2022."""
    plain = b"\0" not in data and b"\x1b" not in data
    return plain and (declared in (None, "utf-8") or declared.startswith(SINGLE_BYTE))
