"""What dedup has decided → how large clusters are, what went of each source, and whether that is too much.

A cluster is a kept document and all that went in its favour; its size counts the kept one, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dspipe.recipe import Dedup, DspipeError

Integers = npt.NDArray[np.int64]
Removed = dict[str, dict[str, dict[str, int]]]  # {"source": {name: {"in": n, "removed": n}}, …}

GROUPS = ("source", "domain", "language")
UNNAMED = "unknown"  # what a document without a source, domain or language is counted under
MOST_CLUSTERS = 10  # that are named
SPAN = 1 << 23  # documents whose copies are counted at a time: 32 MB
CHUNK = 1 << 20  # documents that are read at a time
MOST_CHARACTERS = 100  # of a text in a refusal
MOST_SAMPLES = 2  # removed documents of a cluster in a refusal
LEAST_DOCUMENTS = 100  # of smaller groups a share says little


@dataclass(frozen=True)
class Clusters:
    """How many clusters there are of which size, and the largest: (rank of the kept document, size)."""

    histogram: dict[str, int]
    largest: list[tuple[int, int]]

    @property
    def most(self) -> int:
        """The size of the largest; a document without copies is a cluster of one."""
        return self.largest[0][1] if self.largest else 1


@dataclass(frozen=True)
class Cluster:
    """A cluster as a refusal shows it; `rows` have id, source, url and text, the kept document first."""

    kept: str
    size: int
    rows: Sequence[Mapping[str, Any]]


def describe_clusters(kept: Integers) -> Clusters:
    """Count the clusters, whatever their number in little memory; `kept` may be mapped from a file.

    kept: (n,) by rank, the rank of the document that stays for it, its own if it stays itself. A document is
    never ranked before the one that it goes for, so those that go for the ranks from `start` on lie behind.
    """
    counted: dict[int, int] = {}
    largest: list[tuple[int, int]] = []
    for start in range(0, len(kept), SPAN):
        sizes = count_copies(kept, start, min(start + SPAN, len(kept)))
        several = np.flatnonzero(sizes > 1)
        found = sizes[several]
        steps = np.ceil(np.log2(found)).astype(np.int64)  # exact for what 32 bits hold
        for step, number in enumerate(np.bincount(steps).tolist()):
            counted[step] = counted.get(step, 0) + number
        best = np.lexsort((several, -found.astype(np.int64)))[:MOST_CLUSTERS]
        largest += [(start + int(several[place]), int(found[place])) for place in best]
        largest = sorted(largest, key=lambda cluster: (-cluster[1], cluster[0]))[:MOST_CLUSTERS]
    histogram = {name_sizes(step): number for step, number in sorted(counted.items()) if number}
    return Clusters(histogram, largest)


def count_copies(kept: Integers, start: int, end: int) -> npt.NDArray[np.uint32]:
    """How many documents there are for each rank of start … end − 1, the kept one among them."""
    sizes = np.zeros(end - start, np.uint32)
    for first in range(start, len(kept), CHUNK):
        chunk = np.asarray(kept[first : first + CHUNK])
        np.add.at(sizes, chunk[(chunk >= start) & (chunk < end)] - start, np.uint32(1))
    return sizes


def name_sizes(step: int) -> str:
    """0 … 3 → 1, 2, 3-4, 5-8: what is above one power of two, up to the next."""
    least, most = (1 << step >> 1) + 1, 1 << step
    return str(most) if least == most else f"{least}-{most}"


def count_removed(
    groups: Sequence[Sequence[str | None]], numbers: npt.NDArray[Any], removed: npt.NDArray[np.bool_]
) -> Removed:
    """Of some documents, how many there are of each source, domain and language, and how many go.

    groups: the three of each group; numbers: (n,) the group of each document.
    """
    total = np.bincount(numbers, minlength=len(groups)).tolist()
    gone = np.bincount(numbers[removed], minlength=len(groups)).tolist()
    return sum_removed(
        {
            key: {name or UNNAMED: {"in": count, "removed": less}}
            for key, name in zip(GROUPS, group, strict=True)
        }
        for group, count, less in zip(groups, total, gone, strict=True)
    )


def sum_removed(counts: Iterable[Removed]) -> Removed:
    """The counts of all parts together, in the order of names."""
    total: Removed = {group: {} for group in GROUPS}
    for counted in counts:
        for group, names in counted.items():
            for name, numbers in names.items():
                sums = total[group].setdefault(name, {"in": 0, "removed": 0})
                for key, number in numbers.items():
                    sums[key] += number
    return {group: dict(sorted(names.items())) for group, names in total.items()}


def sum_pieces(counts: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """What was taken out of documents of all parts together, by kind."""
    total: dict[str, dict[str, int]] = {}
    for counted in counts:
        for kind, numbers in counted.items():
            sums = total.setdefault(kind, dict.fromkeys(numbers, 0))
            for key, number in numbers.items():
                sums[key] += number
    return total


def check_limits(settings: Dedup, facts: Mapping[str, Any], samples: Sequence[Cluster]) -> None:
    """Refuse what removes more than the recipe allows.

    facts: `largest_cluster` and `removed`, as the manifest is to have them.

    Raises:
        DspipeError: what is above which limit, what to do, and the largest clusters.
    """
    excesses = list(find_excesses(settings, facts))
    if excesses:
        lines = [f"dedup: {explain(excesses)}", "the largest clusters:"]
        lines += [line for cluster in samples[:MOST_CLUSTERS] for line in draw_cluster(cluster)]
        raise DspipeError("\n  ".join(lines if samples else lines[:1]))


def find_excesses(settings: Dedup, facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (key, what is above it): the largest cluster, then groups with the largest shares first."""
    largest = facts["largest_cluster"]
    if settings.max_cluster is not None and largest > settings.max_cluster:
        yield (
            "max_cluster",
            f"a cluster has {largest:,} documents, more than max_cluster = {settings.max_cluster}",
        )
    if settings.max_removed is None:
        return
    shares = [
        (numbers["removed"] / numbers["in"], group, name, numbers)
        for group, names in facts["removed"].items()
        for name, numbers in names.items()
        if numbers["in"] >= LEAST_DOCUMENTS and numbers["removed"] > settings.max_removed * numbers["in"]
    ]
    for share, group, name, numbers in sorted(shares, key=lambda entry: (-entry[0], entry[1:3])):
        yield (
            "max_removed",
            f"of {group} {shorten(name)} {numbers['removed']:,} of {numbers['in']:,} documents "
            f"({100 * share:.1f} %) would go, more than max_removed = {settings.max_removed:g}",
        )


def explain(excesses: Sequence[tuple[str, str]]) -> str:
    """One sentence for all that is too much: the first of each limit, what to look at and what to change."""
    first = dict(reversed(excesses))
    sentences = [sentence for key, sentence in excesses if sentence == first[key]]
    more = len(excesses) - len(sentences)
    also = f" (and {more} more)" if more else ""
    keys = " and ".join(f"dedup.{key}" for key in dict.fromkeys(key for key, _ in excesses))
    return (
        f"{', and '.join(sentences)}{also}; look at the clusters: if they are copies, raise {keys} and run "
        "the same command again (finished parts are kept), else raise dedup.similarity"
    )


def draw_cluster(cluster: Cluster) -> Iterator[str]:
    """The lines that show a cluster: its size, what is kept, and some of what would go."""
    yield f"{cluster.size:,} documents for {shorten(cluster.kept)}"
    for number, row in enumerate(cluster.rows[: 1 + MOST_SAMPLES]):
        place = " ".join(shorten(row[key]) for key in ("source", "url") if row.get(key))
        yield f"  {'removed' if number else 'kept':<8} {shorten(row['id'])}  {place}"
        yield f"  {'':<8} | {shorten(row['text'])}"


def shorten(text: str) -> str:
    """The beginning of a text as one line that can be shown on a terminal."""
    words = " ".join(text[: 4 * MOST_CHARACTERS].split())
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words[:MOST_CHARACTERS])
    return shown + ("…" if len(words) > MOST_CHARACTERS else "")
