"""Figures → plots in SVG: lines over an axis, or dots in rows."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 24, 100, 48  # of a plot of lines, and its margins
PALETTE = ("#0b6e99", "#5b8c2a", "#c2571a", "#7a4d9f", "#555555", "#b8860b")
BETWEEN_NAMES = 16
DOT, NAMES = 8, 210  # height that a dot takes, width of the names of rows

Points = Sequence[tuple[float, float]]


def draw_lines(
    title: str, across: str, curves: dict[str, Points], least: float, most: float, percent: bool = False
) -> str:
    """A line for each curve, with its name behind its end; what lies beyond `most` leaves the plot above."""
    last = max(point[0] for points in curves.values() for point in points)
    return "\n".join(
        [
            *begin(title, WIDTH, HEIGHT),
            f'<clipPath id="plot"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/></clipPath>',
            *draw_axes(last, least, most, percent),
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>',
            *draw_curves(curves, last, least, most),
            "</svg>\n",
        ]
    )


def begin(title: str, width: int, height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="13" fill="#333"><title>{html.escape(title)}</title>'
    )
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'


def draw_axes(last: float, least: float, most: float, percent: bool) -> Iterator[str]:
    for fourth in range(5):
        value = least + (most - least) * fourth / 4
        down, right = place_down(value, least, most), round(LEFT + (WIDTH - LEFT - RIGHT) * fourth / 4, 1)
        shown = f"{100 * value:.3g} %" if percent else f"{value:g}"
        yield f'<path d="M{LEFT} {down}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{down + 4}" text-anchor="end">{shown}</text>'
        under = f'x="{right}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
        yield f"<text {under}>{round(last * fourth / 4):,}</text>"


def place_down(value: float, least: float, most: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - least) / (most - least)), 1)


def draw_curves(curves: dict[str, Points], last: float, least: float, most: float) -> Iterator[str]:
    """Names do not lie upon each other."""
    colours = dict(zip(curves, PALETTE, strict=False))
    highest = float(HEIGHT)
    for name in sorted(curves, key=lambda name: curves[name][-1][1]):
        points = [
            (round(LEFT + (WIDTH - LEFT - RIGHT) * x / last, 1), place_down(min(y, 2 * most), least, most))
            for x, y in curves[name]
        ]
        path = " ".join(f"{x},{y}" for x, y in points)
        yield (
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="1.5" '
            'clip-path="url(#plot)"/>'
        )
        highest = min(max(points[-1][1], TOP) + 4, highest - BETWEEN_NAMES)
        yield f'<text x="{points[-1][0] + 8}" y="{highest}" fill="{colours[name]}">{html.escape(name)}</text>'


def draw_dots(title: str, across: str, rows: dict[str, dict[str, float]]) -> str:
    """A row for each name, a dot for each figure in it, on a logarithmic axis; colours are told below."""
    figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    values = [value for row in rows.values() for value in row.values() if value > 0]
    least, most = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    colours = dict(zip(figures, PALETTE, strict=False))
    height = DOT * (len(figures) + 2)
    bottom = TOP + height * len(rows)
    legend = bottom + 62

    def locate(value: float) -> float:
        return round(NAMES + (WIDTH - NAMES - 20) * (math.log10(value) - least) / (most - least), 1)

    lines = list(begin(title, WIDTH, legend + 18 * math.ceil(len(figures) / 2)))
    for power in range(least, most + 1):
        right = locate(10.0**power)
        lines.append(f'<path d="M{right} {TOP}V{bottom}" stroke="#ddd"/>')
        shown = f"{10.0 ** (power + 2):g} %"
        lines.append(f'<text x="{right}" y="{bottom + 18}" text-anchor="middle">{shown}</text>')
    lines.append(f'<text x="{(NAMES + WIDTH) / 2}" y="{bottom + 38}" text-anchor="middle">{across}</text>')
    for number, (name, row) in enumerate(rows.items()):
        up = TOP + height * number
        lines.append(f'<path d="M{NAMES} {up}H{WIDTH - 20}" stroke="#eee"/>')
        middle = up + height / 2 + 4
        lines.append(f'<text x="{NAMES - 10}" y="{middle}" text-anchor="end">{html.escape(name)}</text>')
        lines += [
            f'<circle cx="{locate(row[figure])}" cy="{up + DOT * (place + 1.5)}" r="4" '
            f'fill="{colours[figure]}"/>'
            for place, figure in enumerate(figures)
            if row.get(figure, 0) > 0
        ]
    for number, figure in enumerate(figures):
        left, down = 20 + 310 * (number % 2), legend + 18 * (number // 2)
        lines.append(f'<circle cx="{left}" cy="{down - 4}" r="4" fill="{colours[figure]}"/>')
        lines.append(f'<text x="{left + 10}" y="{down}">{html.escape(figure)}</text>')
    return "\n".join([*lines, "</svg>\n"])
