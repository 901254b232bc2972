"""Turns a user's list of hosts, beginnings of URLs and words into three masks over a column of URLs.

The list is kept as sorted 64-bit hashes, so that millions of entries take eight bytes each. Entries are split
and hashed by the kernels that do it with URLs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.filter.lists.urls import (
    CLOSING,
    COLON,
    DASH,
    DOT,
    HASH,
    OF_HOST,
    OF_URL,
    OF_WORD,
    OPENING,
    SPACE,
    finish,
    is_alphanumeric,
    lower,
    mix,
    split_url,
    start_url,
    trim,
    walk_urls,
)
from dspipe.filter.rules import HOST, URL, WORD, Mask
from dspipe.recipe import Filter, RecipeError
from dspipe.text.arrow import read_only, text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.words import STEP

Hashes = NDArray[np.uint64]

REASONS = (HOST, URL, WORD)
WRONG = -1  # among the kinds of entries, which are OF_HOST, OF_URL and OF_WORD
NEWLINE, UNDERSCORE, DELETE = 10, 95, 127
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHOWN = 60  # characters of a wrong line


class Blocklist(NamedTuple):
    """Sorted hashes of the entries of each kind, in the order of REASONS."""

    hosts: Hashes
    beginnings: Hashes
    words: Hashes


@kernel
def find_comment(content, start, end):  # type: ignore[no-untyped-def]
    """Where a line's comment begins: a `#` at its start or after white space; `end` where it has none."""
    for position in range(start, end):
        if content[position] == HASH and (position == start or content[position - 1] <= SPACE):
            return position
    return end


@kernel
def count_dots(content, first, behind):  # type: ignore[no-untyped-def]
    """The dots of a host in an entry; WRONG where it cannot be one."""
    literal = content[first] == OPENING if first < behind else False
    dots, label = 0, 0
    for position in range(first, behind):
        byte = content[position]
        label += 1
        if byte == DOT:
            if label == 1:
                return WRONG
            dots, label = dots + 1, 0
        elif not (
            is_alphanumeric(byte)
            or byte in (DASH, UNDERSCORE)
            or byte > DELETE
            or (literal and (byte == COLON or position in (first, behind - 1)))
        ):
            return WRONG
    closed = not literal or content[behind - 1] == CLOSING
    return dots if label and closed else WRONG


@kernel
def read_entry(content, start, end):  # type: ignore[no-untyped-def]
    """(kind, hash) of the entry content[start:end], which is not empty."""
    value, plain = STEP, True
    for position in range(start, end):
        byte = content[position]
        if byte <= SPACE or byte == DELETE:
            return WRONG, value
        plain = plain and is_alphanumeric(byte)
        if plain:
            value = mix(value, lower(byte))
    if plain:
        return OF_WORD, finish(value)
    first, behind, rest = split_url(content, start, end)
    dots = count_dots(content, first, behind)
    whole = first > start or content[first] == OPENING if first < behind else False
    if dots == WRONG or (rest == end and dots == 0 and not whole):
        return WRONG, value
    if rest < end:
        value = start_url(content, first, behind, rest, end)
        for position in range(rest, end):
            value = mix(value, content[position])
        return OF_URL, finish(value)
    value = STEP
    for back in range(behind - first):
        value = mix(value, lower(content[behind - 1 - back]))
    return OF_HOST, finish(value)


@kernel
def read_lines(content, kinds, hashes):  # type: ignore[no-untyped-def]
    """Fill the kind and hash of each entry; (entries, number of a wrong line or 0, its start, its end)."""
    entries, line, position = 0, 0, 0
    while position < content.size:
        line += 1
        after = position
        while after < content.size and content[after] != NEWLINE:
            after += 1
        start, end = trim(content, position, find_comment(content, position, after))
        if start < end:
            kinds[entries], hashes[entries] = read_entry(content, start, end)
            if kinds[entries] == WRONG:
                return entries, line, start, end
            entries += 1
        position = after + 1
    return entries, 0, 0, 0


def check_blocklist(settings: Filter) -> None:
    """Read the list, and compile what looks it up, here and not in every worker.

    Raises:
        RecipeError: a line of it is wrong.
    """
    if settings.blocklist is not None:
        find_blocked(pa.array([""]), load_blocklist(settings.blocklist))


def load_blocklist(path: str) -> Blocklist:
    """The entries of a file, read once in each process, and again when the file has changed.

    Raises:
        RecipeError: it cannot be read, or a line is wrong; one sentence with its number.
    """
    try:
        found = Path(path).stat()
        return read_blocklist(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise RecipeError(
            f"filter.blocklist: {path} cannot be read: {error.strerror}; name a text file"
        ) from None


@lru_cache(maxsize=1)
def read_blocklist(path: str, size: int, changed: int) -> Blocklist:
    whole = Path(path).read_bytes()
    check_characters(path, whole)
    content = read_only(np.frombuffer(whole.removeprefix(BYTE_ORDER_MARK), np.uint8))
    room = whole.count(b"\n") + 1
    kinds, hashes = np.empty(room, np.int8), np.empty(room, np.uint64)
    entries, line, start, end = read_lines(content, kinds, hashes)
    if line:
        raise wrong_line(path, line, content[start:end].tobytes())
    kinds, hashes = kinds[:entries], hashes[:entries]
    # Sorted, not np.unique: equal ones do no harm, and numpy's newer unique takes 4 s where sort takes 0.2.
    return Blocklist(*(read_only(np.sort(hashes[kinds == kind])) for kind in range(len(REASONS))))


def check_characters(path: str, whole: bytes) -> None:
    """Refuse a file that is not UTF-8; Arrow looks through it without a copy."""
    bounds = pa.py_buffer(np.array([0, len(whole)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(whole)).validate(full=True)
    except pa.ArrowInvalid:
        for number, line in enumerate(whole.split(b"\n"), 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                raise RecipeError(
                    f"filter.blocklist: {path}, line {number}: is not UTF-8; save the file as UTF-8"
                ) from None


def wrong_line(path: str, line: int, entry: bytes) -> RecipeError:
    shown = entry.decode("utf-8", "replace")
    shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
    return RecipeError(
        f"filter.blocklist: {path}, line {line}: {shown!r} is no host, beginning of a URL or word of ASCII "
        "letters and digits; mend it or take it out"
    )


def find_blocked(urls: Any, blocklist: Blocklist) -> dict[str, Mask]:
    """By reason, bool[URLs]: what the list blocks in an Arrow array of strings; null is never blocked."""
    text, offsets = text_buffers(urls)
    blocked = np.zeros((len(REASONS), len(urls)), bool)
    walk_urls(text, offsets, *blocklist, blocked)
    return dict(zip(REASONS, blocked, strict=True))
