"""Runs of 128-bit keys → which documents are exact copies, and of which one; who stood for whom before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from dspipe.dedup.copies.groups import gather_groups
from dspipe.dedup.copies.ledger import EXACT, STAYS, Ledger, pieces
from dspipe.dedup.runs import Range, Run, open_run, write_run
from dspipe.dedup.signatures.chunks import EXACT_RUN


@dataclass(frozen=True)
class Matching:
    wanted: Range
    ledger: Ledger
    name: str  # of the runs: of the keys of texts, or of ids
    out: Run


class Matched(Struct, frozen=True):
    copies: int


def match_keys(task: Matching) -> Matched:
    """Write a run of (rank, rank of the best document with the same key), of those that are not the best."""
    groups = gather_groups(task.ledger, task.name, task.wanted)
    best = np.repeat(groups.ranks[groups.ends[:-1]], groups.sizes)
    chosen = groups.ranks != best
    if task.name == EXACT_RUN:
        chosen &= groups.ranks >= task.ledger.earlier  # what earlier runs have decided stays so
    write_run(task.out, groups.ranks[chosen], best[chosen])
    return Matched(int(chosen.sum()))


def mark_exact_copies(ledger: Ledger, runs: Sequence[Run]) -> None:
    """Note for each copy the best document with its key, whose fate it will share."""
    kept, kind = ledger.open("kept", write=True), ledger.open("kind", write=True)
    for run in runs:
        copies, best = open_run(run)
        kept[copies] = best
        kind[copies] = EXACT


def mark_removed_before(ledger: Ledger, runs: Sequence[Run]) -> None:
    """Note for what earlier runs removed who stood for it: the best of those with its id, which is theirs."""
    kept = ledger.open("kept", write=True)
    for run in runs:
        removed, best = open_run(run)
        kept[removed] = best


def share_fates(ledger: Ledger) -> None:
    """After all else is decided: what the copied document goes for, its exact copies go for, too."""
    kept, kind = ledger.open("kept", write=True), ledger.open("kind", write=True)
    jaccard, containment = (ledger.open(name, write=True) for name in ("jaccard", "containment"))
    for piece in pieces(ledger.count):
        copies = np.flatnonzero(kind[piece] == EXACT) + piece.start
        best = kept[copies]
        jaccard[copies], containment[copies] = jaccard[best], containment[best]
        kept[copies] = kept[best]
        kind[copies] = np.where(kind[best] == STAYS, EXACT, kind[best])
    for piece in pieces(ledger.earlier):  # what went before is not counted again
        kept[piece] = np.arange(piece.start, piece.stop)
