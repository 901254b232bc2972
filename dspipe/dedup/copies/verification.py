"""Pairs of candidates → pairs that are similar enough, by the sets of shingles themselves.

The pairs of a document are looked at in the order of rank, the best one first. Once it is like a document
that is certain to stay, since that has no better candidate of its own, the rest makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct

from dspipe.dedup.copies.candidates import SAME_BAND, SAME_TEXT, split_pair, unite
from dspipe.dedup.copies.ledger import CONTESTED, Integers, Ledger
from dspipe.dedup.copies.sets import map_sets
from dspipe.dedup.runs import Range, Run, gather
from dspipe.recipe import Dedup
from dspipe.shards import write_array
from dspipe.text.kernel import inlined, kernel

SHINGLES_AT_ONCE = 16 << 20  # 128 MB of them, mapped
AROUND = 8 << 10  # shingles that the system maps, too, around a place that is read

LINK = np.dtype(  # of a document to one that would stay for it
    [("worse", "i8"), ("better", "i8"), ("jaccard", "f8"), ("containment", "f8"), ("kind", "u1")]
)


@dataclass(frozen=True)
class Verifying:
    wanted: Range  # of ranks
    runs: Sequence[Run]  # of pairs
    settings: Dedup
    ledger: Ledger
    out: Path


class Verified(Struct, frozen=True):
    candidates: int  # pairs
    compared: int
    links: int  # pairs that are similar enough


def verify_pairs(task: Verifying) -> Verified:
    """Compare the pairs whose worse documents are in a range of ranks; write LINKs in the order of these."""
    slices, ledger = gather(task.runs, task.wanted), task.ledger
    worse, joined = unite(
        np.concatenate([piece.keys for piece in slices]), np.concatenate([piece.values for piece in slices])
    )
    better, relation = split_pair(joined)
    certain = (ledger.open("role")[better] & CONTESTED) == 0
    document, place, size = (ledger.open(name) for name in ("document", "place", "size"))
    ours, theirs = document[worse], document[better]
    columns = worse, better, relation, certain, place[ours], size[ours], place[theirs], size[theirs]
    links = np.empty(len(worse), LINK)
    asked = task.settings.similarity, task.settings.measure == "containment"
    used, compared = 0, 0
    for span in divide_pairs(worse, size[ours] + size[theirs] + 2 * AROUND):
        # mapped anew for each, so that what has been looked at can leave the memory
        found, looked_at = compare_pairs(
            *(column[span] for column in columns), map_sets(ledger), *asked, links[used:]
        )
        used, compared = used + found, compared + looked_at
    write_array(task.out, links[:used])
    return Verified(len(worse), compared, used)


def divide_pairs(worse: Integers, sizes: Integers) -> Iterator[slice]:
    """Spans of pairs whose sets have about SHINGLES_AT_ONCE; the pairs of a document stay together."""
    first = np.flatnonzero(np.concatenate([[True], worse[1:] != worse[:-1]]))
    span = np.cumsum(sizes)[first] // SHINGLES_AT_ONCE
    begins = first[np.concatenate([[True], span[1:] != span[:-1]])].tolist()
    return (slice(*ends) for ends in pairwise([*begins, len(worse)]))


@kernel
def compare_pairs(  # type: ignore[no-untyped-def]
    worse,
    better,
    relation,
    certain,
    place,
    size,
    other_place,
    other_size,
    sets,
    similarity,
    containment,
    links,
):
    """Fill in the links, and return how many there are and how many pairs were compared."""
    used, compared, settled = 0, 0, -1
    for pair in range(worse.size):
        if worse[pair] == settled:
            continue
        least = similarity if relation[pair] == SAME_BAND else 0.0
        common = count_common(
            sets, place[pair], size[pair], other_place[pair], other_size[pair], least, containment
        )
        compared += 1
        if common < 0:
            continue
        both = size[pair] + other_size[pair] - common
        without = 1.0 if relation[pair] == SAME_TEXT else 0.0  # texts too short for a shingle
        jaccard = common / both if both else without
        contained = common / size[pair] if size[pair] else without
        if (contained if containment else jaccard) >= least:
            link = links[used]
            link.worse, link.better = worse[pair], better[pair]
            link.jaccard, link.containment = jaccard, contained
            link.kind = relation[pair] + 1  # KINDS are in the order of RELATIONS, after the one that stays
            used += 1
            if certain[pair]:
                settled = worse[pair]
    return used, compared


@inlined
def count_common(sets, first, size, other, other_size, least, containment):  # type: ignore[no-untyped-def]
    """How many shingles two sorted sets share; −1 as soon as they cannot reach what is asked for.

    With m shingles of the first set missing its containment is (size − m) / size. With m of either missing
    and c common, Jaccard is c / (c + m), so of the sum of both sizes m may be (1 − J) / (1 + J).
    """
    if containment:
        room = np.int64((1.0 - least) * size) + 1
    else:
        room = np.int64((1.0 - least) / (1.0 + least) * (size + other_size)) + 1
    common, i, j, missing = 0, 0, 0, 0
    while i < size and j < other_size:
        a, b = sets[first + i], sets[other + j]
        common += a == b
        missing += a < b or (a > b and not containment)
        i += a <= b
        j += b <= a
        if missing > room:
            return -1
    return common
