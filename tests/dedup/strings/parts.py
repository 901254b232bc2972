"""Documents → parts with ranks, and the cuts that are found in them, document by document."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from dspipe.dedup.strings.cuts import Standing, find_cuts
from dspipe.recipe import Dedup
from dspipe.schema import DOCUMENTS
from dspipe.shards import write_parquet
from tests.support import make_workers

Found = tuple[int, int, int, int]  # start, end, keeper, kind


def text_column(texts: list[bytes | None]) -> pa.Array:
    """Bytes of any kind as a column of text, which Arrow does not check."""
    return pa.array(texts, pa.large_binary()).view(pa.large_string())


def write_part(
    folder: Path,
    number: int,
    texts: list[bytes | None],
    ranks: list[int],
    columns: dict[str, list[str | None]],
) -> Standing:
    given = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    given["text"] = text_column(texts)
    given.setdefault("source", pa.array(["test"] * len(texts)))
    arrays = [given.get(field.name, pa.nulls(len(texts), field.type)) for field in DOCUMENTS]
    batch = pa.RecordBatch.from_arrays(arrays, schema=DOCUMENTS)
    write_parquet(folder, f"part-{number}.parquet", DOCUMENTS, [batch.slice(0, 3), batch.slice(3)])
    np.save(folder / f"ranks-{number}.npy", np.array(ranks, np.int64))
    return Standing(folder / f"part-{number}.parquet", folder / f"ranks-{number}.npy")


def find(
    settings: Dedup,
    texts: list[bytes | None],
    ranks: list[int] | None = None,
    parts: int = 1,
    workers: int = 1,
    **columns: list[str | None],
) -> list[list[Found]]:
    """The cuts of each document, in the order given; ranks are places in it unless they are given, too."""
    ranks = list(range(len(texts))) if ranks is None else ranks
    bounds = [len(texts) * part // parts for part in range(parts + 1)]
    with TemporaryDirectory() as name, patch("dspipe.shards.sync", lambda path: None):
        folder = Path(name)
        standing = []
        for number, (first, last) in enumerate(pairwise(bounds)):
            own = {column: values[first:last] for column, values in columns.items()}
            standing.append(write_part(folder, number, texts[first:last], ranks[first:last], own))
        crew = make_workers(folder, workers)
        files = find_cuts(settings, standing, folder / "scratch", crew)
        crew._pool.close()
        found: list[list[Found]] = [[] for _ in texts]
        for file, first in zip(files, bounds[:-1], strict=True):
            for row, start, end, keeper, kind in np.load(file).tolist():
                found[first + row].append((start, end, keeper, kind))
    return found
