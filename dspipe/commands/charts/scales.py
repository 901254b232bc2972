"""Numbers → places on an axis, in thousandths, and the ticks that stand there with their labels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

SIDE = 1000  # units of an axis
LEAST = 1e-300  # what is smaller is no length
WIDEST = 1e12  # of a logarithmic axis, its end as times its beginning
TICKS = 5  # about so many on a linear axis
UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Tick:
    """place: from the axis's low end, in thousandths of its length."""

    place: int
    label: str


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high`; a logarithmic one has both above zero."""

    low: float
    high: float
    log: bool
    ticks: list[Tick]

    def place(self, value: float) -> int:
        """Thousandths from the low end; what lies outside stands at the end.

        >>> make_scale([0.0, 10.0]).place(2.5)
        250
        """
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return min(SIDE, max(0, round(SIDE * (value - low) / (high - low))))


def make_scale(
    values: Iterable[float], *, log: bool = False, zero: bool = False, tight: bool = False
) -> Scale:
    """The axis that holds all values, which are finite, and ends at ticks; with `zero` it begins at 0.

    A `tight` one ends with the values. A logarithmic axis holds those above zero
    alone, and of these not what is beyond all measure smaller than the largest.
    """
    held = [value for value in values if not log or value > 0] or [1.0 if log else 0.0]
    low, high = min(held), max(held)
    if log:
        return make_log_scale(low, high)
    return make_linear_scale(min(0.0, low) if zero else low, high, tight)


def make_linear_scale(low: float, high: float, tight: bool = False) -> Scale:
    if high - low < max(1e-9 * max(abs(low), abs(high)), LEAST):  # one value: a little room on both sides
        room = abs(high) / 10 if abs(high) > LEAST else 1.0
        low, high = low - room, high + room
    step = round_step((high - low) / TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    scale = Scale(low if tight else first * step, high if tight else last * step, False, [])
    slack = step / 1e6
    places = [number * step for number in range(first, last + 1)]
    inside = [value for value in places if scale.low - slack <= value <= scale.high + slack]
    return replace(scale, ticks=[Tick(scale.place(value), show_tick(value, step)) for value in inside])


def make_log_scale(low: float, high: float) -> Scale:
    """Ends at 1, 2 or 5 times a power of ten; of a wide range powers of ten alone are ticks."""
    high = max(high, LEAST)
    low = max(low, high / WIDEST, LEAST)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) + 1e-12)
    candidates = [times * 10.0**power for power in range(first, last + 1) for times in (1, 2, 5)]
    below = [value for value in candidates if value <= low * (1 + 1e-9)] or candidates[:1]
    above = [value for value in candidates if value >= high * (1 - 1e-9)] or candidates[-1:]
    bottom, top = below[-1], above[0]
    if top <= bottom:
        bottom, top = bottom / 2, top * 2
    inside = [value for value in candidates if bottom <= value <= top]
    if len(inside) > 2 * TICKS:
        inside = [value for value in inside if abs(math.log10(value) - round(math.log10(value))) < 1e-6]
        inside = inside[:: -(-len(inside) // TICKS)]
    scale = Scale(bottom, top, True, [])
    return replace(scale, ticks=[Tick(scale.place(v), show_number(v, 3)) for v in inside])


def round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten.

    >>> round_step(0.03), round_step(30), round_step(100)
    (0.05, 50.0, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(step))
    times = next(times for times in (1, 2, 5, 10) if times * power >= step * (1 - 1e-9))
    return float(f"{times * power:.6g}")


def show_tick(value: float, step: float) -> str:
    """As many digits as tell one tick from the next.

    >>> show_tick(0.30000000000000004, 0.1), show_tick(1_500_000, 500_000), show_tick(2e-4, 1e-4)
    ('0.3', '1.5M', '2e-4')
    """
    if value == 0 or abs(value) < step / 1e6:
        return "0"
    largest = max(abs(value), step)
    if largest >= 1000:
        size, unit = next(entry for entry in UNITS if largest >= entry[0])
        return f"{value / size:.{count_decimals(step / size)}f}{unit}"
    if largest < 1e-2:
        return show_number(value, 3)
    return f"{value:.{count_decimals(step)}f}"


def count_decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9))


def show_number(value: float | None, digits: int = 4) -> str:
    """A number to so many digits, short: 1.234M, 0.0123, 3e-4; `–` for none.

    >>> show_number(1234567), show_number(0.000300, 3), show_number(5.38281), show_number(12.0)
    ('1.235M', '3e-4', '5.383', '12')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        size, unit = next(entry for entry in UNITS if abs(value) >= entry[0])
        return f"{float(f'{value / size:.{digits}g}'):g}{unit}" if abs(value) < 1e15 else f"{value:.2e}"
    if abs(value) < 1e-2:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{float(mantissa):g}e{int(power)}"
    return f"{float(f'{value:.{digits}g}'):g}"
