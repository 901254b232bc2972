"""Runs of hashes → pairs of candidates: documents that share a band, or have the same URL or text.

Documents with one hash are a bucket. Of a small one every pair is a candidate. Of a large one each document
is paired with the BEST of it, the likeliest to stay, and with the NEAREST before it, which are about as long.
So a bucket of a million boilerplate pages costs some million comparisons, not their square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct

from dspipe.dedup.copies.groups import gather_groups, without
from dspipe.dedup.copies.ledger import CONTESTED, EXACT, NEEDED, Integers, Ledger
from dspipe.dedup.runs import Range, Run, open_run
from dspipe.dedup.signatures.chunks import BAND_RUN, EXACT_RUN, URL_RUN
from dspipe.shards import write_array
from dspipe.text.kernel import kernel

BEST, NEAREST = 8, 4
PAIRS_IN_RUN = 1 << 20  # 16 MB
RELATIONS = (EXACT_RUN, URL_RUN, BAND_RUN)  # what pairs come from; of one that has several the first counts
SAME_TEXT, SAME_BAND = RELATIONS.index(EXACT_RUN), RELATIONS.index(BAND_RUN)


@dataclass(frozen=True)
class Pairing:
    wanted: Range
    ledger: Ledger
    name: str  # of the runs, one of RELATIONS
    number: int

    def out(self, number: int) -> Run:
        return Run(self.ledger.folder, f"pairs-{self.number:05d}-{number}")


class Paired(Struct, frozen=True):
    runs: int  # of pairs
    capped: int  # buckets of which not every pair is a candidate
    largest: int  # documents in a bucket


def find_pairs(task: Pairing) -> Paired:
    """Write runs of pairs: the worse one's rank, and `join_pair` of the better one's; sorted by both."""
    groups = gather_groups(task.ledger, task.name, task.wanted)
    groups = without(groups, task.ledger.open("kind")[groups.ranks] == EXACT)
    places = np.arange(len(groups.ranks)) - np.repeat(groups.ends[:-1], groups.sizes)
    most = int(np.minimum(places, BEST + NEAREST).sum())
    worse, better = np.empty((2, min(most, PAIRS_IN_RUN) + BEST + NEAREST), np.int64)
    begin, runs = 0, 0
    while begin < len(groups.ranks):
        used, begin = fill_pairs(groups.ranks, groups.ends, task.ledger.earlier, begin, worse, better)
        rank, joined = unite(worse[:used], join_pair(better[:used], RELATIONS.index(task.name)))
        write_array(task.out(runs).values, joined)
        write_array(task.out(runs).keys, rank)
        runs += 1
    capped = int((groups.sizes > BEST + NEAREST + 1).sum())
    return Paired(runs, capped, int(groups.sizes.max(initial=0)))


def join_pair(better: Integers, relation: int) -> Integers:
    """What stands for the better one of a pair: four times its rank, and the relation."""
    return better * 4 + relation


def split_pair(joined: Integers) -> tuple[Integers, Integers]:
    """(rank, relation); the inverse of `join_pair`."""
    return joined >> 2, joined & 3


def unite(worse: Integers, joined: Integers) -> tuple[Integers, Integers]:
    """The pairs in order, each once, with the first of its relations."""
    order = np.lexsort((joined, worse))
    worse, joined = worse[order], joined[order]
    new = np.ones(len(worse), bool)
    new[1:] = (worse[1:] != worse[:-1]) | (joined[1:] >> 2 != joined[:-1] >> 2)
    return worse[new], joined[new]


@kernel
def fill_pairs(ranks, ends, earlier, begin, worse, better):  # type: ignore[no-untyped-def]
    """Pair each new document of every bucket with those before it: (how many pairs, where to go on).

    begin: the first that is paired; it ends behind the last one, or where there may be no room for the next.
    """
    used = 0
    for bucket in range(ends.size - 1):
        first = ends[bucket]
        for place in range(max(first + 1, begin), ends[bucket + 1]):
            if ranks[place] < earlier:
                continue
            if used + BEST + NEAREST > worse.size:
                return used, place
            best = min(place, first + BEST)
            for other in range(first, best):
                worse[used], better[used] = ranks[place], ranks[other]
                used += 1
            for other in range(max(best, place - NEAREST), place):
                worse[used], better[used] = ranks[place], ranks[other]
                used += 1
    return used, ranks.size


def mark_roles(ledger: Ledger, runs: Sequence[Run]) -> None:
    """Note which documents are in pairs, whose sets are needed, and which have a better one."""
    role = ledger.make("role")
    for run in runs:
        worse, joined = open_run(run)
        role[worse] |= NEEDED | CONTESTED
        role[split_pair(joined)[0]] |= NEEDED
