"""A training, finished or under way → its figures, its curves by tokens, its evaluations, its experts' loads.

Curves are thinned to what a page can show, with their extremes; tokens are those consumed so far.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dspipe.commands.charts.lines import thin
from dspipe.commands.report.folder import Run
from dspipe.commands.report.metrics import Domain, Evaluation, read_evaluations, read_loads, read_metrics
from dspipe.recipe import flatten

if TYPE_CHECKING:
    from dspipe.commands.report.metrics import Columns

Row = dict[str, Any]

CURVES = (
    "loss", "mtp_loss", "balance_loss", "lr", "grad_norm", "max_violation", "batch_size", "sequence_length",
    "bias_speed", "mtp_weight", "balance_weight", "tokens_per_second", "mfu", "memory", "seconds", "waited",
)  # fmt: skip
LOSSES = ("loss", "mtp_loss")
SMOOTHED = (
    "loss", "mtp_loss", "balance_loss", "grad_norm", "max_violation", "tokens_per_second", "mfu", "waited"
)  # fmt: skip
WINDOW = 50  # parts of a curve: over about one of them it is smoothed
FIGURES = ("loss", "bits_per_byte", "mtp_loss", "fim_loss")  # of an evaluation, and of the average weights'
MOST_SKIPPED = 1000


def describe_training(run: Run, *, loads: bool = True) -> Row | None:
    """What is known of the training, if asked with the experts' loads; None where there is no step yet."""
    folder = run.model
    columns = read_metrics(folder) if folder else None
    if folder is None or columns is None:
        return None
    evaluations = read_evaluations(folder)
    finished = "model" in run.artifacts
    return {
        "finished": finished,
        "facts": read_facts(run, folder),
        "figures": sum_up(columns, evaluations),
        "curves": list_curves(columns),
        "skipped": list_skipped(columns),
        "evaluations": describe_evaluations(evaluations, columns),
        "loads": read_loads(folder) if loads else None,
        "settings": read_settings(run),
    }


def read_facts(run: Run, folder: Path) -> Row:
    """The manifest's facts; of a training under way what its checkpoint says of memory."""
    if "model" in run.artifacts:
        facts = run.artifacts["model"].manifest.facts
        return {name: value for name, value in facts.items() if name != "line"}
    try:
        choices = json.loads((folder / "checkpoint" / "choices.json").read_bytes())
    except (OSError, ValueError):
        return {}
    names = ("micro_batch", "recompute", "memory")
    return {name: choices[name] for name in names if name in choices} if isinstance(choices, dict) else {}


def read_settings(run: Run) -> Row:
    header = run.begun["train"][0] if "train" in run.begun else None
    settings = run.artifacts["model"].manifest.settings if "model" in run.artifacts else {}
    return flatten(settings or (header.settings if header else {}))


def sum_up(columns: Columns, evaluations: Sequence[Evaluation]) -> Row:
    """Single figures: the last, the mean of the last steps, or the most."""
    import numpy as np

    count = len(columns["step"])
    late = slice(count - max(1, min(count, max(10, count // 20))), count)
    taken = columns["skipped"] == 0

    def mean(name: str) -> float | None:
        held = columns[name][late][taken[late] & np.isfinite(columns[name][late])]
        return float(held.mean()) if held.size else None

    memory = columns["memory"][np.isfinite(columns["memory"])]
    seconds = columns["seconds"][np.isfinite(columns["seconds"])]
    last = evaluations[-1] if evaluations else None
    return {
        "steps": int(columns["step"][-1]),
        "tokens": int(columns["tokens"][-1]),
        "seconds": round(float(seconds.sum()), 3),
        "skipped": int((~taken).sum()),
        "train_loss": mean("loss"),
        "train_mtp_loss": mean("mtp_loss"),
        "tokens_per_second": mean("tokens_per_second"),
        "mfu": mean("mfu"),
        "memory": int(memory.max()) if memory.size else None,
        "max_violation": mean("max_violation"),
        **{f"held_out_{name}": getattr(last, name, None) for name in (*FIGURES, "max_violation")},
        "held_out_acceptance": last.acceptance if last else [],
        "average_loss": last.average.loss if last and last.average else None,
        "average_bits_per_byte": last.average.bits_per_byte if last and last.average else None,
    }


def list_curves(columns: Columns) -> Row:
    """Of each column that holds a number its curve: `tokens`, `values` and, of some, `smoothed` with its own.

    The loss of a batch that was thrown away is a spike that would hide the rest: it is in `skipped`.
    """
    import numpy as np

    tokens, curves = columns["tokens"].tolist(), dict[str, Any]()
    for name in CURVES:
        if not np.isfinite(columns[name]).any():
            continue
        taken = np.where(columns["skipped"] == 0, columns[name], np.nan)
        x, y = thin(tokens, (taken if name in LOSSES else columns[name]).tolist())
        curves[name] = {"tokens": x, "values": y}
        if name in SMOOTHED:
            x, y = thin(tokens, smooth(taken.tolist()))
            curves[name] |= {"smoothed_tokens": x, "smoothed": y}
    return curves


def smooth(values: Sequence[float]) -> list[float | None]:
    """Means in which a value counts the less the further off it is, before or behind.

    So a curve does not lag behind, and its end is the usual exponential mean of what came before. What is
    not finite is left out; None where nothing is known at all.

    >>> smooth([1.0, float("nan"), 1.0])
    [1.0, 1.0, 1.0]
    """
    decay = 1 - 1 / max(2.0, len(values) / WINDOW)
    forwards, backwards = sum_decaying(values, decay), sum_decaying(values[::-1], decay)[::-1]
    smoothed: list[float | None] = []
    for value, (total, weight), (later, later_weight) in zip(values, forwards, backwards, strict=True):
        own, known = (value, 1.0) if math.isfinite(value) else (0.0, 0.0)
        weight += later_weight - known  # it is in both sums
        smoothed.append((total + later - own) / weight if weight > 1e-9 else None)
    return smoothed


def sum_decaying(values: Sequence[float], decay: float) -> list[tuple[float, float]]:
    """At each value the sum of all up to it, and of their weights, both decaying with each step."""
    total, weight, sums = 0.0, 0.0, []
    for value in values:
        total, weight = total * decay, weight * decay
        if math.isfinite(value):
            total, weight = total + value, weight + 1
        sums.append((total, weight))
    return sums


def list_skipped(columns: Columns) -> Row:
    """Steps whose batch was thrown away."""
    import numpy as np

    places = np.flatnonzero(columns["skipped"])[:MOST_SKIPPED]
    return {
        "count": int(columns["skipped"].sum()),
        "steps": columns["step"][places].astype(int).tolist(),
        "tokens": columns["tokens"][places].tolist(),
        "losses": [value if math.isfinite(value) else None for value in columns["loss"][places].tolist()],
    }


def describe_evaluations(evaluations: Sequence[Evaluation], columns: Columns) -> list[Row]:
    """Evaluations as tables, with the tokens that had been consumed; one without a step is the last."""
    import numpy as np

    listed = []
    for one in evaluations:
        step = int(columns["step"][-1]) if one.step is None else one.step
        place = min(int(np.searchsorted(columns["step"], step)), len(columns["step"]) - 1)
        row = msgspec.to_builtins(one)
        row |= {"step": step, "consumed": float(columns["tokens"][place])}
        row["domains"] = [
            msgspec.to_builtins(domain) | {"name": name_domain(domain)} for domain in one.domains
        ]
        if one.average is not None:
            averaged = {name_domain(domain): domain for domain in one.average.domains}
            for domain in row["domains"]:
                found = averaged.get(domain["name"])
                domain["average_loss"] = found.loss if found else None
        listed.append(row)
    return listed


def name_domain(domain: Domain) -> str:
    """web/en, code, …: as the mix names its cells, where a language is known with it."""
    return "/".join(name for name in (domain.domain, domain.language) if name) or "unknown"
