"""Candidates that share a band → decisions: a document goes only if its Jaccard with a *kept* one suffices.

Documents are taken in the order of priority. Each is compared, exactly, with the kept documents of its
buckets; if the best reaches the threshold it is removed in favour of that one, else it is kept and joins its
buckets. So no document goes because of a chain of others, and the outcome depends on the order of priority
alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dspipe.text.kernel import kernel

Integers = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]

MOST_IN_BUCKET = 64  # kept documents of a bucket, highest priority first, that a newcomer is compared with


@dataclass(frozen=True)
class Decisions:
    """For each document, by rank: the rank of the kept one (its own if it stays), and the Jaccard."""

    kept: Integers
    jaccard: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Buckets:
    """The buckets of two or more documents that each document is in, by document: (m,), (n + 1,)."""

    members: Integers
    offsets: Integers
    sizes: Integers  # documents in each bucket


def find_buckets(bands: Iterable[Unsigned], signed: npt.NDArray[np.bool_]) -> Buckets:
    """Group documents by equal band hash, one band at a time so that memory holds one column.

    Args:
        bands: (n,) by rank, each. signed: (n,) whether the document has shingles and takes part.
    """
    documents: list[Integers] = []
    numbers: list[Integers] = []
    sizes: list[Integers] = []
    first = 0
    taking_part = np.flatnonzero(signed)
    for band in bands:
        _, bucket, size = np.unique(band[taking_part], return_inverse=True, return_counts=True)
        shared = size > 1
        renumbered = np.cumsum(shared) - 1 + first
        inside = shared[bucket]
        documents.append(taking_part[inside])
        numbers.append(renumbered[bucket[inside]])
        sizes.append(size[shared])
        first += int(shared.sum())
    document = np.concatenate(documents)
    order = np.argsort(document, kind="stable")
    offsets = np.searchsorted(document[order], np.arange(len(signed) + 1))
    return Buckets(np.concatenate(numbers)[order], offsets, np.concatenate(sizes))


def verify(
    buckets: Buckets, shingles: Unsigned, place: Integers, size: Integers, similarity: float
) -> Decisions:
    """Decide about every document, by rank.

    Args:
        shingles: sets of all documents, each sorted. place, size: where the set of each rank begins, and its
        size.
    """
    count = len(place)
    room = np.minimum(buckets.sizes, MOST_IN_BUCKET)
    starts = np.concatenate([[0], np.cumsum(room)])
    kept = np.arange(count)
    jaccard = np.ones(count)
    slots = np.empty(int(starts[-1]), np.int64)
    filled = np.zeros(len(room), np.int64)
    seen = np.full(count, -1, np.int64)
    decide(
        buckets.members,
        buckets.offsets,
        starts,
        slots,
        filled,
        seen,
        shingles,
        place,
        size,
        similarity,
        kept,
        jaccard,
    )
    return Decisions(kept, jaccard)


@kernel
def decide(  # type: ignore[no-untyped-def]
    members, offsets, starts, slots, filled, seen, shingles, place, size, similarity, kept, jaccard
):
    """The greedy pass over the ranks; `seen[k] == d`: d has been compared with k in another bucket."""
    for document in range(offsets.size - 1):
        best, anchor = -1.0, -1
        for index in range(offsets[document], offsets[document + 1]):
            bucket = members[index]
            for slot in range(starts[bucket], starts[bucket] + filled[bucket]):
                other = slots[slot]
                if seen[other] == document:
                    continue
                seen[other] = document
                found = measure(
                    shingles, place[document], size[document], place[other], size[other], similarity
                )
                if found > best or (found == best and other < anchor):
                    best, anchor = found, other
        if best >= similarity:
            kept[document] = anchor
            jaccard[document] = best
            continue
        for index in range(offsets[document], offsets[document + 1]):
            bucket = members[index]
            if starts[bucket] + filled[bucket] < starts[bucket + 1]:
                slots[starts[bucket] + filled[bucket]] = document
                filled[bucket] += 1


@kernel
def measure(shingles, first, first_size, second, second_size, similarity):  # type: ignore[no-untyped-def]
    """Jaccard of two sorted sets; −1 where their sizes alone show that it is under the threshold."""
    if min(first_size, second_size) / max(first_size, second_size) < similarity:
        return -1.0
    common, i, j = 0, first, second
    while i < first + first_size and j < second + second_size:
        a, b = shingles[i], shingles[j]
        if a == b:
            common += 1
        if a <= b:
            i += 1
        if b <= a:
            j += 1
    return common / (first_size + second_size - common)
