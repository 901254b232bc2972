"""Documents to measure on: what a glob or a folder names, or the sample's pages made more by seeded edits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dspipe.bench.contenders import Alone
from dspipe.bench.crawl import scale_sample
from dspipe.extract.stage import run
from dspipe.recipe import Extract, RecipeError, Source
from dspipe.shards import (
    MANIFEST,
    Artifact,
    Counts,
    Header,
    Journal,
    Output,
    Part,
    open_artifact,
    read_batches,
    write_parquet,
)
from dspipe.workers import Pool

HEADER = Header("extract", 0, {}, "bench", [])


@dataclass(frozen=True)
class Documents:
    """An artifact, and the bytes of its texts."""

    artifact: Artifact
    bytes: int

    @property
    def rows(self) -> int:
        return self.artifact.rows

    def show(self) -> str:
        size = f"{self.bytes / 1e6:.1f} MB of text, {self.bytes / self.rows:,.0f} bytes each"
        return f"{self.rows:,} documents, {size}"


def find_documents(pattern: str | None, folder: Path, scaled: int) -> Documents:
    """The documents of an artifact's folder, or what `extract` makes of the files that a glob names.

    Without a pattern it is the sample's pages, scaled to so many bytes of HTML. Files go to `folder`.
    """
    if pattern is not None and (Path(pattern) / MANIFEST).is_file():
        return weigh(open_artifact(Path(pattern)))
    return weigh(extract_all(pattern or scale_sample(folder / "crawl", scaled).pattern, folder / "documents"))


def weigh(artifact: Artifact) -> Documents:
    texts = (
        batch.column("text") for file in artifact.files for batch in read_batches(file, columns=["text"])
    )
    size = sum(pc.sum(pc.binary_length(text)).as_py() or 0 for text in texts)
    if not size:
        raise RecipeError(f"{artifact.folder}: holds no text; give documents with --data")
    return Documents(artifact, size)


def extract_all(pattern: str, folder: Path) -> Artifact:
    """Bring any files that `extract` reads into one artifact, in this process."""
    settings = Extract(sources=[Source(name="bench", path=pattern)])
    output = Output(folder, HEADER)
    run(settings, output, Alone(Pool(1), Journal(folder.parent / ".progress" / "extract")))
    return open_artifact(folder)


def hold(documents: Documents, most: int) -> list[Any]:
    """The first record batches in memory, about `most` bytes of text and one batch at least."""
    held: list[Any] = []
    size = 0
    for file in documents.artifact.files:
        for batch in read_batches(file):
            if size < most:
                held.append(cut(batch, most - size))
                size += measure_bytes(held[-1])
    return held


def cut_documents(documents: Documents, most: int, folder: Path) -> Documents:
    """The first documents, about `most` bytes of text, as an artifact of parts like those they come from."""
    output = Output(folder, HEADER)
    parts: list[Part] = []
    left = most
    for file in documents.artifact.files:
        if left > 0:
            chosen: list[Any] = []
            for batch in read_batches(file):
                if left > 0:
                    chosen.append(cut(batch, left))
                    left -= measure_bytes(chosen[-1])
            parts.append(write_parquet(folder, file.name, chosen[0].schema, chosen))
    rows = sum(part.rows for part in parts)
    output.close(parts, Counts(rows, rows))
    return weigh(open_artifact(folder))


def cut(batch: Any, most: int) -> Any:
    """The first rows of a batch: as many as reach `most` bytes of text, or all."""
    ends = pc.cumulative_sum(pc.fill_null(pc.binary_length(batch.column("text")).cast(pa.int64()), 0))
    enough = pc.sum(pc.less(ends, most)).as_py() or 0
    return batch.slice(0, min(batch.num_rows, enough + 1))


def measure_bytes(batch: Any) -> int:
    return int(pc.sum(pc.binary_length(batch.column("text"))).as_py() or 0)


def multiply(artifact: Artifact, rows: int, folder: Path) -> Artifact:
    """The same parts again and again, until they have `rows` rows: links, which take no room."""
    output = Output(folder, HEADER)
    parts: list[Part] = []
    while sum(part.rows for part in parts) < rows:
        known = artifact.manifest.parts[len(parts) % len(artifact.manifest.parts)]
        file = f"part-{len(parts):05d}.parquet"
        (folder / file).symlink_to((artifact.folder / known.file).resolve())
        parts.append(Part(file, known.rows, known.bytes, known.xxh3))
    total = sum(part.rows for part in parts)
    output.close(parts, Counts(total, total))
    return open_artifact(folder)
