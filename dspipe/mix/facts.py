"""What was asked for and what was drawn → counts, and the facts that manifest and stage line show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dspipe.mix.cells import name_cell
from dspipe.mix.draws import AMOUNT, DRAWN, DRAWS, Floats, Integers
from dspipe.mix.solver import Grant
from dspipe.mix.survey import Survey
from dspipe.recipe import Mix
from dspipe.shards import Counts

MOST_SHARES, MOST_SCARCE = 4, 3  # cells named on the line


def count_documents(survey: Survey, budgets: Integers, sums: Floats) -> Counts:
    """Where every document went; sums: (groups, SUMS), what each group gives."""
    documents = np.array([stock.documents for stock in survey.stocks])
    unasked = int(documents[budgets[survey.cell] < 0].sum())
    drawn, rows = int(sums[:, DRAWN].sum()), int(sums[:, DRAWS].sum())
    whole = int(documents.sum())
    dropped = {"not-in-mix": unasked, "over-budget": whole - unasked - drawn}
    return Counts(whole, rows, rows - drawn, {reason: number for reason, number in dropped.items() if number})


def describe_mixture(settings: Mix, survey: Survey, grants: Sequence[Grant], sums: Floats) -> dict[str, Any]:
    """Shares asked and got and epochs of each cell, and on the line the largest cells and the scarcest."""
    unit = "tokens" if settings.tokens else "bytes"
    amounts = dict(zip(survey.cells, survey.sum_by_cell(sums[:, AMOUNT]).astype(int).tolist(), strict=True))
    total = max(1, sum(amounts.values()))
    cells = {
        name_cell(grant.cell): {
            "asked": round(grant.share, 6),
            "got": round(amounts[grant.cell] / total, 6),
            "budget": grant.asked,
            unit: amounts[grant.cell],
            "available": grant.supply.available,
            "epochs": round(amounts[grant.cell] / max(1, grant.supply.available), 4),
            "most_epochs": round(grant.supply.giving / max(1, grant.supply.available), 4),
        }
        for grant in grants
    }
    line = [f"{total:,} {unit}: {show_shares(cells)}"]
    if settings != Mix(seed=settings.seed, max_epochs=settings.max_epochs):
        used = {name_cell(grant.cell): amounts[grant.cell] / grant.supply.giving for grant in grants}
        line.append(f"scarcest {show_scarcest(cells, used)}")
    facts = {"cells": cells, "line": line}
    if settings.quality_power:
        unrated, unfit = (
            sum(counts) for counts in zip(*((s.unrated, s.unfit) for s in survey.stocks), strict=True)
        )
        facts["quality"] = {"unrated": unrated, "not_above_zero": unfit}
        line += [f"{unrated:,} without a quality"] if unrated else []
    return facts


def show_shares(cells: dict[str, dict[str, Any]]) -> str:
    largest = sorted(cells.items(), key=lambda item: -item[1]["got"])[:MOST_SHARES]
    shown = (f"{name} {100 * cell['got']:.1f} % (asked {100 * cell['asked']:.1f})" for name, cell in largest)
    return ", ".join(shown)


def show_scarcest(cells: dict[str, dict[str, Any]], used: dict[str, float]) -> str:
    """Epochs got and possible of the cells that come nearest to giving all that they can."""
    scarcest = sorted(used, key=lambda name: -used[name])[:MOST_SCARCE]
    shown = (f"{name} {cells[name]['epochs']:.2f} of {cells[name]['most_epochs']:.2f}" for name in scarcest)
    return ", ".join(shown) + " epochs"
