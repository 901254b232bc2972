"""Tables and mergers equal the rule written down in plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dspipe.bpe.encoding.merging import MEETINGS, SHORT, merge_piece
from dspipe.bpe.encoding.tables import EMPTY, Tables, build_tables
from dspipe.bpe.files import MergeList
from tests.reference.merges import Pair
from tests.reference.merges import merge_piece as merge_slowly


def invent_merges(draw: random.Random, letters: str, count: int) -> list[Pair]:
    """Any merges of what is there: most of the tokens are made in several ways, many never come about."""
    tokens = [letter.encode() for letter in letters]
    merges: dict[tuple[bytes, bytes], None] = {}
    for _ in range(count):
        left, right = draw.choice(tokens), draw.choice(tokens)
        if len(left + right) <= 12:
            merges[left, right] = None
            tokens.append(left + right)
    return list(merges)


def tabulate(merges: list[Pair]) -> tuple[Tables | None, list[bytes]]:
    tokens = list(
        dict.fromkeys([*(bytes([byte]) for byte in range(256)), *(left + right for left, right in merges)])
    )
    ids = {token: number for number, token in enumerate(tokens)}
    columns = zip(*((ids[left], ids[right], ids[left + right]) for left, right in merges), strict=True)
    listed = MergeList(*(np.array(column, np.int64) for column in columns), np.arange(256))
    offsets = np.cumsum([0, *map(len, tokens)])
    return build_tables(
        listed, np.frombuffer(b"".join(tokens), np.uint8), offsets, np.zeros(0, np.int64)
    ), tokens


def invent_tables(draw: random.Random, letters: str, count: int) -> tuple[list[Pair], Tables, list[bytes]]:
    """The first of some lists whose tokens are made in the order in which they are listed; most are such."""
    while True:
        merges = invent_merges(draw, letters, count)
        tables, tokens = tabulate(merges)
        if tables is not None:
            return merges, tables, tokens


@pytest.mark.parametrize("seed", range(60))
def test_pieces_of_every_length_merge_as_the_rule_says(seed: int) -> None:
    draw = random.Random(seed)
    merges, tables, tokens = invent_tables(draw, "ab" if seed % 2 else "abc", draw.randint(2, 80))
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    out, room, left = np.zeros(400, np.uint32), np.zeros(3 * SHORT, np.int32), np.zeros(9, np.uint64)
    met = np.full(MEETINGS, EMPTY, np.uint64)
    for size in [*range(1, 40), *range(40, 300, 13)]:
        piece = bytes(draw.choices(b"abc" if seed % 3 else b"aab", k=size))
        text = np.frombuffer(piece, np.uint8)
        written = merge_piece(text, 0, size, *tables, met, left, room, out, 0)
        assert [tokens[number] for number in out[:written]] == merge_slowly(piece, ranks)
        assert not left.any()


@pytest.mark.parametrize("seed", range(20))
def test_only_merges_that_can_happen_are_kept(seed: int) -> None:
    draw = random.Random(seed)
    merges, tables, tokens = invent_tables(draw, "abc", 40)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    kept = {tokens[number] for number in tables.ids}
    assert kept == {token for token in tokens if merge_slowly(token, ranks) == [token]}
    for first, second in tables.halves[512:].reshape(-1, 2).tolist():
        halves = (tokens[tables.ids[first]], tokens[tables.ids[second]])
        before = {pair: rank for pair, rank in ranks.items() if rank < ranks[halves]}
        assert tuple(merge_slowly(b"".join(halves), before)) == halves
