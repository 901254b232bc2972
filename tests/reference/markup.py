"""Visible text of HTML by regular expressions: the slow twin of `dspipe.filter.domains.markup`."""

from __future__ import annotations

import re

from dspipe.text.unicode import NEWLINE, SPACE
from tests.reference.words import class_of

VALUE = r"""=[\x00-\x20]*"[^"]*(?:"|\Z)|=[\x00-\x20]*'[^']*(?:'|\Z)"""
REST = rf"(?:{VALUE}|[^>])*(?:>|\Z)"
RAW = rf"(?P<raw>script|style)(?=[\x00-\x20/>]|\Z){REST}"
MARKUP = re.compile(rf"<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)|<{RAW}|</?[a-z]{REST}", re.ASCII | re.I | re.S)
REFERENCE = re.compile(r"&(?:[a-z0-9]{1,32}|#[a-z0-9]{1,31});", re.ASCII | re.I)


def measure(html: str) -> tuple[int, int]:
    """(visible, all) characters of a file of HTML."""
    text = "".join(split_visible(html))
    words = "".join(" " if is_blank(character) else character for character in text).split(" ")
    return len(" ".join(word for word in words if word)), len(html)


def is_blank(character: str) -> bool:
    return class_of(character) in (SPACE, NEWLINE)


def split_visible(html: str) -> list[str]:
    """The pieces of text between pieces of markup, a character for each character reference."""
    pieces, position = [], 0
    while position < len(html):
        if markup := MARKUP.match(html, position):
            position = markup.end()
            if markup["raw"]:
                end = re.compile(rf"</{markup['raw']}(?=[\x00-\x20/>]|\Z)", re.I).search(html, position)
                position = end.start() if end else len(html)
        elif reference := REFERENCE.match(html, position):
            pieces.append(" " if names_blank(reference[0][1:-1]) else "x")
            position = reference.end()
        else:
            pieces.append(html[position])
            position += 1
    return pieces


def names_blank(name: str) -> bool:
    if name[0] != "#":
        return name.lower() == "nbsp"
    base, digits = (16, name[2:]) if name[1] in "xX" else (10, name[1:])
    try:
        return int(digits.replace("_", "."), base) in (9, 10, 11, 12, 13, 32, 160)
    except ValueError:
        return False
