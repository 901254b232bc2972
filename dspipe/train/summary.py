"""A finished training → its counts and the facts of its manifest."""

from __future__ import annotations

import json
from pathlib import Path

from dspipe.model.parameters import count_parameters
from dspipe.recipe import Train
from dspipe.shards import Counts


def count_rows(rows: int, settings: Train) -> Counts:
    """Rows of tokens: those met again count as added, those never met as dropped."""
    met = settings.steps * settings.batch_size
    return Counts(rows, met, max(0, met - rows), {"not-reached": rows - met} if met < rows else {})


def describe_training(settings: Train, vocabulary: int, length: int, metrics: Path) -> dict[str, object]:
    lines = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    first, last = lines[0], lines[-1]
    parameters = count_parameters(settings.model, vocabulary)
    return {
        "steps": settings.steps, "tokens": last["tokens"], "sequence_length": length,
        "vocabulary": vocabulary,
        "parameters": parameters.total, "active": parameters.active,
        "first_loss": first["loss"], "last_loss": last["loss"],
        "line": [f"{parameters.total:,} parameters", f"{last['tokens']:,} tokens",
                 f"loss {first['loss']:.2f} → {last['loss']:.2f}"],
    }  # fmt: skip
