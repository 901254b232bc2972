"""BPE training by the rule, as slowly as it is written: all pairs are counted anew for each merge."""

from __future__ import annotations

import itertools
from collections import Counter

Merge = tuple[int, int, int]  # left id, right id, how often the pair occurs


def train_merges(
    pieces: dict[bytes, int],
    byte_ids: list[int],
    size: int,
    first: int,
    min_frequency: int = 0,
    max_token_length: int | None = None,
) -> list[Merge]:
    """Merges of pieces that occur so often; `first` is the id of the first token that is made."""
    words = [[byte_ids[byte] for byte in piece] for piece in pieces]
    counts = list(pieces.values())
    lengths = dict.fromkeys(byte_ids, 1)
    merges: list[Merge] = []
    while first + len(merges) < size:
        pairs: Counter[tuple[int, int]] = Counter()
        for word, count in zip(words, counts, strict=True):
            for pair in itertools.pairwise(word):
                together = lengths[pair[0]] + lengths[pair[1]]
                if max_token_length is None or together < max_token_length or together == 2:
                    pairs[pair] += count
        if not pairs:
            break
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[left, right] < max(1, min_frequency):
            break
        token = first + len(merges)
        merges.append((left, right, pairs[left, right]))
        lengths[token] = lengths[left] + lengths[right]
        words = [merge(word, left, right, token) for word in words]
    return merges


def merge(word: list[int], left: int, right: int, token: int) -> list[int]:
    merged: list[int] = []
    place = 0
    while place < len(word):
        if word[place : place + 2] == [left, right]:
            merged.append(token)
            place += 2
        else:
            merged.append(word[place])
            place += 1
    return merged
