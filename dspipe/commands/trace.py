"""`dspipe trace`: a run and a document's id or URL → that document's way through the artifacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dspipe.commands.terminal import print_json, print_tree
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact, open_artifact, read_manifest

Row = dict[str, Any]
SHOWN = ["id", "source", "source_id", "url", "date", "license", "language", "domain", "origin"]


def trace(run: Path, name: str, as_json: bool) -> None:
    """Print one document's way; every answer is read from the artifacts, nothing is computed again."""
    way = follow(run, name)
    if as_json:
        print_json(way)
    else:
        print_tree(way)


def follow(run: Path, name: str) -> dict[str, Any]:
    """Look the document up in one artifact after the other, as far as the run has come."""
    documents = open_stage(run, "documents")
    if documents is None:
        raise RecipeError(f"{run}: no documents there; give the folder of a run that has done `extract`")
    found = find_document(documents, name)
    way: dict[str, Any] = {"extract": found}
    steps: list[tuple[str, str, Callable[[Artifact, str], Any]]] = [
        ("filter", "filtered", find_filtering),
        ("dedup", "distinct", find_copies),
        ("mix", "mixture", find_draws),
        ("pack", "sequences", find_rows),
    ]
    for stage, artifact, find in steps:
        opened = open_stage(run, artifact)
        if opened is None:
            way[stage] = "not done yet"
            break
        way[stage] = find(opened, found["id"])
    return way


def open_stage(run: Path, artifact: str) -> Artifact | None:
    return open_artifact(run / artifact) if read_manifest(run / artifact) else None


def find_document(documents: Artifact, name: str) -> Row:
    """The one document whose id starts with `name`, or whose URL or own id is it."""
    import pyarrow.compute as pc

    matches = (
        pc.starts_with(pc.field("id"), name) | (pc.field("url") == name) | (pc.field("source_id") == name)
    )
    rows = read_matching(documents, None, matches, SHOWN)
    if not rows:
        raise DspipeError(f"no document's id starts with {name}, none has it as URL or source_id")
    if len(rows) > 1:
        listed = ", ".join(f"{row['id'][:12]}… ({row['source']})" for row in rows[:8])
        raise DspipeError(f"{name} names {len(rows)} documents; give more of the id: {listed}")
    return rows[0]


def find_filtering(filtered: Artifact, document: str) -> Row:
    import pyarrow.compute as pc

    rejected = read_matching(filtered, "rejected.parquet", pc.field("id") == document, ["reasons"])
    decision: Row = {"dropped": rejected[0]["reasons"]} if rejected else {"kept": True}
    signals = open_stage(filtered.folder.parent, "signals")
    measured = read_matching(signals, None, pc.field("id") == document, None) if signals else []
    return {**decision, **(measured[0] if measured else {})}


def find_copies(distinct: Artifact, document: str) -> Row | str:
    import pyarrow.compute as pc

    removed = read_matching(distinct, "removed.parquet", pc.field("removed") == document, None)
    if removed:
        return {"removed as a copy of": removed[0]["kept"], **{k: removed[0][k] for k in ("kind", "jaccard")}}
    if not read_matching(distinct, None, pc.field("id") == document, ["id"]):
        return "not there: dropped before"
    return {
        "kept": True,
        "copies removed": read_matching(distinct, "removed.parquet", pc.field("kept") == document, None),
    }


def find_draws(mixture: Artifact, document: str) -> Row | str:
    import pyarrow.compute as pc

    draws = sorted(row["draw"] for row in read_matching(mixture, None, pc.field("id") == document, ["draw"]))
    return {"draws": draws} if draws else "not drawn"


def find_rows(sequences: Artifact, document: str) -> list[Row]:
    """Where the document's tokens lie: part, row, first token and how many."""
    import pyarrow as pa

    places: list[Row] = []
    for file in sequences.files:
        with pa.memory_map(str(file)) as mapped:
            reader = pa.ipc.open_file(mapped)
            table = reader.read_all().select(["documents", "lengths"])
        for number, row in enumerate(table.to_pylist()):
            start = 0
            for name, length in zip(row["documents"], row["lengths"], strict=True):
                if name == document:
                    part = str(file.relative_to(sequences.folder))
                    places.append({"part": part, "row": number, "first token": start, "tokens": length})
                start += length
    return places


def read_matching(
    artifact: Artifact, beside: str | None, condition: Any, columns: list[str] | None
) -> list[Row]:
    """The rows of an artifact's parts, or of a file beside them, that fulfil an Arrow expression."""
    import pyarrow.dataset as dataset

    files = artifact.files if beside is None else [artifact.folder / beside]
    table = dataset.dataset([str(file) for file in files], format="parquet")
    rows: list[Row] = table.to_table(columns=columns, filter=condition).to_pylist()
    return rows
