"""The numbers of a document + the bounds of its group → how often the document is drawn.

Draw k (0, 1, 2 …) of a document has the key (k + u) / w, where u is its hash as a fraction and w its weight.
A cell takes the draws with the smallest keys up to its budget, of draws with one key those with the smallest
hash first; a group takes those with k + u below its cap. With equal weights these are whole epochs of all
documents, then the documents with the smallest hash. Nothing here depends on the order of the documents or
on the budget of another cell, and a larger budget only adds draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dspipe.text.kernel import inlined, kernel

DOCUMENT = np.dtype(  # what is kept on disk of each document
    [
        ("hash", "u8"),
        ("amount", "i8"),  # bytes or tokens: what budgets are counted in
        ("size", "i8"),  # bytes of the row in memory, about
        ("weight", "f4"),  # NaN where the document has no quality: then its group's
        ("group", "u4"),  # as its part numbers them
    ]
)
BOUND = np.dtype(  # which draws a group gives
    [
        ("key", "f8"),  # the largest that is taken
        ("hash", "u8"),  # the largest that is taken with that key
        ("cap", "f8"),  # epochs
        ("weight", "f8"),  # of documents without one
    ]
)
DRAWN, DRAWS, AMOUNT, SIZE = range(4)  # sums: documents, draws, and the amounts and sizes of all draws
SUMS = 4

Documents = npt.NDArray[np.void]
Bounds = npt.NDArray[np.void]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NOTHING, EVERYTHING = -1.0, np.inf  # as keys
LARGEST_HASH = 2**64 - 1
FRACTION = 2.0**-53
DOCUMENTS_AT_ONCE = 1 << 16


def make_bounds(
    caps: npt.ArrayLike, weights: npt.ArrayLike = 1.0, keys: npt.ArrayLike = EVERYTHING
) -> Bounds:
    """Bounds of as many groups as there are caps."""
    bounds = np.empty(len(np.atleast_1d(caps)), BOUND)
    bounds["cap"], bounds["weight"], bounds["key"], bounds["hash"] = caps, weights, keys, LARGEST_HASH
    return bounds


def read_documents(file: Path) -> Iterator[Documents]:
    """The numbers of a part's documents, in order, some at a time."""
    with open(file, "rb") as stream:
        while len(documents := np.fromfile(stream, DOCUMENT, DOCUMENTS_AT_ONCE)):
            yield documents


def count_all(documents: Documents, bounds: Bounds) -> Integers:
    """(n,) how often each document is drawn."""
    counts = np.empty(len(documents), np.int64)
    count_draws(documents, bounds, counts)
    return counts


def repeat_documents(counts: Integers, first: Integers | int = 0) -> tuple[Integers, Integers]:
    """Every draw from `first` up to a count: the number of its document, and its own; by document."""
    times = counts - first
    documents = np.repeat(np.arange(len(times)), times)
    begins = np.cumsum(times) - times - first
    return documents, np.arange(len(documents)) - begins[documents]


def find_keys(documents: Documents, draws: Integers, bounds: Bounds) -> Floats:
    """The key of one draw of each document, as the kernels compute it."""
    own = documents["weight"].astype(np.float64)
    weights = np.where(np.isnan(own), bounds["weight"][documents["group"]], own)
    fractions = (documents["hash"] >> np.uint64(11)).astype(np.float64) * FRACTION
    keys: Floats = (draws + fractions) / weights
    return keys


@inlined
def count_one(document, bound):  # type: ignore[no-untyped-def]
    """How often a document is drawn: an estimate that is never too high, and at most two steps.

    The draws before ⌊most − fraction⌋ lie one epoch below `most`, more than rounding can span.
    """
    weight = np.float64(document.weight)
    if np.isnan(weight):
        weight = bound.weight
    fraction = np.float64(document.hash >> np.uint64(11)) * FRACTION
    most = min(bound.key * weight, bound.cap)
    count = np.int64(most - fraction) if most > fraction else np.int64(0)
    while count + fraction < bound.cap:
        key = (count + fraction) / weight
        if key > bound.key or (key == bound.key and document.hash > bound.hash):
            break
        count += 1
    return count


@kernel
def count_draws(documents, bounds, counts):  # type: ignore[no-untyped-def]
    """How often each document is drawn; counts: int64, one for each."""
    for number in range(documents.size):
        document = documents[number]
        counts[number] = count_one(document, bounds[document.group])


@kernel
def sum_draws(documents, bounds, sums):  # type: ignore[no-untyped-def]
    """Add up what each group gives; sums: (groups, SUMS), exact in float64 up to 2^53."""
    for number in range(documents.size):
        document = documents[number]
        count = count_one(document, bounds[document.group])
        row = sums[document.group]
        row[DRAWN] += count > 0
        row[DRAWS] += count
        row[AMOUNT] += np.float64(count) * document.amount
        row[SIZE] += np.float64(count) * document.size
