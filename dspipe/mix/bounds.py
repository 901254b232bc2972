"""Budgets of cells → the bounds of their draws, exact to one document, by bisection over keys.

Positive floats are in the order of their bit patterns, so a key is found among the patterns by halving; each
round reads the numbers of all documents once, for all cells together. When few draws are left between the
ends they are sorted, and the last one that the budget holds is the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dspipe.mix.draws import (
    AMOUNT,
    DRAWS,
    EVERYTHING,
    NOTHING,
    Bounds,
    Floats,
    Integers,
    count_all,
    find_keys,
    repeat_documents,
)
from dspipe.mix.survey import Survey
from dspipe.text.hashing import Numbers

FEW = 1 << 18  # draws that are sorted in memory
BEFORE_ALL = -1  # the pattern that stands for `NOTHING`
LAST = int(np.float64(EVERYTHING).view(np.int64))


@dataclass(frozen=True)
class Ends:
    """Between which keys the last draw of each cell lies; arrays are (cells,).

    Draws up to `low` are within the budget; those up to `high` are not, unless the two are equal.
    """

    low: Integers  # patterns
    high: Integers
    spent: Floats  # amount of the draws up to `low`


@dataclass(frozen=True)
class Between:
    """Draws between the ends, by cell, then key, then hash."""

    cell: Integers
    key: Floats
    hash: Numbers
    amount: Integers


def find_bounds(survey: Survey, budgets: Integers, few: int = FEW) -> Bounds:
    """The bounds of all groups within which each cell gives what its budget holds.

    Args:
        budgets: (cells,); −1 where a cell is to give nothing, not even a document of no bytes.
        few: how many draws may be held in memory; the bounds do not depend on it.
    """
    ends = narrow(survey, budgets, few)
    return choose_last(survey, budgets, ends, collect(survey, ends))


def narrow(survey: Survey, budgets: Integers, few: int) -> Ends:
    """Halve until few draws are between the ends, or nothing is left to halve."""
    whole = survey.sum_by_cell([stock.giving for stock in survey.stocks]) <= budgets
    low = np.where(whole, LAST, BEFORE_ALL)
    high = np.where(budgets >= 0, LAST, BEFORE_ALL)
    spent, below = np.zeros(len(budgets)), np.zeros(len(budgets))
    above = survey.sum_by_cell([stock.draws for stock in survey.stocks])
    while np.sum((above - below)[high - low > 1]) > few:
        middle = low + (high - low) // 2
        sums = survey.sum_draws(bound_groups(survey, middle))
        amounts, draws = survey.sum_by_cell(sums[:, AMOUNT]), survey.sum_by_cell(sums[:, DRAWS])
        fits, over = (amounts <= budgets) & (low < high), amounts > budgets
        low, high = np.where(fits, middle, low), np.where(over, middle, high)
        spent, below = np.where(fits, amounts, spent), np.where(fits, draws, below)
        above = np.where(over, draws, above)
    return Ends(low, high, spent)


def bound_groups(survey: Survey, patterns: Integers) -> Bounds:
    keys = np.where(patterns == BEFORE_ALL, NOTHING, patterns.view(np.float64))
    return survey.make_bounds(keys[survey.cell])


def collect(survey: Survey, ends: Ends) -> Between:
    """Read the draws between the ends, and sort them."""
    found: list[tuple[Integers, Floats, Numbers, Integers]] = []
    bounds = bound_groups(survey, ends.low), bound_groups(survey, ends.high)
    for documents, groups, own in survey.read_parts(*bounds):
        before, after = (count_all(documents, one) for one in own)
        drawn, draws = repeat_documents(after, before)
        chosen = documents[drawn]
        cells = survey.cell[groups[chosen["group"]]]
        found.append((cells, find_keys(chosen, draws, own[1]), chosen["hash"], chosen["amount"]))
    cell, key, hash_, amount = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((hash_, key, cell))
    return Between(cell[order], key[order], hash_[order], amount[order])


def choose_last(survey: Survey, budgets: Integers, ends: Ends, between: Between) -> Bounds:
    """The last draw that each budget holds is the bound; where it holds none of them, the lower end is."""
    first = np.searchsorted(between.cell, np.arange(len(budgets)))
    summed = np.concatenate([[0], np.cumsum(between.amount)])
    spent = (ends.spent - summed[first])[between.cell] + summed[1:]
    held = np.bincount(between.cell[spent <= budgets[between.cell]], minlength=len(budgets))
    bounds = bound_groups(survey, ends.low)
    for cell in np.flatnonzero(held).tolist():
        last, members = first[cell] + held[cell] - 1, survey.cell == cell
        bounds["key"][members], bounds["hash"][members] = between.key[last], between.hash[last]
    return bounds
