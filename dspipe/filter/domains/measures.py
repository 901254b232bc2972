"""Turns counts of marks into measures between 0 and 1, and measures into scores of code and of mathematics.

A measure is n / (n + half · (unit + least)): how often a mark stands there, against how much there is of what
it is counted in. `half` is the rate at which it is one half, learned with the weights, so that twice as many
marks never count twice as much; `least` keeps a short text from being sure. Sums run in one fixed order and
divisions are exact, so that every machine finds the same.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.domains.marks import LINE_BEGINNINGS, LINE_ENDS, NAMES, WORDS, WORDS_OF_ANY_CASE
from dspipe.text.arrow import read_only
from dspipe.text.kernel import kernel

OF_LINES = (
    "blank line",
    "indented line",
    "tabbed line",
    "long line",
    "fence",
    "beginning word",
    "key line",
    "comment line",
    "rule line",
    *LINE_BEGINNINGS,
    *LINE_ENDS,
)
OF_WORDS = (
    "camel case",
    "snake case",
    "letters with digits",
    "capitals",
    "capitalized",
    "lone letter",
    "indexed letter",
    "long word",
    "foreign word",
    "asked in numbers",
    *WORDS,
    *WORDS_OF_ANY_CASE,
)
OF_ALL = ("opens with a tag", "opens with a bracket", "opens with a shebang")
LEAST = {"byte": 40.0, "line": 1.0, "word": 4.0, "document": 0.0}  # units: added to their number


def find_unit(mark: str) -> str:
    """What a mark is counted in."""
    if mark in OF_LINES:
        return "line"
    if mark in OF_WORDS:
        return "word"
    return "document" if mark in OF_ALL else "byte"


MEASURES = {  # name: (what is counted, in what)
    **{name: (name, find_unit(name)) for name in NAMES[1:] if name not in ("byte", "line", "word")},
    "bytes of a line": ("byte", "line"),
    "letters of a word": ("letter", "word"),
    "size": ("byte", "document"),
}


class Plan(NamedTuple):
    """For each measure the places of its mark and of its unit, -1 for the document, and what is added."""

    marks: NDArray[np.int64]
    units: NDArray[np.int64]
    least: NDArray[np.float64]


@cache
def plan_measures() -> Plan:
    marks, units = zip(*MEASURES.values(), strict=True)
    plan = (
        np.array([NAMES.index(mark) for mark in marks]),
        np.array([-1 if unit == "document" else NAMES.index(unit) for unit in units]),
        np.array([LEAST[unit] for unit in units]),
    )
    return Plan(*map(read_only, plan))


@kernel
def measure_marks(counts, plan, halves, out):  # type: ignore[no-untyped-def]
    """Set out[document, measure] where the mark is there at all."""
    for document in range(counts.shape[0]):
        for measure in range(plan.marks.size):
            found = counts[document, plan.marks[measure]]
            if found:
                unit = plan.units[measure]
                size = (counts[document, unit] if unit >= 0 else 1) + plan.least[measure]
                out[document, measure] = found / (found + halves[measure] * size)


@kernel
def add_scores(measures, weights, out):  # type: ignore[no-untyped-def]
    """Add to out[document, domain] what the measures weigh; the last row of weights is the bias."""
    last = weights.shape[0] - 1
    for document in range(measures.shape[0]):
        for domain in range(weights.shape[1]):
            total = weights[last, domain]
            for measure in range(last):
                total += measures[document, measure] * weights[measure, domain]
            out[document, domain] = total


def measure_all_marks(counts: NDArray[np.int32], halves: NDArray[np.float64]) -> NDArray[np.float64]:
    """(documents, marks) counts → (documents, measures), in the order of `MEASURES`."""
    out = np.zeros((len(counts), len(MEASURES)))
    measure_marks(counts, plan_measures(), halves, out)
    return out
