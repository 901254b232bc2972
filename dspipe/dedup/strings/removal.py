"""Texts and their cuts → what is left of them; and cuts of what is left → cuts of the whole texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.dedup.strings.answers import Integers
from dspipe.dedup.strings.keys import Pieces
from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import kernel

LINE, SUBSTRING = range(2)  # kinds of cuts
CUT = np.dtype(
    [
        ("row", "u4"),  # of the part
        ("start", "i8"),  # bytes in the row's text
        ("end", "i8"),
        ("keeper", "i8"),  # rank of the document that keeps the copy
        ("kind", "u1"),
    ]
)

Cuts = npt.NDArray[np.void]  # of CUT, by row and start, not overlapping


def name_cuts(folder: Path, part: int) -> Path:
    return folder / f"cuts-{part:05d}.npy"


def cuts_of_rows(cuts: Cuts, first: int, count: int) -> Cuts:
    """The cuts of rows first … first + count − 1 of a part."""
    begin, end = np.searchsorted(cuts["row"], [first, first + count])
    return cuts[begin:end]


def cut_texts(texts: pa.Array, cuts: Cuts, first: int = 0) -> pa.Array:
    """Take cuts out of texts, which are rows `first` and following of the cuts' part; null stays null.

    Returns large_string; the texts themselves where there is nothing to cut.
    """
    own = cuts_of_rows(cuts, first, len(texts))
    if not len(own):
        return texts.cast(pa.large_string())
    text, offsets = text_buffers(texts)
    size = int(offsets[-1] - offsets[0]) - int((own["end"] - own["start"]).sum())
    left, ends = np.empty(size, np.uint8), np.zeros(len(offsets), np.int64)
    copy_rest(text, offsets, own, first, left, ends)
    valid = texts.is_valid().buffers()[1] if texts.null_count else None
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(left), valid)


@kernel
def copy_rest(text, offsets, cuts, first, left, ends):  # type: ignore[no-untyped-def]
    """Fill `left` with what is between the cuts, and ends[document + 1]."""
    used, cut = np.int64(0), 0
    for document in range(offsets.size - 1):
        position = offsets[document]
        while position < offsets[document + 1]:
            own = cut < cuts.size and np.int64(cuts[cut].row) == first + document
            stop = offsets[document] + cuts[cut].start if own else offsets[document + 1]
            for place in range(position, stop):
                left[used + place - position] = text[place]
            used += stop - position
            position = offsets[document] + cuts[cut].end if own else stop
            cut += own
        ends[document + 1] = used


def extend_cuts(cuts: Cuts, pieces: Pieces, keepers: Integers, kind: int) -> Cuts:
    """Cuts of a part, and pieces that follow in its text, are to go, and may touch and overlap.

    What touches and has one keeper is one cut; where the keeper changes, the next cut begins.
    """
    extended = np.zeros(len(cuts) + len(keepers), CUT)
    extended[: len(cuts)] = cuts
    used = append_pieces(pieces.rows, pieces.starts, pieces.ends, keepers, kind, extended, len(cuts))
    return extended[:used].copy()


@kernel
def append_pieces(rows, starts, ends, keepers, kind, cuts, used):  # type: ignore[no-untyped-def]
    for piece in range(rows.size):
        start, end = starts[piece], ends[piece]
        if used and np.int64(cuts[used - 1].row) == rows[piece] and start <= cuts[used - 1].end:
            start = cuts[used - 1].end
            if end <= start:
                continue
            if keepers[piece] == cuts[used - 1].keeper:
                cuts[used - 1].end = end
                continue
        cuts[used].row, cuts[used].keeper, cuts[used].kind = rows[piece], keepers[piece], kind
        cuts[used].start, cuts[used].end = start, end
        used += 1
    return used


def weave_cuts(lines: Cuts, cuts: Cuts) -> Cuts:
    """Cuts whose places are in the texts without `lines`, and these → cuts of the whole texts.

    One that spans a line that is gone becomes several.
    """
    woven = np.zeros(2 * len(lines) + len(cuts), CUT)
    return woven[: place_cuts(lines, cuts, woven)]


@kernel
def place_cuts(lines, cuts, woven):  # type: ignore[no-untyped-def]
    """Walk both in order; `shift` is what lines before this place have taken out of its row."""
    used, line, shift, row = 0, 0, np.int64(0), np.int64(-1)
    for number in range(cuts.size):
        cut = cuts[number]
        start = cut.start
        while line < lines.size and np.int64(lines[line].row) <= np.int64(cut.row):
            if np.int64(lines[line].row) != row:
                row, shift = np.int64(lines[line].row), np.int64(0)
            here = lines[line].start - shift  # where the line stood, in the text without it
            if row == np.int64(cut.row) and here >= cut.end:
                break
            if row == np.int64(cut.row) and here > start:
                used = write_cut(woven, used, cut, start + shift, here + shift)
                start = here
            woven[used] = lines[line]
            used += 1
            shift += lines[line].end - lines[line].start
            line += 1
        if row != np.int64(cut.row):
            row, shift = np.int64(cut.row), np.int64(0)
        used = write_cut(woven, used, cut, start + shift, cut.end + shift)
    for rest in range(line, lines.size):
        woven[used] = lines[rest]
        used += 1
    return used


@kernel
def write_cut(cuts, used, cut, start, end):  # type: ignore[no-untyped-def]
    cuts[used] = cut
    cuts[used].start = start
    cuts[used].end = end
    return used + 1
