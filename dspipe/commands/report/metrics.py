"""The files of a training, finished or under way → columns of numbers, evaluations, and loads of experts.

A line that is broken, as the last one is while it is written, is passed over; what an older version did not
write is absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from dspipe.commands.report.folder import METRICS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Columns = dict[str, NDArray[np.float64]]

Kind = TypeVar("Kind")

EVALUATIONS, EVALUATION = "evaluations.jsonl", "evaluation.json"
LOADS, TOTAL_LOADS = "expert_loads.jsonl", "expert_loads.json"
MOST_CELLS = 400_000  # of all heat maps together: some hundred kilobytes of a page
MOST_COLUMNS = 160  # of a heat map


class Step(Struct, gc=False):
    """A line of `metrics.jsonl`, of which only these are read."""

    step: int
    tokens: int
    loss: float | None = None
    mtp_loss: float | None = None
    balance_loss: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    bias_speed: float | None = None
    mtp_weight: float | None = None
    balance_weight: float | None = None
    batch_size: int | None = None
    sequence_length: int | None = None
    skipped: bool = False
    max_violation: float | None = None
    seconds: float | None = None
    waited: float | None = None
    tokens_per_second: float | None = None
    mfu: float | None = None
    memory: float | None = None


class Domain(Struct):
    domain: str | None = None
    language: str | None = None
    rows: int | None = None
    targets: int | None = None
    loss: float | None = None
    bits_per_byte: float | None = None


class Average(Struct):
    loss: float | None = None
    bits_per_byte: float | None = None
    mtp_loss: float | None = None
    acceptance: list[float | None] = []
    fim_loss: float | None = None
    domains: list[Domain] = []


class Evaluation(Struct):
    """A line of `evaluations.jsonl`; `step` is None where an older version wrote only the last one."""

    loss: float | None = None
    step: int | None = None
    sequence_length: int | None = None
    rows: int | None = None
    tokens: int = 0
    targets: int | None = None
    bits_per_byte: float | None = None
    mtp_loss: float | None = None
    acceptance: list[float | None] = []
    fim_loss: float | None = None
    fim_targets: int | None = None
    max_violation: float | None = None
    layers: list[str] = []
    max_violation_by_layer: list[float | None] = []
    domains: list[Domain] = []
    average: Average | None = None


class Loads(Struct):
    step: int
    loads: list[list[int]]


def read_lines(path: Path, kind: type[Kind]) -> Iterator[Kind]:
    """The lines that are what they should be; `NaN` and `Infinity`, which are no JSON, are read."""
    decoder = msgspec.json.Decoder(kind)
    try:
        with open(path, "rb") as stream:
            for line in stream:
                try:
                    yield decoder.decode(line)
                except (msgspec.DecodeError, msgspec.ValidationError):
                    yield from read_odd(line, kind)
    except FileNotFoundError:
        return


def read_odd(line: bytes, kind: type[Kind]) -> Iterator[Kind]:
    try:
        yield msgspec.convert(json.loads(line), kind)
    except (ValueError, msgspec.ValidationError, RecursionError):
        return


def read_metrics(folder: Path) -> Columns | None:
    """Of each field of `Step` a column, NaN for null, by ascending step; None without a step.

    A step that stands there twice, from before and after a resumption, counts as it was last.
    """
    import numpy as np

    rows = list(read_lines(folder / METRICS, Step))
    if not rows:
        return None
    columns = {
        name: np.array([getattr(row, name) for row in rows], np.float64) for name in Step.__struct_fields__
    }
    backwards = columns["step"][::-1]
    _, last = np.unique(backwards, return_index=True)
    order = len(rows) - 1 - last
    columns = {name: column[order] for name, column in columns.items()}
    missing = np.isnan(columns["tokens_per_second"])
    consumed = np.diff(columns["tokens"], prepend=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(columns["seconds"] > 0, consumed / columns["seconds"], np.nan)
    columns["tokens_per_second"] = np.where(missing, rate, columns["tokens_per_second"])
    return columns


def read_evaluations(folder: Path) -> list[Evaluation]:
    """Those in the course of training, by step, or else the one of the finished model."""
    found = {one.step: one for one in read_lines(folder / EVALUATIONS, Evaluation) if one.loss is not None}
    if found:
        return [found[step] for step in sorted(found, key=lambda step: -1 if step is None else step)]
    try:
        last = msgspec.json.decode((folder / EVALUATION).read_bytes(), type=Evaluation)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return []
    return [last] if last.loss is not None else []


def read_loads(folder: Path) -> dict[str, Any] | None:
    """`steps` (T,): the last of each stretch; `ratios` (S, E, T): of each expert its load, as times the mean.

    Of a long training stretches are joined. Without a record in the course of it there is one, of the whole.
    """
    import numpy as np

    layers, total = read_total(folder)
    count = sum(1 for _ in read_lines(folder / LOADS, Loads))
    if not count:
        if total is None:
            return None
        return {"layers": layers, "steps": [], "ratios": find_ratios(np.array(total, np.float64)[:, :, None])}
    sums: Any = None
    steps: list[int] = []
    for number, line in enumerate(read_lines(folder / LOADS, Loads)):
        loads = np.array(line.loads, np.float64)
        if sums is None:
            columns = max(1, min(count, MOST_COLUMNS, MOST_CELLS // max(1, loads.size)))
            sums, steps = np.zeros((*loads.shape, columns)), [0] * columns
        if loads.shape == sums.shape[:2]:
            column = min(columns - 1, number * columns // count)  # the file may have grown since
            sums[:, :, column] += loads
            steps[column] = line.step
    return {
        "layers": layers or [f"layer {n}" for n in range(len(sums))],
        "steps": steps,
        "ratios": find_ratios(sums),
    }


def read_total(folder: Path) -> tuple[list[str], list[list[int]] | None]:
    """Names of the layers, and loads of the whole training, as far as they are noted yet."""
    try:
        content = json.loads((folder / TOTAL_LOADS).read_bytes())
        return [str(name) for name in content["layers"]], content["total"] or None
    except (OSError, ValueError, KeyError, TypeError):
        return [], None


def find_ratios(loads: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, E, T) loads → each as times the mean of its layer at that time; 1 where nothing was routed."""
    import numpy as np

    mean = loads.mean(1, keepdims=True)
    ratios: NDArray[np.float64] = np.divide(loads, mean, out=np.ones_like(loads), where=mean > 0)
    return ratios
