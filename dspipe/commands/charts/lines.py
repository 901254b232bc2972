"""Curves → a chart with axes, ticks, a legend and a summary in words; long curves are thinned before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dspipe.commands.charts.scales import SIDE, Scale, Tick, make_scale, show_number

MOST_POINTS = 600  # of a curve in a page
MOST_DOTS = 60  # of a curve whose points are marked
MOST_MARKS = 200
ROOM = 0.5
STYLES = 8  # colours, and dashes with them, that tell curves apart


@dataclass(frozen=True)
class Curve:
    """x and y are as long; a y that is None or not finite is a gap.

    faint: it lies behind the others, thin, and is in no legend. dots: its points are few, and are marked.
    style: which colour and dash; by its place among the curves if None.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    faint: bool = False
    dots: bool = False
    style: int | None = None


@dataclass(frozen=True)
class Line:
    """A curve as it is drawn: a path in thousandths, from the top left; dots in per cent."""

    name: str
    path: str
    dots: list[tuple[float, float]]
    style: int
    faint: bool
    last: str
    summary: str


@dataclass(frozen=True)
class Chart:
    title: str
    unit: str
    x_name: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    marks: list[int] = field(default_factory=list)  # places along x
    marks_name: str = ""
    wide: bool = False
    beyond: str = ""  # what of faint curves lies beyond the axis

    @property
    def summary(self) -> str:
        """What a reader who cannot see it is told."""
        told = "; ".join(line.summary for line in self.lines if line.summary)
        return f"{self.title} by {self.x_name}: {told}"


def draw_lines(
    title: str,
    curves: Iterable[Curve],
    *,
    unit: str = "",
    x_name: str = "tokens",
    log: bool = False,
    zero: bool = False,
    from_zero: bool = True,
    marks: Sequence[float] = (),
    marks_name: str = "",
    wide: bool = False,
) -> Chart | None:
    """A chart of the curves that have a point; None where there is no such.

    marks: values of x at which something happened. zero: the y axis begins at 0; from_zero: the x axis.
    """
    drawn = [curve for curve in map(trim_curve, enumerate_styles(curves)) if curve.y]
    known = list_values(drawn, log)
    if not known:
        return None
    held = known if log else limit(known, list_values([curve for curve in drawn if not curve.faint], log))
    ends = [value for curve in drawn for value in (curve.x[0], curve.x[-1])]
    x_scale = make_scale(ends, zero=from_zero, tight=True)
    y_scale = make_scale(held, log=log, zero=zero)
    places = sorted({x_scale.place(value) for value in marks})
    return Chart(
        title,
        unit,
        x_name,
        x_scale.ticks,
        y_scale.ticks,
        [draw_line(curve, x_scale, y_scale) for curve in drawn],
        places[:: -(-len(places) // MOST_MARKS)] if places else [],
        marks_name,
        wide,
        "" if held == known else f"single steps from {show_number(min(known))} to {show_number(max(known))}",
    )


def list_values(curves: Iterable[Curve], log: bool) -> list[float]:
    return [value for curve in curves for value in curve.y if value is not None and (value > 0 or not log)]


def limit(values: list[float], clear: list[float]) -> list[float]:
    """Values for an axis: the faint ones at most half as far off the others as those reach."""
    if not clear:
        return values
    room = ROOM * (max(clear) - min(clear))
    low, high = min(clear) - room, max(clear) + room
    return [min(high, max(low, value)) for value in values] if room else values


def enumerate_styles(curves: Iterable[Curve]) -> Iterator[Curve]:
    for number, curve in enumerate(curves):
        yield replace(curve, style=(number if curve.style is None else curve.style) % STYLES)


def trim_curve(curve: Curve) -> Curve:
    """Without gaps at both ends, where those in between are None; a long one thinned."""
    y = [value if value is not None and math.isfinite(value) else None for value in curve.y]
    known = [place for place, value in enumerate(y) if value is not None]
    inside = slice(known[0], known[-1] + 1) if known else slice(0)
    x, kept = thin(curve.x[inside], y[inside])
    return replace(curve, x=x, y=kept)


def draw_line(curve: Curve, x_scale: Scale, y_scale: Scale) -> Line:
    points = [
        None if y is None or (y <= 0 and y_scale.log) else (x_scale.place(x), SIDE - y_scale.place(y))
        for x, y in zip(curve.x, curve.y, strict=True)
    ]
    known = [value for value in curve.y if value is not None]
    dotted = curve.dots and len(known) <= MOST_DOTS
    first, last, least, most = (show_number(v) for v in (known[0], known[-1], min(known), max(known)))
    summary = f"{curve.name} {first}" + (f" → {last} (least {least}, most {most})" if len(known) > 1 else "")
    return Line(
        curve.name,
        write_path(points),
        [(x / 10, y / 10) for x, y in filter(None, points)] if dotted or len(known) == 1 else [],
        curve.style or 0,
        curve.faint,
        last,
        "" if curve.faint else summary,
    )


def write_path(points: Iterable[tuple[int, int] | None]) -> str:
    """An SVG path through points; None is a gap.

    >>> write_path([(0, 1000), (500, 250), None, (600, 0), (600, 0), (700, 10)])
    'M0 1000L500 250M600 0L700 10'
    """
    path: list[str] = []
    before: tuple[int, int] | None = None
    for point in points:
        if point is not None and point != before:
            path.append(f"{'L' if before is not None else 'M'}{point[0]} {point[1]}")
        before = point
    return "".join(path)


def thin(
    x: Sequence[float], y: Sequence[float | None], most: int = MOST_POINTS
) -> tuple[list[float], list[float | None]]:
    """At most so many points of a curve: of each stretch of x its least and its most, so no extreme is lost.

    x: ascending. Gaps are left out of what is thinned.

    >>> thin([0, 1, 2, 3, 4, 5, 6, 7], [0, 9, 0, 0, 0, 0, -5, 0], 6)
    ([0, 1, 4, 6, 7], [0, 9, 0, -5, 0])
    """
    if len(x) <= most:
        return list(x), list(y)
    known = [(a, b) for a, b in zip(x, y, strict=True) if b is not None and math.isfinite(b)]
    if len(known) <= most:
        return [a for a, _ in known], [b for _, b in known]
    stretches = max(1, (most - 2) // 2)
    first, last = known[0][0], known[-1][0]
    width = (last - first) / stretches or 1.0
    kept, begin = {0, len(known) - 1}, 0
    for end in range(1, len(known) + 1):
        if end == len(known) or find_stretch(known[end][0], first, width, stretches) != find_stretch(
            known[begin][0], first, width, stretches
        ):
            values = [b for _, b in known[begin:end]]
            kept |= {begin + values.index(min(values)), begin + values.index(max(values))}
            begin = end
    places = sorted(kept)
    return [known[place][0] for place in places], [known[place][1] for place in places]


def find_stretch(x: float, first: float, width: float, stretches: int) -> int:
    return min(stretches - 1, int((x - first) / width))
