"""A finished training → its counts and the facts of its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dspipe.model.parameters import count_parameters
from dspipe.recipe import Train
from dspipe.shards import Counts


def count_rows(rows: Mapping[int, int], met: Mapping[int, int]) -> Counts:
    """Rows of tokens, of each length: those met again count as added, those never met as dropped."""
    added = sum(max(0, met[length] - count) for length, count in rows.items())
    missed = sum(max(0, count - met[length]) for length, count in rows.items())
    return Counts(sum(rows.values()), sum(met.values()), added, {"not-reached": missed} if missed else {})


def describe_training(settings: Train, vocabulary: int, length: int, metrics: Path) -> dict[str, object]:
    """Facts of a manifest; length: of the longest rows that were trained on."""
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
