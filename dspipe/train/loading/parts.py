"""Files of packed rows → where in them each row's tokens, lengths and checksum lie.

The rows of a length are counted through its parts in order, from the manifest's numbers alone: a part is not
looked at before a row of it is asked for. Then its footer is parsed, its columns are held to what the
manifest promises, and of each record batch the places of the buffers in the file are noted, as numbers of 64
bits. The mapping that the parser reads through is dropped at once: rows are read by `reader.py` with `pread`,
as a file that is cut short while it is mapped kills whoever looks at it.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dspipe.recipe import DspipeError
from dspipe.schema import sequences
from dspipe.sequences import MEND
from dspipe.train.loading.order import Places

COLUMNS = ("tokens", "lengths", "checksum")
# What a line of a part's table holds of a record batch: its first row and the one behind its last; where its
# tokens, the offsets of its lists of lengths, these lengths and its checksums begin; for how many lengths
# there is room.
FIRST, BEHIND, TOKENS, OFFSETS, LENGTHS, CHECKSUMS, CHUNKS = range(7)


class Parts:
    """The rows of one length, in (file, its rows) after (file, its rows).

    `table[begins[part] : ends[part]]` are the record batches of a part that was looked at. Threads may share
    this.
    """

    def __init__(self, length: int, files: Sequence[tuple[Path, int]]) -> None:
        self.length = length
        self.paths = [path for path, _ in files]
        self.starts = np.cumsum([0, *(rows for _, rows in files)], dtype=np.int64)
        self.begins, self.ends = np.zeros((2, len(files)), np.int64)
        self.table = np.empty((64, 7), np.int64)
        self._noted, self._lock = 0, threading.Lock()

    @property
    def rows(self) -> int:
        return int(self.starts[-1])

    def find_rows(self, rows: Places) -> tuple[Places, Places]:
        """The part of each row, and its number there."""
        parts = np.searchsorted(self.starts, rows, side="right") - 1
        return parts, rows - self.starts[parts]

    def look_at(self, part: int, descriptor: int) -> None:
        """Note where the rows of a part lie, if that is not known yet.

        Raises:
            DspipeError: it is no Arrow file, or not of the columns and rows that it should have.
        """
        with self._lock:
            if self.ends[part]:
                return
            rows = int(self.starts[part + 1] - self.starts[part])
            found = read_layout(self.paths[part], descriptor, self.length, rows)
            begin, end = self._noted, self._noted + len(found)
            if end > len(self.table):  # a new array: other threads may be reading the one there is
                self.table = np.concatenate([self.table, np.empty((max(end, len(self.table)), 7), np.int64)])
            self.table[begin:end] = found
            self.begins[part], self.ends[part], self._noted = begin, end, end


def read_layout(path: Path, descriptor: int, length: int, rows: int) -> Places:
    """A line of `Parts.table` for each record batch that has rows."""
    try:
        file = pa.py_buffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))  # goes with this function
        lines = [[0] * 7, *locate_batches(path, file, length)]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DspipeError(f"{path}: not a readable Arrow file ({error}); {MEND}") from None
    if lines[-1][BEHIND] != rows:
        raise DspipeError(f"{path}: has {lines[-1][BEHIND]} rows instead of {rows}; {MEND}")
    return np.array(lines[1:], np.int64)


def locate_batches(path: Path, file: pa.Buffer, length: int) -> Iterator[list[int]]:
    # all columns: to read some of them, Arrow would copy them out of the mapping
    reader = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(use_threads=False))
    check_columns(path, reader.schema, length)
    row = 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        if batch.num_rows:
            yield [row, row + batch.num_rows, *locate_buffers(path, file, batch, length)]
            row += batch.num_rows


def check_columns(path: Path, schema: pa.Schema, length: int) -> None:
    for name in COLUMNS:
        place, wanted = schema.get_field_index(name), sequences(length).field(name).type
        found = schema.field(place).type if place >= 0 else None
        if describe(found) != describe(wanted):
            raise DspipeError(
                f"{path}: column `{name}` must be {describe(wanted)}, not {describe(found)}; {MEND}"
            )


def describe(kind: pa.DataType | None) -> str:
    """A type's name, without what lists call their values and whether these could be absent."""
    if kind is None:
        return "absent"
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{kind.value_type}>[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"list<{kind.value_type}>"
    return str(kind)


def locate_buffers(path: Path, file: pa.Buffer, batch: pa.RecordBatch, length: int) -> list[int]:
    """Where the buffers of a record batch begin in its file, each at least as large as its rows need.

    Nothing but these buffers is asked for: what a damaged file says of its lists may be anything.
    """
    tokens, lengths, checksum = (batch.column(name).buffers() for name in COLUMNS)
    for name, gaps in zip(COLUMNS, (tokens[:2], lengths[::2], checksum[:1]), strict=True):
        if any(gaps):
            raise DspipeError(f"{path}: column `{name}` has gaps; {MEND}")
    rows, room = batch.num_rows, lengths[3].size if lengths[3] else 0
    needs = [
        (tokens[2], 4 * rows * length),
        (lengths[1], 4 * (rows + 1)),
        (lengths[3], room),
        (checksum[1], 8 * rows),
    ]
    return [*(locate_buffer(file, buffer, size) for buffer, size in needs), room // 4]


def locate_buffer(file: pa.Buffer, buffer: Any, size: int) -> int:
    if size == 0:
        return 0
    place = buffer.address - file.address if buffer else -1
    if not (0 <= place <= file.size - size and 0 < size <= buffer.size):
        raise ValueError("a column is compressed, or shorter than its rows")
    return int(place)
