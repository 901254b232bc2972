"""What several tests need: artifacts made of plain rows, and a stage's workers without the rest of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from dspipe.schema import DOCUMENTS
from dspipe.shards import Artifact, Counts, Header, Journal, Output, open_artifact, write_parquet
from dspipe.workers import Pool, Workers


def make_id(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def document(text: str, name: str | None = None, **columns: Any) -> dict[str, Any]:
    row = {"id": make_id(name or text), "text": text, "source": "test", "language": "en", "domain": "web"}
    return {**dict.fromkeys(DOCUMENTS.names), **row, "origin": {"file": "test", "offset": 0}, **columns}


def make_artifact(folder: Path, rows: list[list[dict[str, Any]]], schema: pa.Schema = DOCUMENTS) -> Artifact:
    """An artifact whose parts hold the given rows."""
    output = Output(folder, Header("test", 1, {}, "test", []))
    parts = [
        write_parquet(
            folder, f"part-{n:05d}.parquet", schema, pa.Table.from_pylist(part, schema).to_batches()
        )
        for n, part in enumerate(rows)
    ]
    total = sum(len(part) for part in rows)
    output.close(parts, Counts(total, total))
    return open_artifact(folder)


def make_output(folder: Path) -> Output:
    return Output(folder, Header("test", 1, {}, "test", []))


def make_workers(folder: Path, count: int = 1) -> Workers:
    return Workers(Pool(count), Journal(folder / ".progress" / "test"))


def read_rows(artifact: Artifact, beside: str | None = None) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    files = artifact.files if beside is None else [artifact.folder / beside]
    return [row for file in files for row in pq.read_table(file).to_pylist()]
