"""Turns files of code into what StarCoder's rules for markup ask: XML headers, and the visible text of HTML.

Visible is what a reader of the page could see: all characters outside of tags, comments, declarations,
scripts and styles, a character reference counting as the one character that it stands for. White space counts
as one character between visible ones, however much of it there is and whatever markup is in between, and as
none at the ends. StarCoder counts about so: it takes BeautifulSoup's text without scripts and styles, strips
its lines and drops the empty ones.

The walk is linear: a comment, a script or a quoted value that nobody closes goes on to the end of the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.unicode import CLASS, NEWLINE, SPACE, load_classes, read_character

HTML = ("html", "htm", "xhtml")
HEADER = np.frombuffer(b"<?xml version=", np.uint8)
HEADER_WITHIN = 100  # characters
SCRIPT = np.frombuffer(b"script", np.uint8)
STYLE = np.frombuffer(b"style", np.uint8)
COMMENT = np.frombuffer(b"<!--", np.uint8)
COMMENT_END = np.frombuffer(b"-->", np.uint8)
NO_BREAK_SPACE = np.frombuffer(b"nbsp", np.uint8)
LONGEST_REFERENCE = 32  # bytes between "&" and ";"
LESS, GREATER, SLASH, EQUALS, AMPERSAND, SEMICOLON, HASH = (ord(character) for character in "<>/=&;#")
QUOTE, APOSTROPHE, EXCLAMATION, QUESTION = (ord(character) for character in "\"'!?")


@kernel
def is_letter(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@kernel
def stands_at(text, position, end, wanted):  # type: ignore[no-untyped-def]
    """Whether the bytes at `position` are those of `wanted`, which is in small letters, in whatever case."""
    if position + wanted.size > end:
        return False
    for place in range(wanted.size):
        byte = text[position + place]
        if byte != wanted[place] and not (65 <= byte <= 90 and byte + 32 == wanted[place]):
            return False
    return True


@kernel
def names_element(text, position, end, name):  # type: ignore[no-untyped-def]
    """Whether the name of a tag that begins at `position` is `name`."""
    after = position + name.size
    if not stands_at(text, position, end, name):
        return False
    return after == end or text[after] <= 32 or text[after] == SLASH or text[after] == GREATER


@kernel
def skip_past(text, position, end, wanted):  # type: ignore[no-untyped-def]
    """Where the next `wanted` ends, or `end`."""
    while position < end and not stands_at(text, position, end, wanted):
        position += 1
    return min(end, position + wanted.size)


@kernel
def skip_tag(text, position, end):  # type: ignore[no-untyped-def]
    """Where the tag ends whose name begins at `position`; a ">" in a quoted value does not end it."""
    value = False  # whether a value may begin here: nothing but white space stands between this and a "="
    while position < end:
        byte = text[position]
        position += 1
        if byte == GREATER:
            return position
        if value and byte in (QUOTE, APOSTROPHE):
            while position < end and text[position] != byte:
                position += 1
            position = min(end, position + 1)
        value = byte == EQUALS or (value and byte <= 32)
    return end


@kernel
def skip_raw_text(text, position, end, name):  # type: ignore[no-untyped-def]
    """Where the end tag of a script or style begins, or `end`."""
    while position < end:
        if (
            text[position] == LESS
            and position + 1 < end
            and text[position + 1] == SLASH
            and names_element(text, position + 2, end, name)
        ):
            return position
        position += 1
    return end


@kernel
def skip_markup(text, position, end, marks):  # type: ignore[no-untyped-def]
    """Where the markup ends that begins with the "<" at `position`; the same place if it is only a "<"."""
    comment, comment_end, script, style, _ = marks
    follower = text[position + 1] if position + 1 < end else 32
    if stands_at(text, position, end, comment):
        return skip_past(text, position + comment.size, end, comment_end)
    if follower in (EXCLAMATION, QUESTION):
        while position < end and text[position] != GREATER:
            position += 1
        return min(end, position + 1)
    if follower == SLASH and position + 2 < end and is_letter(text[position + 2]):
        return skip_tag(text, position + 2, end)
    if not is_letter(follower):
        return position
    after = skip_tag(text, position + 1, end)
    if names_element(text, position + 1, end, script):
        return skip_raw_text(text, after, end, script)
    if names_element(text, position + 1, end, style):
        return skip_raw_text(text, after, end, style)
    return after


@kernel
def measure_reference(text, position, end, space):  # type: ignore[no-untyped-def]
    """(bytes, whether it is white space) of the character reference at the "&", (0, False) if it is none."""
    start = position + 1
    stop = start
    limit = min(end, start + LONGEST_REFERENCE)
    if stop < limit and text[stop] == HASH:
        stop += 1
    while stop < limit and (is_letter(text[stop]) or 48 <= text[stop] <= 57):
        stop += 1
    size = stop - start
    if size == 0 or stop >= end or text[stop] != SEMICOLON or (size == 1 and text[start] == HASH):
        return 0, False
    if text[start] != HASH:
        return size + 2, size == space.size and stands_at(text, start, end, space)
    base = 16 if text[start + 1] | 32 == 120 else 10
    number: Any = np.int64(0)
    for place in range(start + (2 if base == 16 else 1), stop):
        digit = text[place] - 48 if text[place] <= 57 else (text[place] | 32) - 87
        number = number * base + digit if digit < base and number < 0x110000 else 0x110000
    return size + 2, 9 <= number <= 13 or number == 32 or number == 160


@kernel
def measure_html(text, offsets, chosen, marks, blocks, classes, visible, total):  # type: ignore[no-untyped-def]
    """Count the visible and all characters of each chosen document."""
    for document in range(offsets.size - 1):
        if not chosen[document]:
            continue
        position, end = offsets[document], offsets[document + 1]
        gap = False  # whether white space stands since the last visible character
        while position < end:
            after, blank = position, False
            if text[position] == LESS:
                after = skip_markup(text, position, end, marks)
                if after > position:
                    total[document] += count_characters(text, position, after, end, blocks, classes)
                    position = after
                    continue
            if text[position] == AMPERSAND:
                size, blank = measure_reference(text, position, end, marks[4])
                after = position + size
                total[document] += size
            if after == position:
                entry = read_character(text, position, end, blocks, classes)
                after = position + ((entry >> 16) & 255)
                kind = entry & CLASS
                blank = kind in (SPACE, NEWLINE)
                total[document] += 1
            if blank:
                gap = True
            else:
                visible[document] += 1 + (gap and visible[document] > 0)
                gap = False
            position = after


@kernel
def count_characters(text, position, stop, end, blocks, classes):  # type: ignore[no-untyped-def]
    """How many characters stand from `position` to `stop`, at which one begins."""
    count = 0
    while position < stop:
        if text[position] < 128:
            position += 1
        else:
            position += (read_character(text, position, end, blocks, classes) >> 16) & 255
        count += 1
    return count


@kernel
def find_headers(text, offsets, within, header, blocks, classes, out):  # type: ignore[no-untyped-def]
    """Set out[document] where the header stands wholly in the first characters of a document."""
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        left = within - header.size  # the header is of ASCII, so that its bytes are its characters
        while position < end and left >= 0 and not out[document]:
            out[document] = stands_at(text, position, end, header)
            position += (read_character(text, position, end, blocks, classes) >> 16) & 255
            left -= 1


def measure_markup(texts: Any, extensions: Any) -> dict[str, Any]:
    """The columns `xml_header`, `visible_characters` and `visible_text` of `signals`; the last two of HTML.

    `visible_text` is the share of all characters, 0 for an empty file.
    """
    text, offsets = text_buffers(texts)
    header = np.zeros(offsets.size - 1, np.bool_)
    find_headers(text, offsets, HEADER_WITHIN, HEADER, *load_classes(), header)
    marked = pc.fill_null(pc.is_in(extensions, value_set=pa.array(HTML)), False)
    chosen = np.asarray(marked).astype(np.bool_)
    visible, total = (np.zeros(offsets.size - 1, np.int64) for _ in range(2))
    marks = (COMMENT, COMMENT_END, SCRIPT, STYLE, NO_BREAK_SPACE)
    measure_html(text, offsets, chosen, marks, *load_classes(), visible, total)
    share = (visible / np.maximum(total, 1)).astype(np.float32)
    return {
        "xml_header": pa.array(header),
        "visible_characters": pa.array(visible, mask=~chosen),
        "visible_text": pa.array(share, mask=~chosen),
    }
