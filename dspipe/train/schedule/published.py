"""A named schedule, a budget of tokens and the peak of a quantity → that quantity's table.

Each is written down as its source has it, over the tokens of that run and as shares of the peak, and is laid
over the budget in exact fractions of decimal numbers: over the budget and the peaks of the source, it is the
source's to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dspipe.train.schedule.tables import Point, Table

Quantity = Literal["learning_rate", "batch_size", "bias_speed", "mtp_weight"]
Shares = Sequence[tuple[int, Fraction, str | None]]

BILLION = 10**9
WHOLE, TENTH, NOTHING = Fraction(1), Fraction(1, 10), Fraction(0)


@dataclass(frozen=True)
class Published:
    """A run of so many tokens whose batches grow up to `batch_size` rows of `length`.

    `warmup_steps` of its steps have a learning rate that grows from nothing. shares: entries of tokens, share
    of the peak, shape; a quantity that is not there stays as it is.
    """

    tokens: int
    batch_size: int
    length: int
    warmup_steps: int
    shares: Mapping[Quantity, Shares]


SCHEDULES = {
    # DeepSeek-V3 report, 4.2. "Gradually", as it says of the batch, is read as linearly in tokens.
    "deepseek-v3": Published(
        14_800 * BILLION,
        15360,
        4096,
        2000,
        {
            "learning_rate": (
                (0, WHOLE, None),
                (10_000 * BILLION, WHOLE, "cosine"),
                (14_300 * BILLION, Fraction("2.2e-5") / Fraction("2.2e-4"), None),
                (14_633 * BILLION, Fraction("7.3e-6") / Fraction("2.2e-4"), None),
            ),
            "batch_size": ((0, Fraction(3072, 15360), "linear"), (469 * BILLION, WHOLE, None)),
            "bias_speed": ((0, WHOLE, None), (14_300 * BILLION, NOTHING, None)),
            "mtp_weight": ((0, WHOLE, None), (10_000 * BILLION, Fraction(1, 3), None)),
        },
    ),
    # DeepSeek-V2 report, 3.1.2
    "deepseek-v2": Published(
        8_100 * BILLION,
        9216,
        4096,
        2000,
        {
            "learning_rate": (
                (0, WHOLE, None),
                (4_860 * BILLION, Fraction("0.316"), None),
                (7_290 * BILLION, Fraction("0.316") ** 2, None),
            ),
            "batch_size": ((0, Fraction(2304, 9216), "linear"), (225 * BILLION, WHOLE, None)),
        },
    ),
    # Warm-up, stable, decay: MiniCPM (arXiv 2404.06395, 4), which finds a tenth of the tokens enough to decay
    # in. Linearly, as arXiv 2405.18392 has it; to a tenth of the peak and 1 % of warm-up are ours.
    "wsd": Published(
        100,
        1,
        1,
        1,
        {"learning_rate": ((0, WHOLE, None), (90, WHOLE, "linear"), (100, TENTH, None))},
    ),
    # Half a cosine to a tenth of the peak (arXiv 2203.15556, appendix B); 1 % of warm-up is ours.
    "cosine": Published(
        100, 1, 1, 1, {"learning_rate": ((0, WHOLE, "cosine"), (100, TENTH, None))}
    ),
}  # fmt: skip


def lay_out(name: str, quantity: Quantity, peak: float, budget: int) -> Table[float]:
    """The table of a quantity over a budget of tokens; a constant where the schedule says nothing of it."""
    published = SCHEDULES[name]
    shares = published.shares.get(quantity, ((0, WHOLE, None),))
    return [
        Point(stretch(tokens, published, budget), float(scale(peak, share)), shape)
        for tokens, share, shape in shares
    ]


def lay_out_sizes(name: str, peak: int, budget: int) -> Table[int]:
    """The same of the batch size: whole rows, at least one."""
    published = SCHEDULES[name]
    shares = published.shares.get("batch_size", ((0, WHOLE, None),))
    return [
        Point(stretch(tokens, published, budget), max(1, int(scale(peak, share))), shape)
        for tokens, share, shape in shares
    ]


def stretch(tokens: int, published: Published, budget: int) -> int:
    return round(Fraction(tokens * budget, published.tokens))


def scale(peak: float, share: Fraction) -> Fraction:
    """Of the decimal number that a peak is written as, not of the binary one that it is kept as."""
    return Fraction(repr(peak)) * share
