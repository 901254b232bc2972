"""The loader: turns files of packed rows into the batch of any step, as a pure function of seed and step.

Nothing is read ahead and nothing is remembered, so there is no state to save: a run resumes by asking for the
next step. Epoch e visits the rows in the order of e's random keys, which come straight from Philox (a
counter, whose stream numpy guarantees; the shuffles built on it may change).

Files are Arrow IPC, memory-mapped; tokens are read from them without a copy but that of the batch's own rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from dspipe.batch import PackedBatch
from dspipe.recipe import DspipeError


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
                self.lengths.append(batch.column("lengths"))
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
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    except (pa.ArrowInvalid, OSError) as error:
        raise DspipeError(
            f"{path}: not a readable Arrow file ({error}); pack again with --rebuild pack"
        ) from None


def view_tokens(batch: pa.RecordBatch, path: Path) -> np.ndarray:
    """The tokens of a record batch as uint32 (rows, L), a view of the file."""
    kind = batch.schema.field("tokens").type if "tokens" in batch.schema.names else None
    if kind is None or not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.uint32():
        raise DspipeError(f"{path}: column `tokens` must be fixed_size_list<uint32>, not {kind}")
    flat: np.ndarray = batch.column("tokens").flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(-1, kind.list_size)
