"""Signed parts → which document stays and which goes in favour of which, for all documents together.

Memory holds ids and keys as numbers, and one band's hashes; the sets of shingles stay on disk and are mapped.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.dedup.signatures import Signed
from dspipe.dedup.verification import Integers, Unsigned, find_buckets, verify
from dspipe.recipe import Dedup
from dspipe.schema import REMOVED
from dspipe.shards import replacing
from dspipe.text.hashing import format_ids

EXACT, NEAR = 1, 2


@dataclass(frozen=True)
class Copies:
    """For each document, by the order of parts: which one is kept for it (itself if it stays), and why."""

    ids: Unsigned
    kept: Integers
    kind: npt.NDArray[np.int8]  # 0 stays, 1 exact, 2 near
    jaccard: npt.NDArray[np.float64]
    starts: list[int]  # first document of each part, and the number of all


def find_copies(settings: Dedup, signed: list[Signed], scratch: Path) -> Copies:
    """Rank the documents, group the exact copies, verify the near ones among those that are left."""
    signed = [msgspec.structs.replace(piece, out=str(scratch / piece.out)) for piece in signed]
    ids, exact, length, source, counts = (
        join(signed, name) for name in ("ids", "exact", "length", "source", "counts")
    )
    order = rank(settings, signed, ids, length, source)
    first = find_first(exact[order])
    stands = first == np.arange(len(order))
    shingles = map_shingles(signed, scratch)
    place = (np.cumsum(counts) - counts)[order]
    bands = (column[order] for column in read_bands(signed, settings.bands))
    buckets = find_buckets(bands, stands & (counts[order] > 0))
    decisions = verify(buckets, shingles, place, counts[order], settings.similarity)
    kept = decisions.kept[first]
    kind = np.where(kept == np.arange(len(order)), 0, np.where(kept == first, EXACT, NEAR))
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    starts = [0, *np.cumsum([piece.rows for piece in signed]).tolist()]
    return Copies(ids, order[kept][back], kind.astype(np.int8)[back], decisions.jaccard[first][back], starts)


def join(signed: list[Signed], name: str) -> npt.NDArray[Any]:
    """One array of all parts, in their order; sources are renumbered by name."""
    arrays = [np.load(Path(piece.out) / f"{name}.npy") for piece in signed if piece.rows]
    if name == "source":
        names = sorted({source for piece in signed for source in piece.sources})
        tables = [
            np.array([names.index(source) for source in piece.sources]) for piece in signed if piece.rows
        ]
        arrays = [table[array] for table, array in zip(tables, arrays, strict=True)]
    joined: npt.NDArray[Any] = np.concatenate(arrays)
    return joined


def read_bands(signed: list[Signed], bands: int) -> Iterator[Unsigned]:
    """The hashes of one band after the other, of all documents, in the order of the parts."""
    mapped = [np.load(Path(piece.out) / "bands.npy", mmap_mode="r") for piece in signed if piece.rows]
    return (np.concatenate([part[band] for part in mapped]) for band in range(bands))


def rank(
    settings: Dedup, signed: list[Signed], ids: Unsigned, length: Integers, source: Integers
) -> Integers:
    """Document numbers, best first: preferred source, then the longer text, then the smaller id."""
    names = sorted({name for piece in signed for name in piece.sources})
    last = len(settings.prefer)
    preference = np.array(
        [settings.prefer.index(name) if name in settings.prefer else last for name in names]
    )
    return np.lexsort((ids[:, 1], ids[:, 0], -length, preference[source]))


def find_first(keys: Unsigned) -> Integers:
    """For each document, by rank, the first with the same 128-bit key."""
    order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
    same = np.all(keys[order][1:] == keys[order][:-1], axis=1)
    begins = np.concatenate([[True], ~same]) if len(keys) else np.empty(0, bool)
    first = np.empty(len(keys), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


def map_shingles(signed: list[Signed], scratch: Path) -> Unsigned:
    """All parts' sets one after the other, as one file mapped into memory."""
    path = scratch / "shingles.bin"
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        for piece in signed:
            with open(Path(piece.out) / "shingles.bin", "rb") as part:
                shutil.copyfileobj(part, stream, 1 << 20)
    return np.memmap(path, np.uint64, "r") if path.stat().st_size else np.empty(0, np.uint64)


def describe_removed(copies: Copies) -> pa.RecordBatch:
    """The evidence: one row for each document that went, in the order of the input."""
    gone = np.flatnonzero(copies.kind)
    kinds = pa.array(np.where(copies.kind[gone] == EXACT, "exact", "near"), pa.string())
    columns = [
        format_ids(copies.ids[gone]),
        format_ids(copies.ids[copies.kept[gone]]),
        kinds,
        pa.array(copies.jaccard[gone]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REMOVED)
