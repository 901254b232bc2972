"""Pairs whose similarity is known → which of them dspipe and its yardsticks find, and what they lose.

A pair is found if one of its two documents goes. If it is below the threshold, or if both go, a document was
lost that no kept one stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dspipe.bench import Say
from dspipe.bench.deduplication import deduplicated, read_removed
from dspipe.bench.edits import EDITS
from dspipe.bench.pairs import Pair, make_pairs, read_texts, write_pairs
from dspipe.bench.yardsticks import Peer, ask_kept
from dspipe.recipe import Dedup
from dspipe.shards import Artifact

PAIRS = 3000
SIMILARITY = 0.8
BANDS = {
    "at 0.9 or above": (0.9, 2.0),
    "0.8 to 0.9": (0.8, 0.9),
    "0.7 to 0.8": (0.7, 0.8),
    "below 0.7": (0.0, 0.7),
}
RECALL, RECALL_AT_HALF = 0.99, 0.95  # at 0.9, and from there down to the threshold
OURS = "dspipe"

Gone = Mapping[str, frozenset[str]]  # by tool, the ids of the documents that it takes out


@dataclass(frozen=True)
class Judged:
    """A group of pairs: how many each tool finds, and how many of its documents it loses."""

    pairs: int
    jaccard: float | None  # the median
    found: dict[str, int]
    lost: dict[str, int]

    def share(self, tool: str) -> float | None:
        return self.found[tool] / self.pairs if self.pairs else None


def measure_recall(documents: Artifact, folder: Path, peers: list[Peer], say: Say) -> dict[str, Any]:
    pairs = make_pairs(read_texts(documents), PAIRS)
    filtered = write_pairs(pairs, folder / "pairs")
    settings = Dedup(similarity=SIMILARITY)
    with deduplicated(settings, filtered, folder) as distinct:
        removed = read_removed(distinct)
    gone: dict[str, frozenset[str]] = {OURS: frozenset(row["removed"] for row in removed)}
    every = frozenset(name for pair in pairs for name in pair.ids)
    for peer in peers:
        gone[peer.tool] = every - ask_kept(peer, filtered, folder)
    say(f"{len(pairs):,} pairs with known similarity; found of them, at a threshold of {SIMILARITY}:")
    edits = {name: judge([pair for pair in pairs if pair.edit == name], gone) for name in EDITS}
    bands = {
        name: judge([pair for pair in pairs if least <= pair.jaccard < below], gone)
        for name, (least, below) in BANDS.items()
    }
    show(edits | bands, [*gone], say)
    whole = judge(pairs, gone)
    say(f"at least {RECALL} at 0.9 or above, {RECALL_AT_HALF} at 0.8 or above; lost without need: "
        + ", ".join(f"{tool} {lost}" for tool, lost in whole.lost.items()) + " (dspipe: none)")  # fmt: skip
    error = compare_evidence(pairs, removed)
    say(f"largest difference of a similarity in removed.parquet from the one that is known: {error:.2g}")
    above = {tool: recall_above(pairs, gone[tool]) for tool in gone}
    return {"pairs": len(pairs), "edits": tabulate(edits), "bands": tabulate(bands), "lost": whole.lost,
            "recall_at_threshold": above, "largest_error": error}  # fmt: skip


def judge(pairs: list[Pair], gone: Gone) -> Judged:
    middle = median(pair.jaccard for pair in pairs) if pairs else None
    found = {tool: sum(count_gone(pair, ids) > 0 for pair in pairs) for tool, ids in gone.items()}
    lost = {tool: sum(count_lost(pair, ids) for pair in pairs) for tool, ids in gone.items()}
    return Judged(len(pairs), middle, found, lost)


def count_gone(pair: Pair, gone: frozenset[str]) -> int:
    return sum(name in gone for name in pair.ids)


def count_lost(pair: Pair, gone: frozenset[str]) -> int:
    """Documents of the pair that are gone though nothing that is like them is left."""
    taken = count_gone(pair, gone)
    return max(0, taken - (pair.jaccard >= SIMILARITY))


def recall_above(pairs: list[Pair], gone: frozenset[str]) -> float | None:
    alike = [count_gone(pair, gone) > 0 for pair in pairs if pair.jaccard >= SIMILARITY]
    return sum(alike) / len(alike) if alike else None


def compare_evidence(pairs: list[Pair], removed: list[dict[str, Any]]) -> float:
    """The largest difference between a similarity that dspipe has written and the one that is known."""
    known = {name: pair.jaccard for pair in pairs for name in pair.ids}
    return max(
        (abs(row["jaccard"] - known[row["removed"]]) for row in removed if row["kind"] == "near"), default=0.0
    )


def show(groups: dict[str, Judged], tools: list[str], say: Say) -> None:
    say(f"{'':<20}{'pairs':>7}{'Jaccard':>9}" + "".join(f"{tool:>12}" for tool in tools))
    for name, group in groups.items():
        if group.pairs:
            shares = "".join(f"{group.found[tool] / group.pairs:12.4f}" for tool in tools)
            say(f"{name:<20}{group.pairs:>7,}{group.jaccard:>9.3f}{shares}")


def tabulate(groups: dict[str, Judged]) -> dict[str, Any]:
    return {
        name: {
            "pairs": group.pairs,
            "jaccard": group.jaccard,
            "found": {tool: group.share(tool) for tool in group.found},
            "lost": group.lost,
        }
        for name, group in groups.items()
    }
