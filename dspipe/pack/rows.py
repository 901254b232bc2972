"""Encoded documents → rows of L tokens in seeded order, as an Arrow file that is read without copying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.pack.encoding import Encoded
from dspipe.pack.fitting import Pieces, cut, fit
from dspipe.schema import sequences
from dspipe.shards import Part, record_file, replacing
from dspipe.text.hashing import draw, format_ids
from dspipe.text.kernel import kernel

ROWS_IN_BATCH = 1024


def write_rows(encoded: Encoded, row_length: int, pad: int, seed: int, folder: Path, file: str) -> Part:
    """Pack, shuffle and write the documents of one part."""
    pieces = cut(np.diff(encoded.offsets), row_length)
    row, count = fit(pieces.length, row_length)
    row = shuffle_rows(seed, pieces, row, count, encoded)
    order = np.lexsort((pieces.start, pieces.document, row))
    with (
        replacing(folder / file) as temporary,
        pa.ipc.new_file(str(temporary), sequences(row_length)) as writer,
    ):
        for batch in build_batches(encoded, pieces, row, order, count, row_length, pad):
            writer.write_batch(batch)
    return record_file(folder, file, count)


def shuffle_rows(
    seed: int, pieces: Pieces, row: npt.NDArray[np.int64], count: int, encoded: Encoded
) -> npt.NDArray[np.int64]:
    """Renumber the rows at random, because best fit leaves them in the order of their longest piece."""
    first = np.full(count, -1, np.int64)
    first[row[::-1]] = np.arange(len(row))[::-1]  # the first piece of each row stands for it
    keys = draw(seed, "row order", encoded.ids[pieces.document[first]], pieces.start[first])
    renumbered = np.empty(count, np.int64)
    renumbered[np.lexsort((first, keys))] = np.arange(count)
    return renumbered[row]


def build_batches(
    encoded: Encoded,
    pieces: Pieces,
    row: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    count: int,
    row_length: int,
    pad: int,
) -> Iterator[pa.RecordBatch]:
    """Lay the pieces into rows, a bounded number of rows at a time."""
    bounds = np.searchsorted(row[order], np.arange(count + 1))
    for first in range(0, count, ROWS_IN_BATCH):
        last = min(first + ROWS_IN_BATCH, count)
        chosen = order[bounds[first] : bounds[last]]
        tokens = np.full((last - first, row_length), pad, np.uint32)
        begin = encoded.offsets[pieces.document[chosen]] + pieces.start[chosen]
        lay_pieces(encoded.tokens, begin, pieces.length[chosen], row[chosen] - first, tokens)
        offsets = pa.array((bounds[first : last + 1] - bounds[first]).astype(np.int32))
        lengths = pa.ListArray.from_arrays(offsets, pa.array(pieces.length[chosen].astype(np.int32)))
        names = pa.ListArray.from_arrays(offsets, format_ids(encoded.ids[pieces.document[chosen]]))
        flat = pa.array(tokens.reshape(-1), pa.uint32())
        schema = sequences(row_length)
        rows = pa.FixedSizeListArray.from_arrays(flat, type=schema.field("tokens").type)
        yield pa.RecordBatch.from_arrays([rows, lengths, names], schema=schema)


@kernel
def lay_pieces(source, begin, length, row, out):  # type: ignore[no-untyped-def]
    """Copy each piece behind the pieces that its row already has; pieces come sorted by row."""
    used = 0
    for piece in range(begin.size):
        if piece == 0 or row[piece] != row[piece - 1]:
            used = 0
        for token in range(length[piece]):
            out[row[piece], used + token] = source[begin[piece] + token]
        used += length[piece]
