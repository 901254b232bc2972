"""Counted pieces and a tokenizer → how often each of its tokens occurs in the mixture, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.bpe.counts.block import Block
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.shards import Part, write_parquet

FILE = "usage.parquet"
PIECES_AT_ONCE = 1 << 18
USAGE = pa.schema([("id", pa.uint32()), ("token", pa.binary()), ("uses", pa.int64())])


def count_uses(blocks: Sequence[Block], encoder: Encoder) -> NDArray[np.int64]:
    """By id, (size,): every distinct piece is encoded once, and its tokens count as often as it occurs."""
    uses = np.zeros(encoder.size, np.int64)
    for block in blocks:
        text, offsets, counts = block.open()
        for first in range(0, counts.size, PIECES_AT_ONCE):
            last = min(first + PIECES_AT_ONCE, counts.size)
            ids, bounds = encoder.encode_pieces(text, offsets[first : last + 1])
            np.add.at(uses, ids, np.repeat(counts[first:last], np.diff(bounds)))
    return uses


def write_usage(folder: Path, encoder: Encoder, uses: NDArray[np.int64]) -> Part:
    """A row for each id, in order."""
    columns = [np.arange(encoder.size, dtype=np.uint32), encoder.tokens, uses]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, USAGE, strict=True)]
    return write_parquet(folder, FILE, USAGE, [pa.RecordBatch.from_arrays(arrays, schema=USAGE)])
