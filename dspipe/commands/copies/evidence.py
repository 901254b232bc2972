"""Ids in the evidence of dedup → the documents, wherever among the runs they lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dspipe.commands.lookup import Row, find_input, open_stage, read_matching
from dspipe.recipe import RecipeError
from dspipe.shards import Artifact, open_artifact, read_manifest

BINARY = ("source", "url", "text")  # may hold anything, and are decoded with care


def open_distinct(folder: Path, option: str) -> Artifact:
    """Open what dedup made, which an option goes with."""
    distinct = open_stage(folder.parent, folder.name)
    if distinct is None or distinct.manifest.artifact != "distinct":
        raise RecipeError(f"{folder}: {option} goes with what dedup made; give e.g. shards/smoke/distinct")
    return distinct


def find_documents(distinct: Artifact, ids: Iterable[str], *, text: bool = True) -> dict[str, Row]:
    """The documents of these ids that are at hand: id, source, file, offset, url and, if asked, text.

    Text is bytes, as dedup saw it: from `filtered` if that is there, else as `distinct` has it. A document
    of an earlier run has `in`, the folder that it lies in.
    """
    wanted, found = set(ids), dict[str, Row]()
    for artifact, earlier in list_places(distinct):
        missing = wanted - found.keys()
        if not missing:
            break
        for row in read_documents(artifact.files, missing, text):
            found[row["id"]] = row | ({"in": str(artifact.folder)} if earlier else {})
    return found


def list_places(distinct: Artifact) -> Iterator[tuple[Artifact, bool]]:
    """Where a document may lie, and whether that is an earlier run."""
    filtered = find_filtered(distinct)
    if filtered is not None:
        yield filtered, False
    yield distinct, False
    for artifact in list_earlier(distinct):
        yield artifact, True


def find_filtered(distinct: Artifact) -> Artifact | None:
    """What dedup read: beside what it wrote or, as `[use]` may have it, in one of the runs beside its run."""
    inputs = distinct.manifest.inputs
    if not any(entry.get("artifact") == "filtered" for entry in inputs):
        return open_stage(distinct.folder.parent, "filtered")
    return find_input(inputs, "filtered", distinct.folder.parent)


def list_earlier(distinct: Artifact) -> list[Artifact]:
    """`distinct` of the runs that this one was held against, and of those that these were, if at hand."""
    found: dict[Path, Artifact] = {}
    left = [distinct]
    while left:
        artifact = left.pop(0)
        for name in artifact.manifest.facts.get("against", []):
            folder = locate(name, artifact.folder)
            if folder is not None and folder.resolve() not in found:
                found[folder.resolve()] = open_artifact(folder)
                left.append(found[folder.resolve()])
    return list(found.values())


def locate(name: str, folder: Path) -> Path | None:
    """A path of a recipe as it is from here, or from a folder above the artifact that was made with it."""
    places = [Path(name), *(parent / name for parent in folder.resolve().parents)]
    return next((place for place in places if read_manifest(place) is not None), None)


def read_documents(files: list[Path], ids: set[str], text: bool) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.compute as pc

    field = pc.field
    columns: dict[str, Any] = {
        name: field(name).cast(pa.large_binary()) for name in BINARY if text or name != "text"
    }
    columns |= {"id": field("id"), "origin": field("origin")}
    for row in read_matching(files, field("id").isin(list(ids)), columns):
        place = {
            name: None if row[name] is None else row[name].decode("utf-8", "replace") for name in BINARY[:2]
        }
        origin = row["origin"] or {}
        yield {
            "id": row["id"],
            "source": place["source"],
            **origin,
            "url": place["url"],
            **({"text": row["text"] or b""} if text else {}),
        }
