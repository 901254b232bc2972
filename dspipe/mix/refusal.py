"""Grants of which some are short → the refusal: a table of what is short, and the nearest mixes that are not.

Two mixes are near: the largest one with the shares that were asked for, and one of the size that was asked
for with other shares, which is printed as the recipe would say it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from dspipe.mix.cells import Cell, name_cell
from dspipe.mix.nearest import find_nearest
from dspipe.mix.solver import Grant, Supply, largest_total, solve
from dspipe.recipe import Mix, RecipeError

HEAD = ("cell", "share", "asked", "available", "can give", "granted", "its share", "limit")
MOST_ROWS = 40
MOST_LIMITS = 3  # that are named of one cell
BARE_KEY = re.compile("[A-Za-z0-9_-]+")


def refuse(settings: Mix, supplies: Mapping[Cell, Supply], grants: Sequence[Grant]) -> RecipeError:
    """The error that tells of grants that are short."""
    nearest = find_nearest(settings, supplies, grants)
    granted = {} if nearest is None else {grant.cell: grant for grant in solve(nearest, supplies)}
    mends = list(list_mends(settings, supplies, grants))
    lines = [f"mix: the shares cannot be met; {', '.join(mends)}, or lower the shares of what is short"]
    lines += draw_table(grants, granted)
    if nearest is not None:
        lines += ["to have what is granted, write in [mix]:", *write_settings(settings, nearest)]
    return RecipeError("\n  ".join(lines))


def list_mends(settings: Mix, supplies: Mapping[Cell, Supply], grants: Sequence[Grant]) -> Iterator[str]:
    unit = "tokens" if settings.tokens else "bytes"
    most = math.floor(largest_total({grant.cell: grant.share for grant in grants}, supplies))
    short = [grant for grant in grants if grant.short]
    if most and all(grant.supply.giving for grant in short):
        yield f"ask for mix.{unit} = {most}"
    if not all(grant.supply.available for grant in short):
        yield "leave out the cells with nothing there"
    if any(grant.supply.available for grant in short):
        yield "raise mix.max_epochs"


def draw_table(grants: Sequence[Grant], granted: Mapping[Cell, Grant]) -> list[str]:
    """A row for each cell, the short ones first, then the largest."""
    order = sorted(grants, key=lambda grant: (not grant.short, -grant.share, grant.cell))
    table = [HEAD, *(list_columns(grant, granted.get(grant.cell)) for grant in order[:MOST_ROWS])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = []
    for first, *numbers, last in table:
        middle = "  ".join(number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True))
        rows.append(f"{first.ljust(widths[0])}  {middle}  {last}".rstrip())
    left = len(order) - MOST_ROWS
    return [*rows, f"… and {left:,} more"] if left > 0 else rows


def list_columns(grant: Grant, given: Grant | None) -> tuple[str, ...]:
    amount, share = (given.asked, given.share) if given else (0, 0.0)
    amounts = (grant.asked, grant.supply.available, grant.supply.giving, amount)
    numbers = (f"{grant.share:.4f}", *(f"{number:,}" for number in amounts), f"{share:.4f}")
    return name_cell(grant.cell), *numbers, name_limit(grant)


def name_limit(grant: Grant) -> str:
    """What keeps a cell from giving more, where it is short."""
    if not grant.short:
        return ""
    if not grant.supply.available:
        return "nothing there"
    return ", ".join(f"{cap.key} {cap.epochs:g}" for cap in grant.supply.limits[:MOST_LIMITS])


def write_settings(before: Mix, after: Mix) -> list[str]:
    """The keys of `[mix]` that differ, as a recipe has them."""
    size = "tokens" if after.tokens else "bytes"
    lines = [f"{size} = {getattr(after, size)}"] if getattr(after, size) else []
    for key in ("domains", "languages"):
        shares: Mapping[str, float] = getattr(after, key)
        if shares != getattr(before, key):
            inside = ", ".join(f"{write_key(name)} = {share!r}" for name, share in shares.items())
            lines.append(f"{key} = {{ {inside} }}")
    return lines


def write_key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
