"""Looks up rows in Parquet files by a condition: reads whole columns only of what the condition needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dspipe.recipe import DspipeError
from dspipe.road import ROAD
from dspipe.shards import Artifact, open_artifact, read_manifest

Row = dict[str, Any]
Columns = list[str] | dict[str, Any] | None  # by name, or names and Arrow expressions; all


def open_stage(run: Path, artifact: str) -> Artifact | None:
    return open_artifact(run / artifact) if read_manifest(run / artifact) else None


def find_stage(run: Path, artifact: str) -> Artifact | None:
    """An artifact of a run, or of another from which `[use]` took it, by what was made of it here."""
    opened = open_stage(run, artifact)
    readers = [stage for stage in ROAD if artifact in stage.reads] if opened is None else []
    for written in (written for stage in readers for written in stage.writes):
        reader = find_stage(run, written)
        if reader is not None and (
            found := find_input(reader.manifest.inputs, artifact, reader.folder.parent)
        ):
            return found
    return opened


def find_input(
    inputs: Iterable[dict[str, Any]], name: str, run: Path, named: Path | None = None
) -> Artifact | None:
    """The very artifact that something was made of, by its manifest's `inputs`; None where it is not at hand.

    It is looked for where a recipe's `[use]` has it (`named`), in the run, and in the runs beside it.
    """
    wanted = next((entry["fingerprint"] for entry in inputs if entry.get("artifact") == name), None)
    here = run.resolve()
    runs = [run, *sorted(here.parent.iterdir())] if wanted is not None else []
    for folder in ([named] if named else []) + [folder / name for folder in runs]:
        with suppress(DspipeError, OSError):  # a run that is broken, or no run, is passed over
            manifest = read_manifest(folder)
            if manifest is not None and manifest.fingerprint == wanted:
                return open_artifact(folder)
    return None


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
