"""Packed rows → datatrove's `.ds`, `.ds.index` and `.ds.metadata`, as nanotron reads them.

A reader with `seq_len` = L - 1 takes L tokens at a time, which are our rows, padding included. The index has
the end of each chunk and of the padding behind them, so that positions begin anew with each document.
Nothing is written to mask the padding's loss (`.ds.loss`), because no reader of datatrove reads that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.files import find_file
from dspipe.commands.convert.packed import PackedRows, narrow_tokens
from dspipe.commands.packed import Rows
from dspipe.shards import replacing, write_file

ENDINGS = (".ds", ".ds.index", ".ds.metadata")
FEW = 1 << 16  # so many tokens fit two bytes, as datatrove decides it
UNKNOWN = "Unknown Tokenizer"
UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def choose_type(packed: PackedRows) -> np.dtype[Any]:
    return np.dtype("<u2" if packed.size <= FEW else "<u4")


def write_datatrove(packed: PackedRows, target: Path) -> Iterator[int]:
    """Write the three files, the metadata last; yields how many rows are done."""
    form, done = choose_type(packed), 0
    tokens, index, metadata = (target.with_name(target.name + ending) for ending in ENDINGS)
    with (
        replacing(index) as ends,
        replacing(tokens) as temporary,
        open(temporary, "wb") as first,
        open(ends, "wb") as second,
    ):
        for rows in packed.read():
            first.write(narrow_tokens(rows, form).data)
            second.write(list_ends(rows, done).astype("<u8").tobytes())
            done += len(rows.tokens)
            yield done
        metadata.unlink(missing_ok=True)  # old files never stand beside new ones as if they were whole
        index.unlink(missing_ok=True)
    write_file(metadata, describe(packed, form).encode())


def list_ends(rows: Rows, before: int) -> NDArray[np.int64]:
    """Where chunks and padding end, in tokens from the first of all rows; `before`: rows before these."""
    count, length = rows.tokens.shape
    starts = (before + np.arange(count, dtype=np.int64)) * length
    ends = np.concatenate([[0], np.cumsum(rows.lengths, dtype=np.int64)])
    within = ends[1:] - np.repeat(ends[rows.offsets[:-1]], np.diff(rows.offsets))
    chunks = np.repeat(starts, np.diff(rows.offsets)) + within
    return np.union1d(chunks, starts + length)


def describe(packed: PackedRows, form: np.dtype[Any]) -> str:
    """The tokenizer's file and the width of a token, how many tokens there are, and the same for people."""
    name = UNKNOWN if packed.tokenizer is None else str(find_file(packed.tokenizer))
    count = packed.count * packed.length
    unit, letter = next(((unit, letter) for unit, letter in UNITS if count >= unit), (1, ""))
    return f"{name}|{form.itemsize}\n{count}\n{count / unit:.3g} {letter}T"
