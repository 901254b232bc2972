"""The parts that documents are left in → their texts, and the rank of each, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dspipe.dedup.strings.answers import Integers
from dspipe.dedup.strings.removal import cut_texts
from dspipe.shards import read_batches


@dataclass(frozen=True)
class Standing:
    """The documents of one part of `filtered` that are left."""

    part: Path  # Parquet, columns as in `schema.DOCUMENTS`
    ranks: Path  # .npy int64, for each row its rank over all parts, smaller is better; −1 of one that went

    def load_ranks(self) -> Integers:
        ranks: Integers = np.load(self.ranks)
        return ranks


class Texts(NamedTuple):
    first: int  # row of the part
    texts: pa.Array
    ranks: Integers  # of each; −1 of one that went


def read_texts(standing: Standing, cuts: Path | None = None) -> Iterator[Texts]:
    """Yield the texts of a part, without the cuts of a file if one is given."""
    ranks, first = standing.load_ranks(), 0
    cut = None if cuts is None else np.load(cuts)
    for batch in read_batches(standing.part, ["text"]):
        texts = batch["text"] if cut is None else cut_texts(batch["text"], cut, first)
        yield Texts(first, texts, ranks[first : first + len(texts)])
        first += len(texts)
