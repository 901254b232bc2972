"""The loader: turns files of packed rows into the batch of any step, as a pure function of seed and step.

Nothing is read ahead and nothing is remembered, so there is no state to save: a run resumes by asking for the
next step. Epoch e visits the rows in the order of e's random keys, which come straight from Philox (a
counter, whose stream numpy guarantees; the shuffles built on it may change).

Files are Arrow IPC, memory-mapped; tokens are read from them without a copy but that of the batch's own rows.
Only the documents' lengths, a few numbers a row, are looked through at the start, so that a file that was cut
or altered is refused before there is any work to lose.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from dspipe.batch import PackedBatch
from dspipe.recipe import DspipeError

COLUMNS = {
    "tokens": ("fixed_size_list<uint32>", pa.FixedSizeListArray, pa.uint32()),
    "lengths": ("list<int32>", pa.ListArray, pa.int32()),
}
MEND = "pack again with --rebuild pack"


class RowLoader:
    """Batches of `batch_size` rows from all files together; a step is counted from 1."""

    def __init__(self, files: list[Path], batch_size: int, seed: int) -> None:
        self.batch_size, self.seed = batch_size, seed
        self.places: list[tuple[Path, int]] = []  # of each record batch: its file, its first row there
        self.tokens: list[np.ndarray] = []
        self.lengths: list[pa.ListArray] = []
        for path in files:
            start = 0
            for batch in read_batches(path):
                self.places.append((path, start))
                self.tokens.append(view_tokens(batch, path))
                self.lengths.append(view_lengths(batch, path))
                start += len(batch)
        self.starts = np.cumsum([0] + [len(tokens) for tokens in self.tokens])
        if not self.row_count:
            raise DspipeError(
                f"no rows to train on in {len(files)} files; pack some with `dspipe run --until pack`"
            )
        if len({tokens.shape[1] for tokens in self.tokens}) > 1:
            raise DspipeError(
                "the files hold rows of different lengths; give those of one sequences/L<length>/"
            )

    @property
    def row_count(self) -> int:
        return int(self.starts[-1])

    @property
    def sequence_length(self) -> int:
        return int(self.tokens[0].shape[1])

    def batch(self, step: int) -> PackedBatch:
        places = [self.find_row(row) for row in self.rows(step)]
        return PackedBatch.from_lengths(
            np.stack([self.tokens[part][row] for part, row in places]),
            [self.lengths[part][row].values.to_numpy() for part, row in places],
        )

    def rows(self, step: int) -> list[int]:
        """The numbers of the step's rows, counted through all files; a batch may reach into the next
        epoch.
        """
        first = (step - 1) * self.batch_size
        return [
            int(order_rows(self.seed, position // self.row_count, self.row_count)[position % self.row_count])
            for position in range(first, first + self.batch_size)
        ]

    def describe_row(self, row: int) -> str:
        """Its file and number there, for messages."""
        part, offset = self.find_row(row)
        path, start = self.places[part]
        return f"{path.name}:{start + offset}"

    def find_row(self, row: int) -> tuple[int, int]:
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return part, row - int(self.starts[part])


@lru_cache(maxsize=2)  # a batch reaches into two epochs at most, unless it is larger than an epoch
def order_rows(seed: int, epoch: int, rows: int) -> np.ndarray:
    """The order of an epoch: a permutation of 0..rows-1."""
    key = np.array([seed % 2**64, epoch], np.uint64)
    return np.argsort(np.random.Philox(key=key).random_raw(rows), kind="stable")


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """A file's record batches that have rows, with buffers as large as they say."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            batch.validate()
            if batch.num_rows:
                yield batch
    except (pa.ArrowException, OSError) as error:
        raise DspipeError(f"{path}: not a readable Arrow file ({error}); {MEND}") from None


def view_tokens(batch: pa.RecordBatch, path: Path) -> np.ndarray:
    """The tokens of a record batch as uint32 (rows, L), a view of the file."""
    column, flat = view_column(batch, "tokens", path)
    if not column.type.list_size:
        raise DspipeError(f"{path}: its rows hold no tokens; {MEND}")
    return flat.reshape(-1, column.type.list_size)


def view_lengths(batch: pa.RecordBatch, path: Path) -> pa.ListArray:
    """The token counts of each row's documents, which must fit into the row."""
    column, flat = view_column(batch, "lengths", path)
    offsets, size = column.offsets.to_numpy(), batch.column("tokens").type.list_size
    # Offsets first: they index the sums.
    if (np.diff(offsets) < 0).any() or (flat < 0).any() or (sum_rows(flat, offsets) > size).any():
        raise DspipeError(f"{path}: column `lengths` does not fit rows of {size} tokens; {MEND}")
    return column


def sum_rows(flat: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The sum of each list, empty ones too, of a list column's values."""
    ends = np.concatenate([[0], np.cumsum(flat, dtype=np.int64)])
    sums: np.ndarray = np.diff(ends[offsets - offsets[0]])
    return sums


def view_column(batch: pa.RecordBatch, name: str, path: Path) -> tuple[pa.Array, np.ndarray]:
    """A column of lists and its flat values, a view of the file."""
    wanted, kind, value = COLUMNS[name]
    place = batch.schema.get_field_index(name)
    column = batch.column(place) if place >= 0 else None
    if not isinstance(column, kind) or column.type.value_type != value:
        found = "absent" if column is None else str(column.type)
        raise DspipeError(f"{path}: column `{name}` must be {wanted}, not {found}; {MEND}")
    values = column.flatten()
    if column.null_count or values.null_count:
        raise DspipeError(f"{path}: column `{name}` has gaps; {MEND}")
    return column, values.to_numpy(zero_copy_only=True)
