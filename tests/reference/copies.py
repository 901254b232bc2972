"""Near-copy removal as it is defined, document by document and pair by pair: the slow twin of
`dspipe.dedup`."""

from __future__ import annotations

import re


def shingle_set(text: str, size: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a or b else 0.0


def remove_copies(texts: list[str], size: int, similarity: float) -> dict[int, tuple[int, str, float]]:
    """{removed: (kept, kind, jaccard)} for documents whose priority is longer first, then position."""
    sets = [shingle_set(text, size) for text in texts]
    folded = [" ".join(text.split()) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i].encode()), i))
    kept: list[int] = []
    first: dict[str, int] = {}
    removed: dict[int, tuple[int, str, float]] = {}
    for i in order:
        if folded[i] in first:
            original = first[folded[i]]
            removed[i] = removed.get(original, (original, "exact", 1.0))
            continue
        first[folded[i]] = i
        best = max(
            ((jaccard(sets[i], sets[k]), -order.index(k), k) for k in kept if sets[i]), default=(0.0, 0, -1)
        )
        if best[0] >= similarity:
            removed[i] = (best[2], "near", best[0])
        else:
            kept.append(i)
    return removed
