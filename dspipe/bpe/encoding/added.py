"""Finds a tokenizer's added tokens in texts, as `tokenizers` does it before anything else, or keeps them out.

The leftmost match counts, of several that begin there the longest; then it goes on behind. Tokens that are
not `normalized` come first, the others are looked for in what is left.

Where they are not to be found, merges may still make one's text: it is then spelled with the tokens of which
it is made.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.encoding.engine import Ids
from dspipe.bpe.encoding.tables import BYTES, Tables, empty_table, find_child, grow_trie
from dspipe.bpe.files import AddedToken, TokenizerFile
from dspipe.text.arrow import Bytes, Offsets, read_only
from dspipe.text.kernel import kernel


class Marks(NamedTuple):
    """Added tokens as a trie: the nodes of bytes, then those of tokens; the id of each node, or -1.

    `begins` (256,) says which bytes a token begins with.
    """

    trie: NDArray[np.uint64]
    begins: NDArray[np.bool_]
    ids: NDArray[np.int64]


@kernel
def find_marks(text, offsets, taken, trie, begins, ids, found):  # type: ignore[no-untyped-def]
    """Write [begin, end, id] of the matches in each text that is not `taken`; returns how many there are.

    `found` (m, 3) may be too small for all.
    """
    count = 0
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        if taken[document]:
            position = end
        while position < end:
            if not begins[text[position]]:
                position += 1
                continue
            node, after, best = np.int64(text[position]), position + 1, np.int64(-1)
            longest = after
            while node >= 0:
                if node < ids.size and ids[node] >= 0:
                    best, longest = ids[node], after
                if after == end:
                    break
                node = find_child(trie, node, text[after])
                after += 1
            if best >= 0:
                if count < found.shape[0]:
                    found[count, 0], found[count, 1], found[count, 2] = position, longest, best
                count += 1
            position = longest
    return count


def build_marks(tokens: list[AddedToken]) -> Marks:
    contents = {token.content.encode(): token.id for token in tokens}
    single = {content[0]: number for content, number in contents.items() if len(content) == 1}
    longer = {content: number for content, number in contents.items() if len(content) > 1}
    entries = [*(bytes([byte]) for byte in range(BYTES)), *longer]
    text = np.frombuffer(b"".join(entries), np.uint8)
    lengths = np.array([len(entry) for entry in entries])
    trie, shorter = empty_table(text.size), np.empty(2 * len(entries), np.int32)
    order = np.argsort(lengths, kind="stable")
    grow_trie(read_only(text), np.cumsum([0, *lengths]), order, len(entries), trie, shorter)
    ids = [*(single.get(byte, -1) for byte in range(BYTES)), *longer.values()]
    begins = np.zeros(BYTES, np.bool_)
    begins[[content[0] for content in contents]] = True
    return Marks(trie, begins, np.array(ids, np.int64))


def cut_marks(text: Bytes, offsets: Offsets, marks: list[Marks]) -> tuple[Offsets, NDArray[np.int64]]:
    """Texts and their added tokens as texts of their own: where each begins, (m + 1,); its id or -1, (m,)."""
    text, offsets = read_only(text), read_only(offsets)
    ids = np.full(offsets.size - 1, -1, np.int64)
    for one in marks:
        found = np.empty((64, 3), np.int64)
        count = find_marks(text, offsets, ids >= 0, *one, found)
        if count > len(found):
            found = np.empty((count, 3), np.int64)
            find_marks(text, offsets, ids >= 0, *one, found)
        begins, ends, numbers = found[:count].T
        cuts = np.sort(np.concatenate([offsets, begins, ends]))
        before, known = offsets, ids
        offsets, ids = read_only(cuts), np.full(cuts.size - 1, -1, np.int64)
        # of several texts that begin at one place, the last is not empty
        ids[np.searchsorted(cuts, before[:-1][known >= 0], "right") - 1] = known[known >= 0]
        ids[np.searchsorted(cuts, begins, "right") - 1] = numbers
    return offsets, ids


def spell_added(file: TokenizerFile, tables: Tables) -> dict[int, list[int]]:
    """Added tokens that merges make, too, each as the tokens that it is then made of.

    A single byte's token stays: without it there is text that cannot be encoded.
    """
    marks = {token.id for token in file.added}
    ranks = {int(number): rank for rank, number in enumerate(tables.ids[: tables.shorter.size // 2])}

    def spell(number: int) -> list[int]:
        rank = ranks[number]
        if number not in marks or rank < BYTES:
            return [number]
        return [
            part for half in tables.halves[2 * rank : 2 * rank + 2] for part in spell(int(tables.ids[half]))
        ]

    return {number: spell(number) for number in marks if ranks.get(number, 0) >= BYTES}


def spell_out(ids: Ids, bounds: Offsets, spelled: dict[int, list[int]]) -> tuple[Ids, Offsets]:
    """Put several ids in the place of some."""
    places = np.flatnonzero(np.isin(ids, list(spelled)))
    if places.size == 0:
        return ids, bounds
    parts = [spelled[number] for number in ids[places].tolist()]
    more = np.array([len(part) - 1 for part in parts], np.int64)
    counts = np.ones(ids.size, np.int64)
    counts[places] += more
    starts = np.concatenate([[0], np.cumsum(counts)])
    out = np.repeat(ids, counts)
    for place, part in zip(starts[places].tolist(), parts, strict=True):
        out[place : place + len(part)] = part
    return out, starts[bounds]


def put_marks(ids: Ids, bounds: Offsets, marks: NDArray[np.int64]) -> tuple[Ids, Offsets]:
    """Put the id of each added token in the place of what its text was encoded to."""
    counts, is_mark = np.diff(bounds), marks >= 0
    starts = np.concatenate([[0], np.cumsum(np.where(is_mark, 1, counts))])
    out = np.empty(int(starts[-1]), np.uint32)
    free = np.ones(out.size, np.bool_)
    free[starts[:-1][is_mark]] = False
    out[free] = ids[~np.repeat(is_mark, counts)]
    out[~free] = marks[is_mark]
    return out, starts
