"""BPE as the rule is written: of all pairs the one whose merge is first, the leftmost of equals."""

from __future__ import annotations

from itertools import pairwise

Pair = tuple[bytes, bytes]


def merge_piece(piece: bytes, ranks: dict[Pair, int]) -> list[bytes]:
    """The tokens of a piece; `ranks` says which merge comes first."""
    tokens = [piece[place : place + 1] for place in range(len(piece))]
    while True:
        pairs = [(ranks[pair], place) for place, pair in enumerate(pairwise(tokens)) if pair in ranks]
        if not pairs:
            return tokens
        _, place = min(pairs)
        tokens[place : place + 2] = [tokens[place] + tokens[place + 1]]
