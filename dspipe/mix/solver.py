"""Shares asked and amounts available → how much of each cell to take, or which cell is short and by how much.

A cell is a (domain, language); domains that are not natural language have one cell each. Amounts are bytes of
text or tokens: the solver does not know which.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dspipe.recipe import NON_NATURAL, Mix, RecipeError

Cell = tuple[str, str]  # domain, language; language is "" where the domain is not natural language


@dataclass(frozen=True)
class Grant:
    """What one cell gives: `asked` of `available`, so that each document is met asked/available times."""

    cell: Cell
    share: float
    available: int
    asked: float

    @property
    def epochs(self) -> float:
        return self.asked / self.available if self.available else 0.0


def cell_of(domain: str, language: str) -> Cell:
    return (domain, "") if domain in NON_NATURAL else (domain, language)


def solve(settings: Mix, available: dict[Cell, int]) -> list[Grant]:
    """Meet the shares, in the order of the cells' names.

    Raises:
        RecipeError: a cell cannot give its share within `max_epochs`; the message is a table with the nearest
        mix.
    """
    shares = find_shares(settings, available)
    total = (
        settings.bytes or settings.tokens or largest_total(shares, available, min(1.0, settings.max_epochs))
    )
    grants = [
        Grant(cell, share, available.get(cell, 0), share * total) for cell, share in sorted(shares.items())
    ]
    if any(is_short(grant, settings.max_epochs) for grant in grants):
        raise shortage(settings, shares, available, grants)
    return grants


def is_short(grant: Grant, max_epochs: float) -> bool:
    return not grant.available or grant.asked > max_epochs * grant.available + 0.5


def find_shares(settings: Mix, available: dict[Cell, int]) -> dict[Cell, float]:
    """The share of each cell in the whole mixture; they sum to 1."""
    by_domain: dict[str, int] = {}
    for (domain, _), amount in available.items():
        by_domain[domain] = by_domain.get(domain, 0) + amount
    domains = settings.domains or proportions(by_domain)
    shares: dict[Cell, float] = {}
    for domain, share in domains.items():
        if domain in NON_NATURAL:
            shares[domain, ""] = share
            continue
        languages = {language: amount for (d, language), amount in available.items() if d == domain}
        parts = find_languages(settings, languages) or {
            "": 1.0
        }  # a domain without documents is short as a whole
        for language, part in parts.items():
            shares[domain, language] = share * part
    return {cell: share for cell, share in shares.items() if share > 0}


def find_languages(settings: Mix, available: dict[str, int]) -> dict[str, float]:
    """The share of each language within one natural-language domain."""
    if settings.temperature is None:
        return settings.languages or proportions(available)
    left = max(0.0, 1.0 - math.fsum(settings.languages.values()))
    others = {
        language: amount for language, amount in available.items() if language not in settings.languages
    }
    if left > 1e-6 and not others:
        return {**settings.languages, "others": left}  # nothing is there to take it: the cell will be short
    # p ∝ available^(1/T): T = 1 is proportional, a large T makes languages equal (mT5, Xue et al. 2021)
    most = max(others.values(), default=1)
    flattened = {
        language: (amount / most) ** (1 / settings.temperature) for language, amount in others.items()
    }
    return {
        **settings.languages,
        **{language: left * part for language, part in proportions(flattened).items()},
    }


def proportions(amounts: dict[str, int] | dict[str, float]) -> dict[str, float]:
    total = math.fsum(amounts.values())
    return {name: amount / total for name, amount in amounts.items()} if total else {}


def largest_total(shares: dict[Cell, float], available: dict[Cell, int], epochs: float) -> float:
    """The largest mixture that meets the shares with no document met more than `epochs` times."""
    return min((epochs * available.get(cell, 0) / share for cell, share in shares.items()), default=0.0)


def shortage(
    settings: Mix, shares: dict[Cell, float], available: dict[Cell, int], grants: list[Grant]
) -> RecipeError:
    """The refusal: what is short, a table, and the nearest mix that can be met."""
    unit = "tokens" if settings.tokens else "bytes"
    rows = [f"{'cell':<16} {'share':>7} {'asked':>15} {'available':>15} {'granted':>15}  limit"]
    for grant in grants:
        limit = settings.max_epochs * grant.available
        reason = "nothing there" if not grant.available else f"max_epochs {settings.max_epochs:g}"
        reason = reason if is_short(grant, settings.max_epochs) else ""
        granted = f"{min(grant.asked, limit):>15,.0f}"
        row = f"{'/'.join(filter(None, grant.cell)):<16} {grant.share:>7.4f} {grant.asked:>15,.0f}"
        rows.append(f"{row} {grant.available:>15,} {granted}  {reason}".rstrip())
    nearest = math.floor(largest_total(shares, available, settings.max_epochs))
    mend = f"ask for mix.{unit} = {nearest}" if nearest else "leave out the cells with nothing there"
    table = "\n  ".join(rows)
    return RecipeError(
        f"mix: the shares cannot be met; {mend}, raise mix.max_epochs, or lower the shares of what is short"
        f"\n  {table}"
    )
