"""mixture = every document of `distinct` as often as the shares say, in seeded order.

Memory holds a few numbers for each document; the text is shuffled through files on disk.
"""

from __future__ import annotations

import numpy as np

from dspipe.mix.draws import Draws, draw_documents
from dspipe.mix.shuffle import Gather, Spread, gather_part, spread_part
from dspipe.mix.solver import Grant, solve
from dspipe.mix.survey import Look, Survey, join_surveys, sum_available, survey_part
from dspipe.mix.tokens import find_tokenizer
from dspipe.recipe import DspipeError, Mix, RecipeError
from dspipe.shards import Artifact, Output, write_array
from dspipe.workers import Workers


def run(settings: Mix, distinct: Artifact, mixture: Output, workers: Workers) -> None:
    """Survey the documents, solve the shares, draw, shuffle."""
    scratch, tokenizer = workers.scratch, find_tokenizer(settings)
    looks = [
        Look(file, tokenizer, scratch / f"survey-{number:05d}.npz")
        for number, file in enumerate(distinct.files)
    ]
    survey = join_surveys(workers.map(survey_part, looks), scratch)
    if not survey.cells:
        raise DspipeError(
            "mix: no document is left to mix; see with `dspipe inspect` what filter and dedup dropped"
        )
    grants = solve(settings, sum_available(survey))
    draws, counts = draw_documents(settings, survey, grants)
    if not draws.parts:
        raise RecipeError("mix: no document is small enough for its share; ask for more bytes or tokens")
    write_array(scratch / "draws.npy", np.stack([draws.document, draws.epoch, draws.part]))
    spill, starts = scratch / "spill", survey.starts
    workers.map(
        spread_part,
        [
            Spread(
                file,
                number,
                starts[number],
                starts[number + 1] - starts[number],
                scratch / "draws.npy",
                spill,
            )
            for number, file in enumerate(distinct.files)
        ],
    )
    inputs = len(distinct.files)
    pieces = workers.map(
        gather_part, [Gather(number, inputs, spill, mixture.folder) for number in range(draws.parts)]
    )
    parts = [part for piece in pieces for part in piece.parts["mixture"]]
    if sum(part.rows for part in parts) != counts.out:
        raise DspipeError(
            "mix: rows were lost in the shuffle; remove its progress with dspipe clean and run again"
        )
    mixture.close(parts, counts, facts=describe_mixture(settings, survey, grants, draws))


def describe_mixture(settings: Mix, survey: Survey, grants: list[Grant], draws: Draws) -> dict[str, object]:
    """Shares asked and got, epochs of each cell, and the scarcest cells on the stage's line."""
    amounts = np.zeros(len(survey.cells), np.int64)
    np.add.at(amounts, survey.cell[draws.document], survey.amounts[draws.document])
    got = dict(zip(survey.cells, amounts.tolist(), strict=True))
    total = max(1, int(amounts.sum()))
    unit = "tokens" if settings.tokens else "bytes"
    cells = {
        "/".join(filter(None, grant.cell)): {
            "asked": round(grant.share, 6), "got": round(got.get(grant.cell, 0) / total, 6),
            unit: got.get(grant.cell, 0), "epochs": round(grant.epochs, 4),
        }
        for grant in grants
    }  # fmt: skip
    largest = sorted(cells.items(), key=lambda item: -float(item[1]["got"]))[:4]
    line = ", ".join(f"{name} {100 * float(facts['got']):.1f} %" for name, facts in largest)
    return {"cells": cells, "line": [f"{total:,} {unit}: {line}"]}
