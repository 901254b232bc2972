"""Encoded documents → the plans of rows of one length, the tasks that lay them, and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dspipe.pack.documents import Documents
from dspipe.pack.encoding import Group, Summary
from dspipe.pack.plan import Plan, plan_apart, plan_windows, save_plan
from dspipe.pack.rows import Laying
from dspipe.recipe import Pack
from dspipe.shards import Counts

TOKENS_IN_PART = 1 << 25


@dataclass(frozen=True)
class Layout:
    row_length: int
    training: list[Laying]
    validation: Laying
    facts: dict[str, Any]


def lay_out(
    documents: Documents, summaries: Sequence[Summary], length: int, pad: int, settings: Pack, folder: Path
) -> Layout:
    """Plan all rows of one length; the plans go beside the encoded parts."""

    def divide(plan: Plan, name: str) -> list[tuple[Path, int, int]]:
        """Save a plan, and divide its rows into files."""
        place = documents.folder / f"plan-L{length}-{name}"
        save_plan(plan, place)
        size = max(1, TOKENS_IN_PART // length)
        return [(place, first, min(first + size, plan.rows)) for first in range(0, plan.rows, size)]

    def lay(place: Path, first: int, last: int, file: str, groups: tuple[Group, ...] | None = None) -> Laying:
        counts = documents.counts
        return Laying(place, first, last, length, pad, documents.folder, counts, folder, file, groups)

    stretches: list[tuple[Path, int, int]] = []
    tally = Tally(length)
    for number, plan in enumerate(plan_windows(documents.windows(settings.window), length, settings)):
        stretches += divide(plan, f"{number:05d}")
        tally.add(plan)
    training = [
        lay(*stretch, f"L{length}/part-{number:05d}.arrow") for number, stretch in enumerate(stretches)
    ]
    groups = documents.held_out(summaries)
    plan, group = plan_apart(groups.values(), length, settings)
    names = tuple(list(groups)[code] for code in group.tolist())
    place = documents.folder / f"plan-L{length}-validation"
    save_plan(plan, place)
    validation = lay(place, 0, plan.rows, f"validation/L{length}.arrow", names)
    return Layout(length, training, validation, tally.describe() | {"validation_rows": plan.rows})


class Tally:
    """Adds up what windows of rows hold."""

    def __init__(self, row_length: int) -> None:
        self.row_length = row_length
        self.rows = self.tokens = self.cut = self.most = 0

    def add(self, plan: Plan) -> None:
        self.rows += plan.rows
        self.tokens += int(plan.chunks["length"].sum(dtype=np.int64))
        self.cut += plan.cut
        self.most = max(self.most, int(np.diff(plan.bounds).max(initial=0)))

    def describe(self) -> dict[str, Any]:
        """Rows; the share of padding; documents that are cut; the most chunks of documents in a row."""
        padding = 1 - self.tokens / (self.rows * self.row_length) if self.rows else 0.0
        return {"rows": self.rows, "padding": round(padding, 8), "cut": self.cut, "most_chunks": self.most}


def count_documents(summaries: Sequence[Summary]) -> Counts:
    """Every document of the mixture is to train on, or held out, or repeats one that is held out."""
    documents = sum(summary.documents for summary in summaries)
    held = sum(summary.validation for summary in summaries)
    repeats = sum(summary.repeats for summary in summaries)
    dropped = {"validation": held, "validation-repeat": repeats}
    return Counts(documents, documents - held - repeats, 0, {reason: n for reason, n in dropped.items() if n})


def describe_documents(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Of the documents to train on the tokens, those infilled, the splits; and the documents held out."""
    names = ("tokens", "psm", "spm", "splits", "validation")
    return {name: sum(getattr(summary, name) for summary in summaries) for name in names}


def write_line(facts: dict[str, Any]) -> list[str]:
    lengths = [name for name in facts if name.startswith("L")]
    return [
        f"{facts['tokens']:,} tokens",
        f"{facts['psm'] + facts['spm']:,} infilled",
        *(
            f"{name} {facts[name]['rows']:,} rows, {facts[name]['cut']:,} documents cut, "
            f"padding {100 * facts[name]['padding']:.3f} %"
            for name in lengths
        ),
    ]
