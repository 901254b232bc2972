"""Pieces of work that do the same → seconds of each, in turns, so that a slow minute strikes all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """The median of several values, and the least and the most of them."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"


def summarize(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def measure_seconds(work: Work) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def take_turns(works: Mapping[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of each piece of work in each round, after a round that does not count and warms all up."""
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(measure_seconds(work))
    return seconds


def divide(yardstick: Sequence[float], ours: Sequence[float]) -> Spread:
    """How many times as fast as the yardstick, from the two in the same round."""
    return summarize([theirs / mine for theirs, mine in zip(yardstick, ours, strict=True)])


def round_figures(value: Any) -> Any:
    """Figures as JSON should have them: spreads as tables, four significant digits."""
    if isinstance(value, Spread):
        return {key: round_figures(getattr(value, key)) for key in ("median", "least", "most")}
    if isinstance(value, Mapping):
        return {key: round_figures(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [round_figures(inner) for inner in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
