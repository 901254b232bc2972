"""Counts of documents by what they are: languages and domains, of a part and of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

COUNTED = {"languages": "language", "domains": "domain"}  # a census: the column of `signals` that it is of
Census = dict[str, dict[str, int]]


def count_documents(signals: Any) -> Census:
    """The census of a batch of `SIGNALS`."""
    return {
        name: {
            entry["values"]: entry["counts"] for entry in pc.value_counts(signals.column(column)).to_pylist()
        }
        for name, column in COUNTED.items()
    }


def sum_censuses(censuses: Iterable[Census]) -> Census:
    """Add up, the most frequent first; of equals the first by name."""
    totals: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
    for census in censuses:
        for name, total in totals.items():
            total.update(census[name])
    return {
        name: dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
        for name, total in totals.items()
    }
