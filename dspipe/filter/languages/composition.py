"""Turns spans that py3langid would change before it reads them into copies that are so changed.

It brings text to NFC, and to lower case where it is all capitals. The table of Unicode classes tells which
few spans that may touch. What is no UTF-8 stays as it is, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.languages.spans import Spans
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.unicode import COMPOSES, LOWER, UPPER


@kernel
def check_character(text, position, end):  # type: ignore[no-untyped-def]
    """How many bytes the character at `position` has; 0 where it is not as Unicode's table 3-7 has it."""
    first = np.int64(text[position])
    if first < 0x80:
        return 1
    length = 2 + (first >= 0xE0) + (first >= 0xF0)
    if first < 0xC2 or first > 0xF4 or position + length > end:
        return 0
    second = np.int64(text[position + 1])
    lowest = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    highest = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if second < lowest or second > highest:
        return 0
    for following in range(position + 2, position + length):
        if (text[following] & 0xC0) != 0x80:
            return 0
    return length


@kernel
def check_encoding(text, starts, ends, valid):  # type: ignore[no-untyped-def]
    """Tell which spans are UTF-8."""
    for span in range(starts.size):
        position, length = starts[span], 1
        while position < ends[span] and length > 0:
            length = check_character(text, position, ends[span])
            position += length
        valid[span] = length > 0


@kernel
def copy_spans(text, starts, ends, copies):  # type: ignore[no-untyped-def]
    place = 0
    for span in range(starts.size):
        for position in range(starts[span], ends[span]):
            copies[place] = text[position]
            place += 1


def find_changing(text: Bytes, spans: Spans) -> NDArray[np.bool_]:
    """Which spans NFC or lower case may change."""
    changing: NDArray[np.bool_] = in_capitals(spans) | ((spans.flags & COMPOSES) != 0)
    places = np.flatnonzero(changing)
    valid = np.zeros(places.size, np.bool_)
    check_encoding(text, spans.starts[places], spans.ends[places], valid)
    changing[places] = valid
    return changing


def in_capitals(spans: Spans) -> NDArray[np.bool_]:
    return np.asarray((spans.flags & (UPPER | LOWER)) == UPPER)


def normalize_spans(text: Bytes, spans: Spans) -> tuple[Bytes, Offsets]:
    """(bytes, offsets) of the spans, which are UTF-8, in NFC, and in lower case where all are capitals."""
    array, capitals = gather_spans(text, spans), in_capitals(spans)
    if capitals.any():
        array = pc.replace_with_mask(array, pa.array(capitals), lower(array.filter(pa.array(capitals))))
    return text_buffers(pc.utf8_normalize(array, "NFC"))


def gather_spans(text: Bytes, spans: Spans) -> Any:
    """The spans as an Arrow array of their own."""
    offsets = np.concatenate([[0], np.cumsum(spans.ends - spans.starts)])
    copies = np.empty(offsets[-1], np.uint8)
    copy_spans(text, spans.starts, spans.ends, copies)
    return pa.LargeStringArray.from_buffers(spans.starts.size, pa.py_buffer(offsets), pa.py_buffer(copies))


def lower(array: Any) -> Any:
    """Lower case as Python has it: Arrow makes no two characters of "İ", nor a "ς" at the end of a word."""
    array = pc.replace_substring(array, "İ", "i\u0307")
    if pc.any(pc.match_substring(array, "Σ")).as_py():  # the expression takes milliseconds to compile
        array = pc.replace_substring_regex(array, r"([\pL\pM])Σ([^\pL\pM]|$)", r"\1ς\2")
    return pc.utf8_lower(array)
