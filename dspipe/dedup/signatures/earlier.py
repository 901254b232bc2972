"""A part of an earlier run's index → the same files that signing makes of new documents.

So a run compares its documents with those of earlier runs, which have been signed once and stay. Their texts
are read again only where a new document is a candidate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.dedup.curve import find_bands
from dspipe.dedup.signatures.chunks import Signed, write_chunks
from dspipe.dedup.signatures.order import make_earlier_places
from dspipe.dedup.signatures.part import hash_urls
from dspipe.recipe import Dedup
from dspipe.shards import open_artifact, read_batches, read_rows
from dspipe.text.hashing import parse_ids

COLUMNS = ["id", "rank", "key", "shingles", "needs", "signature", "kept", "jaccard", "containment", "present"]


@dataclass(frozen=True)
class EarlierPart:
    file: Path  # of `distinct`
    index: Path
    run: int  # number of its run among the earlier ones


@dataclass(frozen=True)
class Reopening:
    number: int  # of the part
    part: EarlierPart
    settings: Dedup
    scratch: Path


def list_parts(settings: Dedup) -> list[EarlierPart]:
    """The parts of the earlier runs that the recipe names, in order."""
    parts = []
    for run, path in enumerate(settings.against):
        artifact = open_artifact(Path(path))
        indexes = [part.file for part in artifact.manifest.beside if part.file.startswith("index-")]
        for file, index in zip(artifact.files, indexes, strict=True):
            parts.append(EarlierPart(file, artifact.folder / index, run))
    return parts


def reopen_part(task: Reopening) -> Signed:
    """Write what is known of a part's documents as `sign_part` does."""
    out = task.scratch / f"earlier-{task.number:05d}"
    urls = Column(task.part.file, "url", pa.string())
    batches = (read_index(batch, task, urls) for batch in read_batches(task.part.index, COLUMNS))
    return Signed([], out.name, write_chunks(out, batches, task.settings))


def read_index(index: pa.RecordBatch, task: Reopening, urls: Column) -> dict[str, Any]:
    """What a record batch of the index says, for `write_chunks`."""
    stays = index["kept"].is_null().to_numpy(zero_copy_only=False)
    bands, rows = find_bands(task.settings)
    minima = np.zeros((len(index), bands * rows), np.uint32)
    minima[stays] = np.frombuffer(b"".join(index["signature"].drop_null().to_pylist()), np.uint32).reshape(
        -1, bands * rows
    )
    columns = {
        # a removed one is never named again, but the one that stayed for it may be
        "ids": parse_ids(pc.coalesce(index["kept"], index["id"])),
        "counts": index["shingles"].to_numpy(),
        "keys": np.frombuffer(b"".join(index["key"].to_pylist()), np.uint64).reshape(-1, 2),
        "minima": minima,
        "places": make_earlier_places(task.part.run, index["rank"].to_numpy(), task.settings),
        "removed": ~stays,
        "named": stays | find_alike(index, task.settings),
        "comparable": stays & (index["shingles"].to_numpy() > 0),
        **{name: index[name].to_numpy() for name in ("needs", "jaccard", "containment")},
    }
    return columns | ({"urls": hash_urls(urls.spread(index["present"]))} if task.settings.urls else {})


def find_alike(index: pa.RecordBatch, settings: Dedup) -> npt.NDArray[np.bool_]:
    """Which of the removed an exact copy may go with: those that were like what stayed for them."""
    figures: npt.NDArray[np.float64] = index[settings.measure].to_numpy()
    return (figures >= settings.similarity) & (not settings.urls)


def read_earlier_texts(
    part: Path, index: Path, rows: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], Any]]:
    """Yield (some rows of the index, their texts as they were compared); rows: of documents that stay."""
    flags = [
        [flag.to_numpy(zero_copy_only=False) for flag in (batch["present"], batch["text"].is_null())]
        for batch in read_batches(index, ["present", "text"])
    ]
    present, whole = (np.concatenate(column) for column in zip(*flags, strict=True))
    yield from read_rows(index, "text", rows[~whole[rows]])
    left = rows[whole[rows]]
    places = (np.cumsum(present) - 1)[left]  # rows of `distinct`
    done = 0
    for _, texts in read_rows(part, "text", places):
        yield left[done : done + len(texts)], texts
        done += len(texts)


class Column:
    """A column of a part of `distinct`, for all documents of its index, some at a time."""

    def __init__(self, part: Path, name: str, kind: pa.DataType) -> None:
        self._batches = (batch[name] for batch in read_batches(part, [name]))
        self._held: Any = pa.array([], kind)

    def spread(self, present: Any) -> Any:
        """The values of the next documents of the index; null for those that are no rows of the part."""
        count = pc.sum(present).as_py() or 0
        while len(self._held) < count:
            self._held = pa.concat_arrays([self._held, next(self._batches)])
        taken, self._held = self._held[:count], self._held[count:]
        return pc.replace_with_mask(pa.nulls(len(present), taken.type), present, taken)
