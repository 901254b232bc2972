"""The evidence of dedup → removed documents beside the kept ones, and pieces with what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from dspipe.commands.copies.difference import Difference, compare
from dspipe.commands.copies.evidence import find_documents
from dspipe.commands.lookup import Row, find_matching, read_matching
from dspipe.recipe import RecipeError
from dspipe.shards import Artifact, read_batches

COPIES = {
    "exact-copy": "exact",
    "url-copy": "url",
    "near-copy": "near",
}  # reasons, and kinds in removed.parquet
PIECES = ("line", "substring")
NOTHING_LEFT = "nothing-left"
MOST_CHANGES = 100  # of a pair, for a program
MOST_CHARACTERS = 2000  # of a stretch of text, for a program
AROUND = 400  # bytes on each side of a piece
NOT_AT_HAND = "the texts are not at hand: no run here has the `filtered` that this was made of"
EARLIER = "the kept document is of an earlier run that is not at hand"


class Piece(NamedTuple):
    """What was taken out of a document, and what stood on both sides."""

    before: str
    text: str
    after: str


class Pair(NamedTuple):
    row: Row  # of removed.parquet
    kept: Row  # id, and as far as they are at hand place and text
    removed: Row
    shown: Difference | Piece | str  # or why nothing can be shown


def read_pairs(distinct: Artifact, reason: str | None, name: str | None, most: int) -> list[Pair]:
    """The first pairs of a reason, or those of documents whose id begins with a name; near ones from the
    least alike.

    Raises:
        RecipeError: no pair has a document of that name.
    """
    rows = find_rows(distinct, reason, name, most)
    if name is not None and not rows and most:
        raise RecipeError(
            f"{distinct.folder}: no document whose id begins with {name} was removed"
            f"{' as ' + reason if reason else ''}, lost a piece or was kept in favour of another"
        )
    ids = {row[role] for row in rows for role in ("removed", "kept")}
    documents = find_documents(distinct, ids) if ids else {}
    return [make_pair(row, documents) for row in rows]


def count_kinds(distinct: Artifact) -> dict[str, int]:
    """How many documents were dropped for each reason, and how many pieces were taken out."""
    import pyarrow.compute as pc
    import pyarrow.dataset as dataset

    table = dataset.dataset(str(distinct.folder / "removed.parquet"), format="parquet")
    pieces = {kind: table.count_rows(filter=pc.field("kind") == kind) for kind in PIECES}
    return distinct.manifest.counts.dropped | {kind: number for kind, number in pieces.items() if number}


def find_rows(distinct: Artifact, reason: str | None, name: str | None, most: int) -> list[Row]:
    import pyarrow.compute as pc

    file, field = distinct.folder / "removed.parquet", pc.field
    if reason == "near-copy" and name is None:
        return find_least_alike(file, distinct.manifest.settings.get("measure", "jaccard"), most)
    if reason == NOTHING_LEFT:
        condition = field("kind").isin(PIECES)
    else:
        condition = field("kind") == COPIES.get(reason, reason) if reason else field("kind").is_valid()
    if name is not None:
        condition &= pc.starts_with(field("removed"), name) | pc.starts_with(field("kept"), name)
    rows = find_matching([file], condition)
    return list(islice(find_emptied(distinct, rows) if reason == NOTHING_LEFT else rows, most))


def find_least_alike(file: Path, measure: str, most: int) -> list[Row]:
    """The near copies of the smallest similarity, in little memory whatever their number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    best: pa.Table | None = None
    for batch in read_batches(file):
        near = pa.Table.from_batches([batch]).filter(pc.field("kind") == "near")
        joined = near if best is None else pa.concat_tables([best, near])
        order = pc.sort_indices(joined, [(measure, "ascending"), ("removed", "ascending")])
        best = joined.take(order[:most])
    rows: list[Row] = best.to_pylist() if best is not None else []
    return rows


def find_emptied(distinct: Artifact, pieces: Iterator[Row]) -> Iterator[Row]:
    """The pieces of documents of which nothing was left."""
    import pyarrow.compute as pc

    while batch := list(islice(pieces, 1024)):
        ids = sorted({row["removed"] for row in batch})
        stay = {row["id"] for row in read_matching(distinct.files, pc.field("id").isin(ids), ["id"])}
        yield from (row for row in batch if row["removed"] not in stay)


def make_pair(row: Row, documents: dict[str, Row]) -> Pair:
    kept, removed = (documents.get(row[role], {"id": row[role]}) for role in ("kept", "removed"))
    shown: Difference | Piece | str = NOT_AT_HAND
    if "text" in removed and row["kind"] in PIECES:
        shown = cut_piece(removed["text"], row["start"], row["bytes"])
    elif "text" in removed:
        shown = (
            compare(decode(kept["text"]), decode(removed["text"]), MOST_CHANGES)
            if "text" in kept
            else EARLIER
        )
    return Pair(row, kept, removed, shown)


def cut_piece(text: bytes, start: int, length: int) -> Piece | str:
    if start + length > len(text):
        return "the text at hand is another than the one that the piece was taken out of"
    before, after = text[max(0, start - AROUND) : start], text[start + length : start + length + AROUND]
    return Piece(decode(before), decode(text[start : start + length]), decode(after))


def decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def describe_pair(pair: Pair) -> Row:
    """A pair for a program; texts are cut to a limit, and what is not known is absent."""
    shown = {
        "removed": place_document(pair.removed),
        "kept": place_document(pair.kept),
        **{
            key: value
            for key, value in pair.row.items()
            if key not in ("removed", "kept") and value is not None
        },
    }
    if isinstance(pair.shown, Piece):
        return shown | {"piece": {key: limit(value) for key, value in pair.shown._asdict().items()}}
    if isinstance(pair.shown, str):
        return shown | {"not shown": pair.shown}
    return shown | {
        "differences": list_differences(pair.shown),
        "more": pair.shown.more,
        "not compared": pair.shown.left,
    }


def list_differences(difference: Difference) -> list[dict[str, Any]]:
    """The texts as one list of stretches: characters alike and left out, the same words, or those of each."""
    listed: list[dict[str, Any]] = []
    for hunk in difference.hunks:
        listed += [{"alike": hunk.skipped}] if hunk.skipped else []
        for segment in hunk.segments:
            sides = {"kept": limit(segment.kept), "removed": limit(segment.removed)}
            listed.append({"both": sides["kept"]} if segment.same else sides)
    return listed + ([{"alike": difference.skipped}] if difference.skipped else [])


def limit(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def place_document(document: Row) -> Row | str:
    """Id and place; the id alone of a document that is not at hand."""
    place = {key: value for key, value in document.items() if key != "text"}
    return place if len(place) > 1 else str(document["id"])


def name_place(document: Row) -> str:
    """Where a document is from, as one line."""
    if "source" not in document:
        return "(not at hand)"
    url = document["url"] or f"{document.get('file')}:{document.get('offset')}"
    earlier = f"  in {document['in']}" if "in" in document else ""
    return f"{document['source']}  {url}{earlier}"
