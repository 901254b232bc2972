"""Shares asked and supplies → how much each cell is to give, or which cell is short and by how much.

Amounts are bytes of text or tokens: the solver does not know which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dspipe.mix.cells import Cap, Cell
from dspipe.recipe import NON_NATURAL, Mix

SMALLEST_REST = 1e-6  # shares that sum to so much less than 1 leave nothing for others


@dataclass(frozen=True)
class Supply:
    """What there is of a cell, and how often it may be drawn."""

    available: int = 0
    once: int = (
        0  # of the documents that may be drawn at all: less than what is available where a cap is below 1
    )
    giving: int = 0  # of all draws that there may be
    limits: tuple[Cap, ...] = ()


@dataclass(frozen=True)
class Grant:
    """What one cell is to give."""

    cell: Cell
    share: float
    asked: int
    supply: Supply

    @property
    def short(self) -> bool:
        return self.asked > self.supply.giving or not self.supply.giving


def solve(settings: Mix, supplies: Mapping[Cell, Supply]) -> list[Grant]:
    """What each cell with a share is to give, in the order of the cells' names; some may be short of it."""
    shares = find_shares(settings, supplies)
    total = settings.bytes or settings.tokens or largest_total(shares, supplies)
    return [
        Grant(cell, share, round(share * total), supplies.get(cell, Supply()))
        for cell, share in sorted(shares.items())
    ]


def find_shares(settings: Mix, supplies: Mapping[Cell, Supply]) -> dict[Cell, float]:
    """The share of each cell in the whole mixture; they sum to 1."""
    by_domain: dict[str, float] = {}
    for (domain, _), supply in supplies.items():
        by_domain[domain] = by_domain.get(domain, 0.0) + supply.once
    shares: dict[Cell, float] = {}
    for domain, share in proportions(settings.domains or by_domain).items():
        for language, part in find_parts(settings, domain, supplies).items():
            shares[domain, language] = share * part
    return {cell: share for cell, share in shares.items() if share > 0}


def find_parts(settings: Mix, domain: str, supplies: Mapping[Cell, Supply]) -> dict[str, float]:
    """The share of each language within a domain; a domain without documents is short as a whole."""
    if domain in NON_NATURAL:
        return {"": 1.0}
    once = {cell[1]: float(supply.once) for cell, supply in supplies.items() if cell[0] == domain}
    return find_languages(settings, once) or {"": 1.0}


def find_languages(settings: Mix, available: Mapping[str, float]) -> dict[str, float]:
    """The share of each language within one natural-language domain."""
    left = 1.0 - math.fsum(settings.languages.values())
    if settings.temperature is None or left <= SMALLEST_REST:
        return proportions(settings.languages or available)
    others = {
        language: amount for language, amount in available.items() if language not in settings.languages
    }
    if not any(others.values()):
        return {**settings.languages, "others": left}  # nothing is there to take it: the cell will be short
    # p ∝ available^(1/T): T = 1 is proportional, a large T makes languages equal (mT5, Xue et al. 2021)
    most = max(*others.values(), 1.0)
    flattened = {
        language: (amount / most) ** (1 / settings.temperature) for language, amount in others.items()
    }
    rest = {language: left * part for language, part in proportions(flattened).items()}
    return {**settings.languages, **rest}


def proportions(amounts: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(amounts.values())
    return {name: amount / total for name, amount in amounts.items()} if total else {}


def largest_total(shares: Mapping[Cell, float], supplies: Mapping[Cell, Supply]) -> float:
    """The largest mixture with these shares of the cells that can give anything."""
    giving = {cell: supplies[cell].giving for cell in shares if cell in supplies and supplies[cell].giving}
    return min((amount / shares[cell] for cell, amount in giving.items()), default=0.0)
