"""A run and a document's id, URL or place → its way through the artifacts, and its page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dspipe.commands.copies.evidence import list_earlier
from dspipe.commands.copies.pairs import NOTHING_LEFT, PIECES
from dspipe.commands.lookup import Row, find_stage, list_unused, open_stage, read_matching
from dspipe.commands.page import find_original, place_of, print_original
from dspipe.commands.terminal import print_json, print_tree
from dspipe.commands.trace.chunks import find_chunks
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact

SHOWN = [
    "id",
    "source",
    "source_id",
    "url",
    "title",
    "date",
    "license",
    "language",
    "domain",
    "quality",
    "digest",
    "origin",
]
UNUSED = ["reason", "source", "file", "offset", "url"]
ID = re.compile("[0-9a-f]{32}")
PLACE = re.compile(r"(.+):(\d{1,18})")


def trace_document(
    run: Path, name: str, as_json: bool, page: bool = False, recipe: Path | None = None
) -> None:
    """Print one document's way, read from the artifacts, and if asked the original, read from its source."""
    documents = find_stage(run, "documents")
    if documents is None:
        raise RecipeError(f"{run}: no documents there; give the folder of a run that has done `extract`")
    found = find_record(documents, name)
    way = follow(run, found) if "id" in found else {"extract": describe_drop(found)}
    if not as_json and isinstance(way.get("filter"), dict):
        way["filter"] = leave_out_zeros(way["filter"])
    if not (page or recipe):
        return print_json(way) if as_json else print_tree(way)
    text = read_text(documents, found)
    original = find_original(documents, found if text is None else found | {"text": text}, recipe)
    if as_json:
        return print_json(way | {"original": {**original.heads, "page": original.page, "text": text}})
    print_tree(way)
    print_original(original, text)


def follow(run: Path, found: Row) -> dict[str, Any]:
    """Look the document up in one artifact after the other, as far as the run has come."""
    way: dict[str, Any] = {"extract": found}
    steps: list[tuple[str, str, Callable[[Artifact, str], Any]]] = [
        ("filter", "filtered", find_filtering),
        ("dedup", "distinct", find_copies),
        ("mix", "mixture", find_draws),
        ("pack", "sequences", lambda sequences, document: find_chunks(run, sequences, document)),
    ]
    for stage, artifact, find in steps:
        opened = find_stage(run, artifact)
        if opened is None:
            way[stage] = "not done yet"
            break
        way[stage] = find(opened, found["id"])
    return way


def find_record(documents: Artifact, name: str) -> Row:
    """The one document, or else the one dropped record, that a name is meant for.

    Raises:
        DspipeError: there is none, or several.
    """
    rows = find_documents(documents, name) or find_unused(documents, name)
    if not rows:
        raise DspipeError(
            f"no document's id starts with {name}, and neither a document nor a dropped record has it as its "
            "URL, source_id or place (FILE:OFFSET)"
        )
    if len(rows) > 1:
        listed = ", ".join(name_row(row) for row in rows[:8]) + (", …" if len(rows) > 8 else "")
        raise DspipeError(f"{name} names {len(rows)} records; give more of the id, or one place: {listed}")
    return rows[0]


def name_row(row: Row) -> str:
    return f"{row['id'][:12]}… ({row['source']})" if "id" in row else str(place_of(row))


def find_documents(documents: Artifact, name: str) -> list[Row]:
    """The documents whose id starts with a name, or whose URL, own id or place it is."""
    import pyarrow.compute as pc

    field = pc.field
    if ID.fullmatch(name) and (rows := read_matching(documents.files, field("id") == name, SHOWN)):
        return rows
    named = pc.starts_with(field("id"), name) | (field("url") == name) | (field("source_id") == name)
    rows = read_matching(documents.files, named, SHOWN)
    if not rows and (place := PLACE.fullmatch(name)):
        offset = field("origin", "offset") == int(place[2])
        rows = read_matching(documents.files, offset & is_file(field("origin", "file"), place[1]), SHOWN)
    return rows


def find_unused(documents: Artifact, name: str) -> list[Row]:
    """The dropped records, as far as they are listed, whose place or URL a name is."""
    import pyarrow.compute as pc

    files, field = list_unused(documents), pc.field
    rows: list[Row] = []
    if place := PLACE.fullmatch(name):
        rows = read_matching(
            files, (field("offset") == int(place[2])) & is_file(field("file"), place[1]), UNUSED
        )
    return rows or read_matching(files, field("url") == name, UNUSED)


def is_file(field: Any, name: str) -> Any:
    """The condition that a file is the one named, with or without its source before it."""
    import pyarrow.compute as pc

    source, _, file = name.partition("/")
    return (field == name) | ((pc.field("source") == source) & (field == file))


def describe_drop(row: Row) -> Row:
    return {"dropped": row["reason"], **{name: row[name] for name in UNUSED[1:]}}


def read_text(documents: Artifact, found: Row) -> str | None:
    import pyarrow.compute as pc

    if "id" not in found:
        return None
    return str(read_matching(documents.files, pc.field("id") == found["id"], ["text"])[0]["text"])


def find_filtering(filtered: Artifact, document: str) -> Row:
    import pyarrow.compute as pc

    rejected = read_matching([filtered.folder / "rejected.parquet"], pc.field("id") == document, ["reasons"])
    decision: Row = {"dropped": rejected[0]["reasons"]} if rejected else {"kept": True}
    signals = open_stage(filtered.folder.parent, "signals")
    measured = read_matching(signals.files, pc.field("id") == document) if signals else []
    return {**decision, **(measured[0] if measured else {})}


def leave_out_zeros(row: Row) -> Row:
    """For people: of threescore signals most are zero for most documents."""
    shown = {name: value for name, value in row.items() if value or name == "kept"}
    return shown | {"zero or unknown": f"{len(row) - len(shown)} further signals"}


def find_copies(distinct: Artifact, document: str) -> Row | str:
    import pyarrow.compute as pc

    evidence = [distinct.folder / "removed.parquet"]
    rows = [leave_out_unknown(row) for row in read_matching(evidence, pc.field("removed") == document)]
    lost = [{key: row[key] for key in row if key != "removed"} for row in rows if row["kind"] in PIECES]
    pieces = {"pieces taken out": lost} if lost else {}
    for row in rows:
        if row["kind"] not in PIECES:
            return {"removed as a copy of": row["kept"], **locate_kept(distinct, row["kept"]), **measure(row)}
    if not read_matching(distinct.files, pc.field("id") == document, ["id"]):
        return {"dropped": NOTHING_LEFT, **pieces} if lost else "not there: dropped before"
    rows = [leave_out_unknown(row) for row in read_matching(evidence, pc.field("kept") == document)]
    given = sum(row["kind"] in PIECES for row in rows)
    return {
        "kept": True,
        "copies removed": [row for row in rows if row["kind"] not in PIECES],
        **({"pieces kept that were taken out of others": given} if given else {}),
        **pieces,
    }


def leave_out_unknown(row: Row) -> Row:
    return {key: value for key, value in row.items() if value is not None}


def measure(row: Row) -> Row:
    return {key: row[key] for key in ("kind", "jaccard", "containment") if key in row}


def locate_kept(distinct: Artifact, document: str) -> Row:
    """Where a document lies that is kept in favour of another, if that is an earlier run."""
    import pyarrow.compute as pc

    named = pc.field("id") == document
    if read_matching(distinct.files, named, ["id"]):
        return {}
    earlier = (str(run.folder) for run in list_earlier(distinct) if read_matching(run.files, named, ["id"]))
    return {"which lies in": next(earlier, "an earlier run that is not at hand")}


def find_draws(mixture: Artifact, document: str) -> Row | str:
    import pyarrow.compute as pc

    draws = sorted(row["draw"] for row in read_matching(mixture.files, pc.field("id") == document, ["draw"]))
    return {"draws": draws} if draws else "not drawn"
