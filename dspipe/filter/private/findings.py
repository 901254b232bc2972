"""A column of text → how many e-mail addresses, IP addresses, phone numbers and secrets are in each, or the
text without them.

One pass over the bytes stops only where a byte is in `TRIGGERS`: the mark that every finding of a kind has,
such as the "@" of an address. The finders of `patterns` look around there, over a bounded number of bytes,
and the pass goes on behind what they find. Findings therefore never overlap: the first mark wins. A finding
counts as a boundary for the next, as its placeholder would, so that replacing twice is replacing once.

What is replaced becomes a placeholder, everything else stays byte for byte. Placeholders are plain ASCII
that no tokenizer has as a special token, that no pattern finds, and that did not occur in 280 MB of pages
and code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.private.addresses import find_address, may_be_address
from dspipe.filter.private.assignments import find_assignment, may_be_assignment
from dspipe.filter.private.characters import DIGIT, WORD, byte_before, has, walk_run
from dspipe.filter.private.emails import find_email, may_be_email
from dspipe.filter.private.phones import (
    find_international,
    find_national,
    may_be_international,
    may_be_national,
)
from dspipe.filter.private.secrets import (
    find_cloud_key,
    find_private_key,
    find_token,
    find_web_token,
    may_be_cloud_key,
    may_be_private_key,
    may_be_token,
    may_be_web_token,
)
from dspipe.text.arrow import Bytes, Offsets, read_only, text_buffers
from dspipe.text.kernel import inlined, kernel
from dspipe.text.unicode import load_classes

EMAIL, IP, PHONE, SECRET = range(4)
KINDS = ("email", "ip", "phone", "secret")  # as the recipe names them
COLUMNS = ("emails", "ip_addresses", "phone_numbers", "secrets")  # as `schema.SIGNALS` names them
PLACEHOLDERS = (b"[EMAIL]", b"[IP]", b"[PHONE]", b"[SECRET]")
ALL_KINDS = (1 << len(KINDS)) - 1

AN_AT, A_DIGIT, A_PLUS, A_TAIL, A_CAPITAL_A, A_CAPITAL_J, A_SIGN = range(1, 8)


class Findings(NamedTuple):
    """Of each finding, in order: its document, where it begins and ends in the bytes, and its kind."""

    rows: NDArray[np.int64]
    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    kinds: NDArray[np.int64]


def list_triggers() -> NDArray[np.uint8]:
    """[256]: what a byte is the mark of, 0 for nothing."""
    triggers = np.zeros(256, np.uint8)
    for trigger, members in (
        (AN_AT, b"@"),
        (A_DIGIT, b"0123456789"),
        (A_PLUS, b"+"),
        (A_TAIL, b"_-"),
        (A_CAPITAL_A, b"A"),
        (A_CAPITAL_J, b"J"),
        (A_SIGN, b"=:"),
    ):
        triggers[list(members)] = trigger
    return read_only(triggers)


TRIGGERS = list_triggers()


@inlined
def is_promising(text, floor, position, on, end):  # type: ignore[no-untyped-def]
    """Whether the trigger at `position` is worth a look; digits that it begins end at `on`."""
    trigger = TRIGGERS[text[position]]
    if trigger == A_DIGIT:
        if has(byte_before(text, floor, position), WORD):
            return False
        return may_be_address(text, position, on, end) or may_be_national(text, position, on, end)
    if trigger == A_TAIL:
        return may_be_token(text, floor, position) or may_be_private_key(text, floor, position, end)
    if trigger == A_SIGN:
        return may_be_assignment(text, floor, position)
    if trigger == AN_AT:
        return may_be_email(text, floor, position, end)
    if trigger == A_PLUS:
        return may_be_international(text, position, end)
    if trigger == A_CAPITAL_A:
        return may_be_cloud_key(text, position, end)
    return may_be_web_token(text, floor, position)


@kernel
def find_at(text, floor, position, on, end, blocks, classes, counts):  # type: ignore[no-untyped-def]
    """(kind, first, last) of the finding whose trigger is at `position`; `last` is -1 where there is none."""
    trigger = TRIGGERS[text[position]]
    first, last = position, np.int64(-1)
    if trigger == AN_AT:
        first, last = find_email(text, floor, position, end, blocks, classes)
        return EMAIL, first, last
    if trigger == A_PLUS:
        first, last = find_international(text, floor, position, end, blocks, classes)
        return PHONE, first, last
    if trigger == A_DIGIT:
        if may_be_address(text, position, on, end):
            first, last = find_address(text, floor, position, end, blocks, classes)
        if last >= 0:
            return IP, first, last
        if may_be_national(text, position, on, end):
            first, last = find_national(text, floor, position, on, end, blocks, classes)
        return PHONE, first, last
    if trigger == A_SIGN:
        first, last = find_assignment(text, floor, position, end, counts)
    elif trigger == A_CAPITAL_A:
        first, last = find_cloud_key(text, floor, position, end, blocks, classes)
    elif trigger == A_CAPITAL_J:
        first, last = find_web_token(text, floor, position, end, blocks, classes)
    else:
        if may_be_private_key(text, floor, position, end):
            first, last = find_private_key(text, position, end)
        if last < 0 and may_be_token(text, floor, position):
            first, last = find_token(text, floor, position, end, blocks, classes, counts)
    return SECRET, first, last


@kernel
def walk_documents(text, offsets, wanted, blocks, classes, scratch, counts, into):  # type: ignore[no-untyped-def]
    """Count findings in counts[kind, document], and list those of wanted kinds as far as there is room.

    Bit k of wanted[document] is set for a wanted kind k; documents with none are left out. Returns how many
    wanted ones there are.
    """
    found = 0
    for document in range(offsets.size - 1):
        if wanted[document] == 0:
            continue
        position, end = offsets[document], offsets[document + 1]
        floor = position
        while True:
            while position < end and TRIGGERS[text[position]] == 0:
                position += 1
            if position >= end:
                break
            on = max(position + 1, walk_run(text, position, end, DIGIT))
            if not is_promising(text, floor, position, on, end):
                position = on
                continue
            kind, first, last = find_at(text, floor, position, on, end, blocks, classes, scratch)
            position = on
            if last < 0:
                continue
            floor = position = last
            counts[kind, document] += 1
            if (wanted[document] >> kind) & 1:
                if found < into.rows.size:
                    into.rows[found], into.kinds[found] = document, kind
                    into.firsts[found], into.lasts[found] = first, last
                found += 1
    return found


@kernel
def write_replaced(text, first, last, findings, marks, starts, out):  # type: ignore[no-untyped-def]
    """Fill `out` with text[first:last], each finding replaced by marks[starts[kind] : starts[kind + 1]]."""
    position, place = first, 0
    for finding in range(findings.rows.size):
        kind = findings.kinds[finding]
        place = copy_bytes(text, position, findings.firsts[finding], out, place)
        place = copy_bytes(marks, starts[kind], starts[kind + 1], out, place)
        position = findings.lasts[finding]
    copy_bytes(text, position, last, out, place)


@kernel
def copy_bytes(text, first, last, out, place):  # type: ignore[no-untyped-def]
    """Copy text[first:last] to `place` in `out`, and return the place behind it."""
    source, target = text[first:last], out[place : place + last - first]
    for byte in range(last - first):  # of two views that begin at 0 it becomes one memcpy, 20 times faster
        target[byte] = source[byte]
    return place + last - first


def count_private(texts: Any) -> dict[str, pa.Array]:
    """Columns `emails`, `ip_addresses`, `phone_numbers`, `secrets` (int64) of the texts; null has none."""
    text, offsets = text_buffers(texts)
    counts, _ = find_private(text, offsets, np.full(offsets.size - 1, ALL_KINDS, np.uint8))
    return {name: pa.array(counts[kind]) for kind, name in enumerate(COLUMNS)}


def replace_private(
    texts: Any, kinds: NDArray[np.uint8], counts: Mapping[str, Any] | None = None
) -> tuple[Any, NDArray[np.int64]]:
    """(texts as large_string, with a placeholder for each finding of a wanted kind; replaced [kind]).

    Bit k of kinds[row] is set where `KINDS[k]` is wanted; `choose_kinds` sets them. `counts` is what
    `count_private` found in the same texts; with it, texts that have nothing to replace are not walked
    again.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = pa.concat_arrays(texts.chunks or [pa.array([], texts.type)])
    text, offsets = text_buffers(texts)
    wanted = leave_out(kinds, counts)
    found = find_private(text, offsets, wanted)[1] if wanted.any() else 0
    if not found:
        return texts.cast(pa.large_string()), np.zeros(len(KINDS), np.int64)
    findings = Findings(*np.zeros((4, found), np.int64))
    find_private(text, offsets, wanted, findings)
    placed, written = write_texts(text, offsets, findings)
    valid = pa.array(np.asarray(texts.is_valid())).buffers()[1]  # a bitmap, as Arrow has them
    buffers = pa.py_buffer(placed), pa.py_buffer(written), valid
    replaced = np.bincount(findings.kinds, minlength=len(KINDS))
    return pa.LargeStringArray.from_buffers(len(texts), *buffers), replaced


def find_private(
    text: Bytes, offsets: Offsets, wanted: NDArray[np.uint8], findings: Findings | None = None
) -> tuple[NDArray[np.int64], int]:
    """(counts [kind, document] where anything is wanted, how many are of wanted kinds); fills `findings`."""
    counts = np.zeros((len(KINDS), offsets.size - 1), np.int64)
    into = findings or Findings(*np.zeros((4, 0), np.int64))
    scratch = np.zeros(256, np.int64)
    wanted = read_only(np.ascontiguousarray(wanted, np.uint8))  # compiled for one type
    found = walk_documents(text, offsets, wanted, *load_classes(), scratch, counts, into)
    return counts, found


def leave_out(kinds: NDArray[np.uint8], counts: Mapping[str, Any] | None) -> NDArray[np.uint8]:
    """The wanted kinds of each row, without those that are not there by `counts`."""
    if counts is None:
        return kinds
    there = np.zeros(len(kinds), np.uint8)
    for kind, name in enumerate(COLUMNS):
        there |= (np.asarray(counts[name]) > 0).astype(np.uint8) << kind
    return kinds & there


def write_texts(text: Bytes, offsets: Offsets, findings: Findings) -> tuple[Offsets, Bytes]:
    """The offsets and bytes of the texts with placeholders; the column is written as one stream."""
    sizes = np.array([len(placeholder) for placeholder in PLACEHOLDERS], np.int64)
    grown = np.zeros(offsets.size, np.int64)
    np.add.at(grown, findings.rows + 1, sizes[findings.kinds] - (findings.lasts - findings.firsts))
    placed = offsets - offsets[0] + np.cumsum(grown)
    written = np.empty(placed[-1], np.uint8)
    marks = np.frombuffer(b"".join(PLACEHOLDERS), np.uint8)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    write_replaced(text, offsets[0], offsets[-1], findings, read_only(marks), starts, written)
    return placed, written


def choose_kinds(sources: Any, private: Sequence[str] | Mapping[str, Sequence[str]]) -> NDArray[np.uint8]:
    """For each row of the column `source` the bits of what `[filter] private` wants replaced."""
    if not isinstance(private, Mapping):
        return np.full(len(sources), mask_kinds(private), np.uint8)
    place = pc.index_in(sources, pa.array(list(private), pa.string()))
    masks = np.array([*(mask_kinds(kinds) for kinds in private.values()), 0], np.uint8)
    chosen: NDArray[np.uint8] = masks[np.asarray(pc.fill_null(place, len(private)))]
    return chosen


def mask_kinds(kinds: Sequence[str]) -> int:
    """["email", "phone"] → bits 0 and 2."""
    return sum(1 << number for number, kind in enumerate(KINDS) if kind in kinds)
