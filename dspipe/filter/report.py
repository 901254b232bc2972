"""Verdicts → what the stage reports: what is kept, by language and domain, and what each rule rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.filter.census import Census, count_documents, sum_censuses
from dspipe.filter.private.findings import KINDS
from dspipe.filter.rules import Mask, count_failures
from dspipe.shards import Counts

Report = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """What is decided about the documents of a batch, in their order; `failures` by `names` of reasons."""

    failures: Mask
    names: list[str]

    @property
    def kept(self) -> Mask:
        return np.logical_not(self.failures.any(axis=1))


class Tally:
    """Adds up verdicts: what is kept, by language and domain, and what each rule rejects, in which sense."""

    def __init__(self, names: list[str]) -> None:
        self.rows = 0
        self.kept: list[Census] = []
        self.replaced = np.zeros(len(KINDS), np.int64)
        self.rules: dict[str, NDArray[np.int64]] = {name: np.zeros(3, np.int64) for name in names}

    def add(self, signals: Any, verdict: Verdict, replaced: NDArray[np.int64]) -> None:
        self.rows += len(signals)
        self.replaced += replaced
        self.kept.append(count_documents(signals.filter(pa.array(verdict.kept))))
        for name, *numbers in count_failures(verdict.failures, verdict.names):
            self.rules[name] += numbers

    @property
    def dropped(self) -> dict[str, int]:
        """Documents by the first reason of each, in declared order."""
        return {name: int(numbers[2]) for name, numbers in self.rules.items() if numbers[2]}

    @property
    def facts(self) -> Report:
        rules = {
            name: dict(zip(("fails", "only", "first"), numbers.tolist(), strict=True))
            for name, numbers in self.rules.items()
            if numbers[0]
        }
        replaced = dict(zip(KINDS, self.replaced.tolist(), strict=True))
        return {"rules": rules, "replaced": replaced, **sum_censuses(self.kept)}


def in_order(counts: Counts, names: list[str]) -> Counts:
    """The same counts with the reasons in declared order, whichever part had a reason first."""
    return msgspec.structs.replace(
        counts, dropped={name: counts.dropped[name] for name in names if name in counts.dropped}
    )


def sum_reports(reports: list[Report], names: list[str]) -> Report:
    """Add up the reports of the parts, rules in declared order."""
    rules: dict[str, dict[str, int]] = {}
    for report in reports:
        for reason, numbers in report["rules"].items():
            row = rules.setdefault(reason, dict.fromkeys(numbers, 0))
            row.update({key: row[key] + number for key, number in numbers.items()})
    in_order = {reason: rules[reason] for reason in names if reason in rules}
    replaced = {kind: sum(report["replaced"][kind] for report in reports) for kind in KINDS}
    return {"rules": in_order, "replaced": replaced, **sum_censuses(reports)}


def describe_replaced(report: Report) -> list[str]:
    """For the stage's line, where anything was replaced."""
    shown = [f"{kind} {number:,}" for kind, number in report["replaced"].items() if number]
    return [f"replaced {', '.join(shown)}"] if shown else []
