"""What stages dropped → counts by reason, with some examples of each, cut to a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from dspipe.commands.copies.beside import choose_hunks, shorten
from dspipe.commands.copies.difference import Difference
from dspipe.commands.copies.pairs import PIECES, Pair, Piece, decode, name_place, read_pairs
from dspipe.commands.lookup import Row, find_matching, list_unused
from dspipe.commands.page import find_original
from dspipe.commands.reasons import begin, count_reasons, find_rejected
from dspipe.commands.report.folder import Run
from dspipe.recipe import DspipeError
from dspipe.road import ROAD
from dspipe.shards import Artifact

Counted = TypeVar("Counted")

EXAMPLES = 3  # of a reason
REASONS = 24  # of a stage that have examples, the most frequent
MOST_CHARACTERS = 1200  # of an example's text
READ_AGAIN = 64 << 20  # bytes of a source file that is read again for an example

MEANINGS = {
    "over-budget": "more than the budgets of the mix ask for",
    "not-in-mix": "of a domain or language that the mix gives no share",
    "validation": "held out: packed apart, never trained on",
    "not-reached": "rows that were packed, and that the training did not come to",
}


def describe_removals(run: Run) -> list[Row]:
    """Of each stage that dropped something its reasons, those with the most first."""
    examples: dict[str, Callable[[Artifact, list[str]], dict[str, list[Row]]]] = {
        "extract": show_unused,
        "filter": show_rejected,
        "dedup": show_copies,
    }
    stages = []
    for stage in ROAD:
        artifact = run.artifacts.get(stage.writes[-1])
        reasons = list_reasons(artifact) if artifact else []
        if artifact is None or not reasons:
            continue
        if stage.name in examples:
            some = [row["reason"] for row in reasons[:REASONS]]
            found: dict[str, list[Row]] = read_evidence(partial(examples[stage.name], artifact, some), {})
            reasons = [row | {"examples": found.get(row["reason"], [])} for row in reasons]
        stages.append({"stage": stage.name, "artifact": str(artifact.folder), "reasons": reasons})
    return stages


def read_evidence(read: Callable[[], Counted], without: Counted) -> Counted:
    """What is read, or something else where the evidence is of another version, or damaged."""
    import pyarrow as pa

    try:
        return read()
    except (DspipeError, OSError, ValueError, KeyError, pa.ArrowException):
        return without


def list_reasons(artifact: Artifact) -> list[Row]:
    """count: rows dropped as this; all: with those that had another reason first, or pieces cut out."""
    dropped = artifact.manifest.counts.dropped
    counts = read_evidence(partial(count_reasons, artifact), dropped)
    return [
        {
            "reason": reason,
            "count": dropped.get(reason, 0),
            "all": counts.get(reason, 0),
            "what": "pieces" if reason in PIECES else MEANINGS.get(reason),
            "examples": [],
        }
        for reason in sorted(
            {*dropped, *counts}, key=lambda name: (-dropped.get(name, 0), -counts.get(name, 0), name)
        )
    ]


def show_unused(documents: Artifact, reasons: list[str]) -> dict[str, list[Row]]:
    """Records that gave no document: their places, and where the source is at hand how they begin."""
    found: dict[str, list[Row]] = {reason: [] for reason in reasons}
    import pyarrow.compute as pc

    for reason, rows in found.items():
        for row in find_matching(list_unused(documents), pc.field("reason") == reason):
            rows.append({"title": None, "place": name_row(row), "text": read_again(documents, row)})
            if len(rows) == EXAMPLES:
                break
    return found


def name_row(row: Row) -> str:
    place = row.get("origin") or row
    return f"{row['source']}  {row.get('url') or ''}  {place['file']}:{place['offset']}".replace("    ", "  ")


def read_again(documents: Artifact, row: Row) -> str | None:
    """How a dropped record's original begins; None where reading it would take the network, or long."""
    sizes = {
        (entry.get("source"), entry.get("file")): entry.get("bytes", 0) for entry in documents.manifest.inputs
    }
    path = documents.manifest.facts.get("sources", {}).get(row["source"], "")
    if "://" in path or row["reason"] == "crashed" or sizes.get((row["source"], row["file"]), 0) > READ_AGAIN:
        return None
    try:
        page = begin(find_original(documents, row))["page"]
    except (DspipeError, OSError):
        return None
    return str(page)[:MOST_CHARACTERS] or None


def show_rejected(filtered: Artifact, reasons: list[str]) -> dict[str, list[Row]]:
    """Documents that `filter` rejected, for a reason among others."""
    return {
        reason: [
            {
                "title": row["title"],
                "place": name_row(row),
                "text": row["text"][:MOST_CHARACTERS],
                "reasons": row["reasons"],
            }
            for row in rows
        ]
        for reason, rows in find_rejected(filtered, reasons, EXAMPLES).items()
    }


def show_copies(distinct: Artifact, reasons: list[str]) -> dict[str, list[Row]]:
    """Copies beside what is kept, with what differs, and pieces with what stood around them."""
    return {
        reason: [describe_example(pair) for pair in read_pairs(distinct, reason, None, EXAMPLES)]
        for reason in reasons
    }


def describe_example(pair: Pair) -> Row:
    known = {name: pair.row.get(name) for name in ("jaccard", "containment")}
    return {
        "place": f"{pair.removed['id']}  {name_place(pair.removed)}",
        "kept": f"{pair.kept['id']}  {name_place(pair.kept)}",
        **{name: value for name, value in known.items() if value is not None},
        "stretches": list(list_stretches(pair)),
    }


def list_stretches(pair: Pair) -> Iterator[Row]:
    """The two texts as one: stretches of `both`, of the `kept` or the `removed` one alone, or a `note`."""
    shown = pair.shown
    if isinstance(shown, str):
        yield {"note": shown}
    elif isinstance(shown, Piece):
        yield {"both": shown.before[-200:]}
        yield {"removed": shorten(shown.text, "\n")}
        yield {"both": shown.after[:200]}
    elif not shown.hunks:
        yield {"both": decode(pair.kept["text"])[:300]}
        yield {"note": "the texts are equal"}
    else:
        yield from list_changes(shown)


def list_changes(difference: Difference) -> Iterator[Row]:
    for hunk in choose_hunks(difference.hunks):
        if hunk.skipped:
            yield {"note": f"… {hunk.skipped:,} characters alike …"}
        for segment in hunk.segments:
            if segment.same:
                yield {"both": shorten(segment.kept, "\n")}
                continue
            yield from ({"kept": shorten(segment.kept, "\n")},) if segment.kept else ()
            yield from ({"removed": shorten(segment.removed, "\n")},) if segment.removed else ()
