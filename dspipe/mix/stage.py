"""mixture = every document of `distinct` as often as the shares say, in seeded order.

Nothing is held for each document: numbers are read from disk as often as needed, text is shuffled through it.
"""

from __future__ import annotations

import numpy as np

from dspipe.mix.bounds import find_bounds
from dspipe.mix.draws import SIZE
from dspipe.mix.facts import count_documents, describe_mixture
from dspipe.mix.refusal import refuse
from dspipe.mix.shuffle import shuffle
from dspipe.mix.solver import solve
from dspipe.mix.survey import Survey, survey_documents
from dspipe.mix.tokens import find_tokenizer
from dspipe.recipe import DspipeError, Mix, RecipeError
from dspipe.shards import Artifact, Output
from dspipe.workers import Workers


def run(settings: Mix, distinct: Artifact, mixture: Output, workers: Workers) -> None:
    """Survey the documents, solve the shares, find how often each document is drawn, shuffle."""
    survey = survey_documents(settings, find_tokenizer(settings), distinct, workers)
    check_documents(settings, survey)
    supplies = survey.supply_cells()
    grants = solve(settings, supplies)
    if any(grant.short for grant in grants):
        raise refuse(settings, supplies, grants)
    asked = {grant.cell: grant.asked for grant in grants}
    budgets = np.array([asked.get(cell, -1) for cell in survey.cells], np.int64)
    bounds = find_bounds(survey, budgets)
    sums = survey.sum_draws(bounds)
    counts = count_documents(survey, budgets, sums)
    if not counts.out:
        mend = "ask for more bytes or tokens, or raise mix.max_epochs"
        raise RecipeError(f"mix: no document is small enough for its share; {mend}")
    size = float(sums[:, SIZE].sum())
    parts = shuffle(settings.seed or 0, size, survey, bounds, distinct, mixture.folder, workers)
    if sum(part.rows for part in parts) != counts.out:
        raise DspipeError(
            "mix: rows were lost in the shuffle; remove its progress with dspipe clean and run again"
        )
    mixture.close(parts, counts, facts=describe_mixture(settings, survey, grants, sums))


def check_documents(settings: Mix, survey: Survey) -> None:
    """Refuse what no shares can mend."""
    if not survey.cells:
        raise DspipeError(
            "mix: no document is left to mix; see with `dspipe inspect` what filter and dedup dropped"
        )
    if settings.quality_power and all(s.documents == s.unrated + s.unfit for s in survey.stocks):
        raise RecipeError(
            "mix.quality_power: no document has a quality above zero; name a column of the source as "
            "`columns.quality`, or a signal as filter.quality, or leave mix.quality_power out"
        )
