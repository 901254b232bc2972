"""Packing done slowly: the row of each chunk, rows of windows, checksums, and infilled documents undone."""

from __future__ import annotations

from collections.abc import Sequence

WORD = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def fit_slowly(lengths: Sequence[int], row_length: int, most: int | None = None) -> list[int]:
    """Best-fit decreasing by looking at every row; of equal rooms the one that has waited longest."""
    row = [0] * len(lengths)
    waiting: list[list[int]] = []  # [room, row], in the order in which they came to have that room
    held: list[int] = []
    for chunk in sorted(range(len(lengths)), key=lambda chunk: -lengths[chunk]):
        enough = [entry for entry in waiting if entry[0] >= lengths[chunk]]
        if enough:
            entry = min(enough, key=lambda entry: entry[0])  # the first of them
            waiting.remove(entry)
        else:
            entry = [row_length, len(held)]
            held.append(0)
        room, number = entry
        row[chunk] = number
        held[number] += 1
        if room > lengths[chunk] and (most is None or held[number] < most):
            waiting.append([room - lengths[chunk], number])
    return row


def exchange_slowly(rows: list[list[int]], row_length: int, turns: int) -> list[int]:
    """Let the first `turns` rows exchange a chunk for a longer one of a later row, a spare one if possible.

    rows: the lengths of the chunks in each, changed in place; those from `turns` on are spare. Returns the
    room of each row.
    """
    waiting: dict[tuple[bool, int], list[tuple[int, int]]] = {}
    for number, row in enumerate(rows):
        for place, length in enumerate(row):
            waiting.setdefault((number >= turns, length), []).append((number, place))
    for number, row in enumerate(rows[:turns]):
        for spare, place in [(True, p) for p in range(len(row))] + [(False, p) for p in range(len(row))]:
            room = row_length - sum(row)
            stack = waiting.get((spare, row[place] + room), []) if room else []
            while stack and stack[-1][0] <= number:
                stack.pop()
            if stack:
                other, there = stack.pop()
                row[place], rows[other][there] = rows[other][there], row[place]
                waiting.setdefault((spare, rows[other][there]), []).append((other, there))
    return [row_length - sum(row) for row in rows]


def concatenate_slowly(lengths: Sequence[int], row_length: int) -> list[tuple[int, int, int, int]]:
    """(row, document, start, length) of every chunk, token by token."""
    tokens = [(document, place) for document, length in enumerate(lengths) for place in range(length)]
    chunks: list[tuple[int, int, int, int]] = []
    for number, (document, place) in enumerate(tokens):
        row = number // row_length
        if chunks and chunks[-1][:2] == (row, document):
            chunks[-1] = (*chunks[-1][:3], chunks[-1][3] + 1)
        else:
            chunks.append((row, document, place, 1))
    return chunks


def scramble(number: int) -> int:
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & WORD
    number = (number ^ number >> 27) * 0x94D049BB133111EB & WORD
    return number ^ number >> 31


def checksum_slowly(tokens: Sequence[int], lengths: Sequence[int]) -> int:
    """NH over pairs of keyed tokens, then the lengths, one by one."""
    keys = [scramble(n * GOLDEN & WORD) >> 32 for n in range(1, len(tokens) + 2)]
    keyed = [(token + key) % 2**32 for token, key in zip(tokens, keys, strict=False)]
    if len(keyed) % 2:
        keyed.append(keys[len(tokens)])
    total = sum(one * other for one, other in zip(keyed[::2], keyed[1::2], strict=True)) & WORD
    for length in lengths:
        total = scramble((total + length + GOLDEN) & WORD)
    return total


def undo_infilling(tokens: list[int], begin: int, hole: int, end: int) -> list[int]:
    """The tokens of a document in the order of its text; PSM and SPM are undone alike."""
    if begin not in tokens:
        return tokens
    first, second = tokens.index(hole), tokens.index(end)
    return tokens[1:first] + tokens[second + 1 :] + tokens[first + 1 : second]


def split_slowly(tokens: Sequence[int], key: int, rate: float, halves: dict[int, list[int]]) -> list[int]:
    """Each token that has halves is replaced by them where chance will have it."""
    made: list[int] = []
    for place, token in enumerate(tokens):
        chance = scramble((key + (place + 1) * GOLDEN) & WORD)
        made += halves[token] if token in halves and chance <= int(rate * 2**64) else [token]
    return made
