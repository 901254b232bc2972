"""A range of keys → the documents that have the same key, of all parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dspipe.dedup.copies.ledger import Integers, Ledger
from dspipe.dedup.runs import Array, Range, gather


class Groups(NamedTuple):
    """Documents by their ranks, those of a group together, the best first; groups of one are left out."""

    ranks: Integers  # (n,)
    ends: Integers  # (groups + 1,): where each begins, and n

    @property
    def sizes(self) -> Integers:
        return np.diff(self.ends)


def gather_groups(ledger: Ledger, name: str, wanted: Range) -> Groups:
    """Read a range of the runs of a name: of 64-bit keys, or of the halves of 128-bit ones."""
    parts, runs = ledger.list_runs(name)
    slices = gather(runs, wanted)
    if not slices:
        return Groups(np.empty(0, np.int64), np.zeros(1, np.int64))
    rank, starts = ledger.open("rank"), np.asarray(ledger.starts)[parts]
    keys = np.concatenate([piece.keys for piece in slices])
    order = np.argsort(keys)
    order = order[find_shared(keys[order])]
    values = np.concatenate([piece.values for piece in slices])[order]
    offsets = np.repeat(starts[[piece.run for piece in slices]], [len(piece.keys) for piece in slices])[order]
    wide = values.dtype.names is not None
    ranks: Integers = rank[offsets + (values["row"] if wide else values).astype(np.int64)]
    return divide_groups([keys[order], *([values["low"]] if wide else [])], ranks)


def find_shared(keys: Array) -> Array:
    """Which of sorted keys are not alone."""
    same = np.zeros(len(keys) + 1, bool)
    same[1:-1] = keys[1:] == keys[:-1]
    shared: Array = same[1:] | same[:-1]
    return shared


def divide_groups(keys: list[Array], ranks: Integers) -> Groups:
    """Group ranks by their keys, the weightiest first; what is alone is left out."""
    order = np.lexsort([ranks, *reversed(keys)])
    changes = np.zeros(max(len(ranks) - 1, 0), bool)
    for key in keys:
        ordered = key[order]
        changes |= ordered[1:] != ordered[:-1]
    group = np.concatenate([[0], np.cumsum(changes)]) if len(ranks) else np.empty(0, np.int64)
    sizes = np.bincount(group)
    left = sizes[sizes > 1]
    return Groups(ranks[order][sizes[group] > 1], np.concatenate([[0], np.cumsum(left)]).astype(np.int64))


def without(groups: Groups, leave_out: Array) -> Groups:
    """The groups without the documents of a mask; what is then alone is left out, too."""
    group = np.repeat(np.arange(len(groups.sizes)), groups.sizes)[~leave_out]
    sizes = np.bincount(group, minlength=len(groups.sizes))
    left = sizes[sizes > 1]
    ranks = groups.ranks[~leave_out][sizes[group] > 1]
    return Groups(ranks, np.concatenate([[0], np.cumsum(left)]).astype(np.int64))
