"""Counts of the road → a stream whose widths are the counts: what is dropped falls off, repeats flow in.

Drawn in thousandths of the picture's width and a hundred units for each stage, downwards. All widths are to
one scale; what is thinner than a line is drawn as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STEP = 100  # height of a stage
LEFT, RIGHT = 20, 440  # of the picture's 1000 that the stream may take
ASIDE = 0.1  # how far off what leaves or joins ends or begins, as a share of the whole
LEAVES, JOINS = 78, 22  # of the height: where it ends and begins


@dataclass(frozen=True)
class Account:
    """What a stage did: in + added = out + dropped."""

    name: str
    in_: int
    added: int
    out: int
    dropped: int


@dataclass(frozen=True)
class Band:
    """kind: kept, dropped or added."""

    kind: str
    path: str


@dataclass(frozen=True)
class Flow:
    height: int
    bands: list[Band]


def draw_flow(accounts: Sequence[Account]) -> Flow:
    """The stream of all stages, the first on top."""
    left = place_left(accounts)
    widest = max(account.in_ + account.added for account in accounts)
    aside = ASIDE * widest
    ends = [
        left[number] + account.in_ + (aside if account.dropped else 0)
        for number, account in enumerate(accounts)
    ]
    begins = [left[number + 1] - (aside if account.added else 0) for number, account in enumerate(accounts)]
    low, high = (
        min(begins),
        max([*ends, *(edge + account.out for edge, account in zip(left[1:], accounts, strict=True))]),
    )
    scale = (RIGHT - LEFT) / (high - low or 1)

    def place(value: float) -> float:
        return round(LEFT + (value - low) * scale, 1)

    bands: list[Band] = []
    for number, account in enumerate(accounts):
        top, edge = number * STEP, left[number]
        kept = account.in_ - account.dropped
        sides = place(edge), place(edge + kept)
        bands.append(Band("kept", draw_band(sides, top, sides, top + STEP)))
        if account.dropped:
            begin = place(edge + kept), place(edge + account.in_)
            end = place(edge + kept + aside), place(edge + account.in_ + aside)
            bands.append(Band("dropped", draw_band(begin, top, end, top + LEAVES)))
        if account.added:
            end = place(edge - account.added), place(edge)
            begin = place(edge - account.added - aside), place(edge - aside)
            bands.append(Band("added", draw_band(begin, top + JOINS, end, top + STEP)))
    return Flow(len(accounts) * STEP, bands)


def place_left(accounts: Sequence[Account]) -> list[int]:
    """The left edge of the stream above each stage and below the last, in counts: repeats widen it there."""
    left = [0]
    for account in accounts:
        left.append(left[-1] - account.added)
    return left


def draw_band(begin: tuple[float, float], top: int, end: tuple[float, float], bottom: int) -> str:
    """A band from two places at the top to two at the bottom.

    >>> draw_band((0, 10), 0, (20, 30), 80)
    'M0 0C0 40 20 40 20 80H30C30 40 10 40 10 0Z'
    """
    middle = (top + bottom) // 2
    (a, b), (c, d) = begin, end
    if begin == end:
        return f"M{a:g} {top}V{bottom}H{d:g}V{top}Z"
    return (
        f"M{a:g} {top}C{a:g} {middle} {c:g} {middle} {c:g} {bottom}"
        f"H{d:g}C{d:g} {middle} {b:g} {middle} {b:g} {top}Z"
    )
