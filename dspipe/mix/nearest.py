"""Grants of which some are short → the settings of a mix of the same size whose shares are as near as can be.

A short cell gives what it can and the others more, in proportion, as water fills vessels. A recipe says
shares of domains, and shares of languages for all domains alike; so where several domains have languages, of
which some are short, a domain is filled as a whole, and the shares of languages stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from dspipe.mix.cells import Cell
from dspipe.mix.solver import Grant, Supply, find_shares, largest_total, solve
from dspipe.recipe import NON_NATURAL, Mix

Name = TypeVar("Name", str, Cell)
Amounts = dict[Cell, float]

STEPS = 10**6  # into which shares are rounded


def find_nearest(settings: Mix, supplies: Mapping[Cell, Supply], grants: Sequence[Grant]) -> Mix | None:
    """The settings to ask for instead; None where there are none."""
    shares = {grant.cell: grant.share for grant in grants}
    limits = {grant.cell: float(grant.supply.giving) for grant in grants}
    total = settings.bytes or settings.tokens or largest_total(shares, supplies)
    filled = fill(shares, limits, total)
    natural = {cell[0] for cell, amount in filled.items() if amount and cell[0] not in NON_NATURAL}
    full = any(cell[0] in natural and amount >= limits[cell] for cell, amount in filled.items())
    if full and len(natural) > 1:
        filled, limits = fill_domains(shares, limits, total)
    if not any(filled.values()):
        return None
    room = {cell: limits[cell] - amount for cell, amount in filled.items()}
    nearest = replace(settings, domains=round_shares(sum_by_domain(filled), sum_by_domain(room)))
    if full and len(natural) == 1:
        languages = (
            {cell[1]: amounts[cell] for cell in filled if cell[0] in natural} for amounts in (filled, room)
        )
        nearest = replace(nearest, languages=round_shares(*languages))
    return fit(nearest, supplies, total)


def fill(shares: Mapping[Name, float], limits: Mapping[Name, float], total: float) -> dict[Name, float]:
    """Divide a total in proportion to shares, none beyond its limit; all limits where it is too large."""
    filled: dict[Name, float] = {}
    while left := {name: share for name, share in shares.items() if name not in filled}:
        each = (total - math.fsum(filled.values())) / math.fsum(left.values())
        full = {name: limits[name] for name, share in left.items() if share * each >= limits[name]}
        filled |= full or {name: share * each for name, share in left.items()}
    return filled


def fill_domains(shares: Amounts, limits: Amounts, total: float) -> tuple[Amounts, Amounts]:
    """What the cells are filled with, and could be, when each has its part of its domain as asked for."""
    domains = sum_by_domain(shares)
    scarcest = {
        domain: min(limits[cell] / share for cell, share in shares.items() if cell[0] == domain)
        for domain in domains
    }
    most = {domain: scarcest[domain] * share for domain, share in domains.items()}
    filled = fill(domains, most, total)
    parts = {cell: share / domains[cell[0]] for cell, share in shares.items()}
    return (
        {cell: part * filled[cell[0]] for cell, part in parts.items()},
        {cell: part * most[cell[0]] for cell, part in parts.items()},
    )


def sum_by_domain(amounts: Amounts) -> dict[str, float]:
    sums: dict[str, float] = {}
    for (domain, _), amount in amounts.items():
        sums[domain] = sums.get(domain, 0.0) + amount
    return sums


def round_shares(amounts: dict[str, float], room: Mapping[str, float]) -> dict[str, float]:
    """Shares of six digits that sum to 1: rounded down, but for the one that has most room to grow."""
    total = math.fsum(amounts.values())
    steps = {name: math.floor(STEPS * amount / total) for name, amount in sorted(amounts.items())}
    roomiest = max(steps, key=lambda name: (room[name], amounts[name]))
    steps[roomiest] += STEPS - sum(steps.values())
    return {name: count / STEPS for name, count in steps.items() if count}


def fit(settings: Mix, supplies: Mapping[Cell, Supply], total: float) -> Mix | None:
    """The settings with the size that their shares allow: rounding or scarcity may have made it smaller."""
    most = math.floor(min(total, largest_total(find_shares(settings, supplies), supplies)))
    if settings.bytes or settings.tokens:
        settings = replace(settings, **{"bytes" if settings.bytes else "tokens": max(most, 1)})
    return None if any(grant.short for grant in solve(settings, supplies)) else settings
