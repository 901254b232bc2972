"""`dspipe inspect --reason`: an artifact and a reason → what was dropped for it, and how that begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dspipe.commands.copies.beside import show_pairs
from dspipe.commands.copies.pairs import count_kinds, decode
from dspipe.commands.lookup import Row, find_matching, list_unused, open_stage
from dspipe.commands.page import find_original
from dspipe.commands.terminal import WIDTH, plain, print_json, print_tree, show_lines
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact, read_batches, read_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dspipe.extract.original import Original

REJECTED = "rejected.parquet"
PLACE = ["id", "source", "origin", "url"]
LINES = 8  # of headers, and of a page
MOST_CHARACTERS = 2000  # of a page, for a program


def show_reason(folder: Path, reason: str, most: int, as_json: bool, document: str | None = None) -> None:
    """Print the first records that an artifact lacks for a reason; of copies, only a document's if asked.

    Raises:
        RecipeError: no such artifact, or nothing was dropped for that reason.
    """
    artifact = open_stage(folder.parent, folder.name)
    describe = {"documents": drop_unused, "filtered": drop_rejected}
    if artifact is None or artifact.manifest.artifact not in (*describe, "distinct"):
        raise RecipeError(
            f"{folder}: --reason goes with a finished artifact that lists what it lacks: documents, filtered "
            "or distinct; give e.g. shards/smoke/documents"
        )
    counts = count_reasons(artifact)
    if reason not in counts:
        listed = ", ".join(f"{name} {number:,}" for name, number in counts.items()) or "none"
        raise RecipeError(f"{folder}: nothing was dropped as {reason}; there are: {listed}")
    if artifact.manifest.artifact == "distinct":
        return show_pairs(artifact, reason, document, most, as_json, counts[reason])
    rows = describe[artifact.manifest.artifact](artifact, reason, most)
    if as_json:
        return print_json({"reason": reason, "count": counts[reason], "records": rows})
    click.echo(f"{plain(reason):<24} {counts[reason]:,}")
    for number, row in enumerate(rows):
        print_record(number, row)


def count_reasons(artifact: Artifact) -> dict[str, int]:
    """How many records there are of each reason; one that `filter` rejected counts for all of its reasons."""
    if artifact.manifest.artifact == "distinct":
        return count_kinds(artifact)
    if artifact.manifest.artifact != "filtered":
        return artifact.manifest.counts.dropped
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    reasons = pq.read_table(artifact.folder / REJECTED, columns=["reasons"])["reasons"]
    counted = {
        entry["values"]: entry["counts"] for entry in pc.value_counts(pc.list_flatten(reasons)).to_pylist()
    }
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def drop_unused(documents: Artifact, reason: str, most: int) -> list[Row]:
    """Records that gave no document, with their originals, or the reason why these cannot be read again."""
    import pyarrow.compute as pc

    found = islice(find_matching(list_unused(documents), pc.field("reason") == reason), most)
    rows = []
    for row in list(found):
        try:
            original: Row = begin(find_original(documents, row))
        except DspipeError as error:
            original = {"not shown": str(error)}
        rows.append({name: row[name] for name in row if name != "reason"} | {"original": original})
    return rows


def begin(original: Original) -> Row:
    """The headers of a record and the beginning of its page."""
    return {**original.heads, "page": original.page[:MOST_CHARACTERS]}


def drop_rejected(filtered: Artifact, reason: str, most: int) -> list[Row]:
    """Documents that `filter` rejected, for this reason among others."""
    rows = find_rejected(filtered, [reason], most)[reason]
    return [
        place_row(row) | {"reasons": row["reasons"], "original": {"page": row["text"][:MOST_CHARACTERS]}}
        for row in rows
    ]


def find_rejected(filtered: Artifact, reasons: Sequence[str], most: int) -> dict[str, list[Row]]:
    """The first rejected documents of each reason, in order; of texts no others are read."""
    import numpy as np

    file = filtered.folder / REJECTED
    found: dict[str, list[int]] = {reason: [] for reason in reasons}
    left, first = set(reasons if most else ()), 0
    for batch in read_batches(file, ["reasons"]):
        if not left:
            break
        for number, held in enumerate(batch["reasons"].to_pylist(), first):
            for reason in left.intersection(held):
                found[reason].append(number)
                if len(found[reason]) == most:
                    left.remove(reason)
        first += len(batch)
    numbers = sorted({number for some in found.values() for number in some})
    rows = np.array(numbers, np.int64)
    columns = {name: read_values(file, name, rows) for name in (*PLACE, "title", "reasons", "text")}
    documents = {n: {name: columns[name][at] for name in columns} for at, n in enumerate(numbers)}
    return {reason: [dict(documents[number]) for number in some] for reason, some in found.items()}


def read_values(file: Path, column: str, rows: NDArray[np.int64]) -> list[Any]:
    """A column's values in some rows; strings may hold anything, and are decoded with care."""
    import pyarrow as pa

    values: list[Any] = []
    for _, array in read_rows(file, column, rows):
        text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        held = array.cast(pa.large_binary()).to_pylist() if text else array.to_pylist()
        values += [None if value is None else decode(value) for value in held] if text else held
    return values


def place_row(row: Row) -> Row:
    """A document's id and place, as they are shown; consumes its origin."""
    return {"id": row["id"], "source": row["source"], **row.pop("origin"), "url": row["url"]}


def print_record(number: int, row: Row) -> None:
    """Print where a record stands, and the first lines of its headers and of its page."""
    original: Row = row.pop("original", {})
    print_tree({f"record {number}": row})
    for name, part in original.items():
        if name in ("warc", "arc") and "http" in original:
            continue  # says what the lines above do
        lines = [f"{key}: {value}" for key, value in part.items()] if isinstance(part, dict) else []
        lines = lines or [line for line in show_lines(str(part)).split("\n") if line.strip()]
        for line in lines[:LINES]:
            click.echo(f"  {name:<10} | {shorten(line)}")


def shorten(line: Any) -> str:
    shown = show_lines(str(line)).replace("\n", " ")
    return shown if len(shown) <= WIDTH else shown[:WIDTH] + "…"
