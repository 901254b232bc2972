"""Looks up rows in Parquet files by a condition: reads whole columns only of what the condition needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dspipe.shards import Artifact, open_artifact, read_manifest

Row = dict[str, Any]
Columns = list[str] | dict[str, Any] | None  # by name, or names and Arrow expressions; all


def open_stage(run: Path, artifact: str) -> Artifact | None:
    return open_artifact(run / artifact) if read_manifest(run / artifact) else None


def list_unused(documents: Artifact) -> list[Path]:
    """The files that list what gave no document."""
    names = [part.file for part in documents.manifest.beside if part.file.startswith("unused-")]
    return [documents.folder / name for name in names]


def read_matching(files: Sequence[Path], condition: Any, columns: Columns = None) -> list[Row]:
    """All rows that fulfil an Arrow expression, in order."""
    return list(find_matching(files, condition, columns))


def find_matching(files: Sequence[Path], condition: Any, columns: Columns = None) -> Iterator[Row]:
    """Yield the rows that fulfil an Arrow expression.

    Row groups whose statistics exclude them are passed over; of the others the columns are read that the
    expression names, and the rest only where a row has been found.
    """
    import pyarrow.dataset as dataset

    for fragment in dataset.dataset([str(file) for file in files], format="parquet").get_fragments():
        if fragment.count_rows(filter=condition):
            for group in fragment.split_by_row_group(condition):
                if group.count_rows(filter=condition):
                    yield from group.to_table(columns=columns, filter=condition).to_pylist()
