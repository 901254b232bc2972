"""Copy removal as it is defined, document by document and pair by pair: the slow twin of `dspipe.dedup`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import unicodedata2

from dspipe.recipe import Dedup
from tests.reference.shingles import shingle_set

Row = dict[str, Any]
Removed = dict[str, tuple[str, str, float, float]]  # id: kept id, kind, jaccard, containment


def jaccard(a: set[Any], b: set[Any]) -> float:
    return len(a & b) / len(a | b) if a or b else 1.0


def contain(a: set[Any], b: set[Any]) -> float:
    """Which share of the first is in the second."""
    return len(a & b) / len(a) if a else 1.0


def fold_space(text: str) -> str:
    return re.sub("[ \t\n\v\f\r]+", " ", unicodedata2.normalize("NFC", text)).strip(" ")


def sort_rows(rows: Sequence[Row], settings: Dedup) -> list[Row]:
    def place(row: Row) -> tuple[Any, ...]:
        preferred = settings.prefer
        date = re.match(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d)?)?)?)?", row["date"] or "")
        digits = int(re.sub(r"\D", "", date[0]).ljust(14, "0")) if date else None
        length = len((row["text"] or "").encode())
        keys = {
            "source": preferred.index(row["source"]) if row["source"] in preferred else len(preferred),
            "quality": (row["quality"] is None, -(row["quality"] or 0.0)),
            "longest": -length,
            "shortest": length,
            "newest": (digits is None, -(digits or 0)),
            "oldest": (digits is None, digits or 0),
        }
        return (*(keys[name] for name in settings.order), row["id"])

    return sorted(rows, key=place)


def remove_copies(rows: Sequence[Row], settings: Dedup, earlier: Sequence[Row] = ()) -> Removed:
    """Compare every document with every one that stays, as if every pair were a candidate.

    earlier: documents that stay whatever happens, the best first.
    """
    sets = {
        row["id"]: shingle_set(row["text"] or "", settings.shingle, settings.unit)
        for row in [*earlier, *rows]
    }
    kept: list[Row] = []
    first: dict[str, str] = {}
    removed: Removed = {}
    for number, row in enumerate([*earlier, *sort_rows(rows, settings)]):
        if number < len(earlier):
            first.setdefault(fold_space(row["text"] or ""), row["id"])
            kept.append(row)
            continue
        own = sets[row["id"]]
        folded = fold_space(row["text"] or "")
        if folded in first and not settings.urls:
            original = first[folded]
            removed[row["id"]] = removed.get(original, (original, "exact", 1.0, 1.0))
            continue
        first[folded] = row["id"]
        for other in kept:
            theirs = sets[other["id"]]
            same = folded == fold_space(other["text"] or "")
            figures = [jaccard(own, theirs), contain(own, theirs)] if own or same else [0.0, 0.0]
            relations = {
                "exact": settings.urls and same,
                "url": settings.urls and (row["url"] or "").strip() and row["url"] == other["url"],
                "near": own and theirs and figures[settings.measure == "containment"] >= settings.similarity,
            }
            if any(relations.values()):
                kind = next(name for name, holds in relations.items() if holds)
                removed[row["id"]] = (other["id"], kind, *figures)  # type: ignore[assignment]
                break
        else:
            kept.append(row)
    return removed
