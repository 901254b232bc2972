"""Files of encoded parts → their documents by number: windows to train on, and those held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dspipe.pack.encoding import TRAINING, Encoded, Group, Summary, open_encoded

Numbers = npt.NDArray[np.int64]

PARTS_OPEN = 64
MOST_DOCUMENTS = (
    1 << 22
)  # in a window: where they are a few tokens each, numbers take more memory than tokens


class Documents:
    """All documents of the mixture; a document's number is its row, counted through all parts."""

    def __init__(self, folder: Path, counts: Sequence[int]) -> None:
        """counts: how many documents each part has."""
        self.folder, self.counts = folder, tuple(counts)
        self.firsts = np.cumsum([0, *counts])
        self._open: dict[int, Encoded] = {}

    def part(self, number: int) -> Encoded:
        """An encoded part; some are kept open, as long as this is there."""
        if number not in self._open:
            if len(self._open) == PARTS_OPEN:
                del self._open[next(iter(self._open))]
            self._open[number] = open_encoded(self.folder, number)
        return self._open[number]

    def find_parts(self, numbers: Numbers) -> Numbers:
        """The part of each document."""
        return np.searchsorted(self.firsts, numbers, side="right") - 1

    def windows(self, size: int, most: int = MOST_DOCUMENTS) -> Iterator[tuple[Numbers, Numbers]]:
        """Yield (numbers, lengths) of the documents to train on, by windows.

        A window ends with the document that brings it to `size` tokens or to `most` documents; documents
        without a token are in none.
        """
        numbers, lengths = np.empty(0, np.int64), np.empty(0, np.int64)
        for part in range(len(self.counts)):
            documents = self.part(part).documents
            chosen = np.flatnonzero((documents["group"] == TRAINING) & (documents["length"] > 0))
            numbers = np.concatenate([numbers, chosen + self.firsts[part]])
            lengths = np.concatenate([lengths, documents["length"][chosen].astype(np.int64)])
            ends, begin = np.cumsum(lengths), 0
            while True:
                before = int(ends[begin - 1]) if begin else 0
                end = min(int(np.searchsorted(ends, before + size)) + 1, begin + most)
                if end > len(ends):
                    break
                yield numbers[begin:end], lengths[begin:end]
                begin = end
            numbers, lengths = numbers[begin:], lengths[begin:]
        if len(numbers):
            yield numbers, lengths

    def held_out(self, summaries: Sequence[Summary]) -> dict[Group, tuple[Numbers, Numbers]]:
        """(numbers, lengths) of the held-out documents of each group, groups in the order of their names."""
        found: dict[Group, list[tuple[Numbers, Numbers]]] = {}
        for part, summary in enumerate(summaries):
            documents = self.part(part).documents
            for code, group in enumerate(summary.groups):
                chosen = np.flatnonzero((documents["group"] == code) & (documents["length"] > 0))
                lengths = documents["length"][chosen].astype(np.int64)
                found.setdefault(group, []).append((chosen + self.firsts[part], lengths))
        names = sorted(found, key=lambda group: (group[0] or "", group[1] or "", group[2]))
        return {name: join_pairs(found[name]) for name in names}


def join_pairs(pairs: list[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    first, second = zip(*pairs, strict=True)
    return np.concatenate(first), np.concatenate(second)
