"""A finished training → its counts and the facts of its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dspipe.model.checkpoint.manifest import EXTENDED
from dspipe.model.costs import count_parameters
from dspipe.recipe import Train
from dspipe.shards import Counts
from dspipe.train.evaluating.evaluation import Evaluation
from dspipe.train.loop import Trained


def count_rows(rows: Mapping[int, int], met: Mapping[int, int]) -> Counts:
    """Rows of tokens, of each length: those met again count as added, those never met as dropped."""
    added = sum(max(0, met[length] - count) for length, count in rows.items())
    missed = sum(max(0, count - met[length]) for length, count in rows.items())
    return Counts(sum(rows.values()), sum(met.values()), added, {"not-reached": missed} if missed else {})


def describe_training(
    settings: Train, vocabulary: int, length: int, metrics: Path, trained: Trained
) -> dict[str, object]:
    """Facts of a manifest; length: of the longest rows that were trained on."""
    lines = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    first, last = lines[0], lines[-1]
    parameters = count_parameters(settings.model, vocabulary)
    skipped = trained.progress.skipped
    return {
        "steps": trained.progress.step, "tokens": last["tokens"], "sequence_length": length,
        "vocabulary": vocabulary, EXTENDED: trained.network.extended,
        "parameters": parameters.total, "active": parameters.active,
        "first_loss": first["loss"], "last_loss": last["loss"], "skipped": skipped,
        "micro_batch": trained.fit.micro_batch, "recompute": list(trained.fit.recompute),
        "memory": trained.fit.memory,
        **describe_evaluation(trained.evaluation),
        "line": [f"{parameters.total:,} parameters", f"{last['tokens']:,} tokens",
                 f"loss {first['loss']:.2f} → {last['loss']:.2f}",
                 *([f"{skipped} batches skipped"] if skipped else []),
                 *([trained.evaluation.describe()] if trained.evaluation else [])],
    }  # fmt: skip


def describe_evaluation(evaluation: Evaluation | None) -> dict[str, object]:
    if evaluation is None:
        return {"held_out_tokens": 0}
    return {
        "held_out_tokens": evaluation.tokens,
        "held_out_loss": evaluation.loss,
        "held_out_max_violation": evaluation.max_violation,
    }
