"""The rows of a comparison → tables on a terminal, the best of a row with a star behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from dspipe.commands.charts.scales import show_number
from dspipe.commands.terminal import plain

Row = dict[str, Any]

KEY, WIDEST, NARROWEST = 40, 30, 12  # characters of a row's name, and of a column at most and at least
BEST = "*"


def print_comparison(content: Row) -> None:
    names = [row["name"] for row in content["runs"]]
    for row in content["runs"]:
        click.echo(f"{plain(row['name']):<24} {plain(row['folder'], 1000)}")
    if content["common"]:
        click.echo(f"the same in all: {', '.join(content['common'])}")
    print_table("settings that differ", names, content["settings"], lambda row: row["key"], plain)
    print_table("counts", names, content["counts"], lambda row: f"{row['stage']} {row['count']}", show_count)
    print_table(f"figures ({BEST} best)", names, content["figures"], name_figure, show_figure)
    for note in content["notes"]:
        click.echo(f"\n{plain(note, 1000)}" if note is content["notes"][0] else plain(note, 1000))


def name_figure(row: Row) -> str:
    return f"{row['figure']} {row['mark']}".rstrip()


def show_count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def show_figure(value: float | None) -> str:
    return show_number(value, 5)


def print_table(
    title: str,
    names: Sequence[str],
    rows: Sequence[Row],
    name: Callable[[Row], str],
    show: Callable[..., str],
) -> None:
    """Columns as wide as what is in them; nothing where there is no row."""
    if not rows:
        return
    cells = [[show(value) for value in row["values"]] for row in rows]
    for row, line in zip(rows, cells, strict=True):
        for place in row.get("best", ()):
            line[place] += BEST
    heads = [plain(head) for head in names]
    widths = [
        min(WIDEST, max(NARROWEST, len(head), *(len(line[place]) for line in cells)))
        for place, head in enumerate(heads)
    ]
    first = min(KEY, max(len(title), *(len(plain(name(row))) for row in rows)))
    click.echo(f"\n{title:<{first}}" + write_cells(heads, widths))
    for row, line in zip(rows, cells, strict=True):
        click.echo(f"{cut(plain(name(row)), first):<{first}}" + write_cells(line, widths))


def write_cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"  {cut(cell, width):>{width}}" for cell, width in zip(cells, widths, strict=True))


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
