"""The training loop: turns a loader's rows into a trained network, step by step.

A step: count the targets of its batch, run its micro-batches forward and backward, clip, update weights, then
move the experts' biases by the loads of the whole batch. A killed run continues from its last checkpoint and
ends in the same bits, since each step is a function of the checkpointed state and its number.

Legend: S sparse layers, E experts.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import DspipeError, Train
from dspipe.train.balance import max_violation, update_biases
from dspipe.train.loader import RowLoader
from dspipe.train.loss import Losses, compute_losses, count_targets
from dspipe.train.optimizer import build_optimizer, clip_gradient, learning_rate, update_weights
from dspipe.train.state import (
    Progress,
    collect_state,
    cut_metrics,
    load_checkpoint,
    restore_state,
    save_checkpoint,
    sync,
    write_safely,
    write_text_safely,
)


@dataclass(frozen=True)
class StepMetrics:
    """One line of `metrics.jsonl`.

    `tokens` have been consumed up to and with this step, padding not counted. `loss` is the main loss in nats
    per token, `mtp_loss` the unweighted mean over depths, `balance_loss` the unweighted mean of Σ f·P over
    layers (1 in perfect balance), `grad_norm` that before clipping. None: the network has no such part.
    """

    step: int
    tokens: int
    loss: float
    mtp_loss: float | None
    balance_loss: float | None
    lr: float
    grad_norm: float
    max_violation: float | None
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """`last` is None when there was nothing left to do."""

    step: int
    tokens: int
    last: StepMetrics | None
    files: list[Path]


@dataclass
class Run:
    """What changes from step to step."""

    network: Transformer
    optimizer: torch.optim.AdamW
    progress: Progress


def train(
    settings: Train,
    loader: RowLoader,
    vocabulary: int,
    folder: Path,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
) -> TrainResult:
    """Train up to `settings.steps`, from the checkpoint in `folder` if there is one.

    Leaves in `folder`: `checkpoint/`, `metrics.jsonl`, `model.safetensors` (our names, float32, biases too)
    and `expert_loads.json`. `on_step` is called after each step, when its line is written.

    Raises:
        DspipeError: the loss is no number (names step and rows), or the checkpoint is of another network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = start_run(settings, vocabulary, folder)
    last = None
    with open(folder / "metrics.jsonl", "a", encoding="utf-8") as lines:
        for step in range(run.progress.step + 1, settings.steps + 1):
            last = run_step(run, settings, loader, step)
            lines.write(json.dumps(asdict(last)) + "\n")
            lines.flush()
            if step % settings.checkpoint_steps == 0 or step == settings.steps:
                sync(folder / "metrics.jsonl")  # a checkpoint must not know steps that the metrics do not
                state = collect_state(run.network, run.optimizer, run.progress)
                save_checkpoint(folder / "checkpoint", state, run.progress)
            on_step(last)
    return TrainResult(run.progress.step, run.progress.tokens, last, write_results(run, folder))


def start_run(settings: Train, vocabulary: int, folder: Path) -> Run:
    """A fresh network, or the one of the checkpoint; metrics are cut back to it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_transformer(settings.model, vocabulary, settings.seed or 0).to(device)
    optimizer = build_optimizer(network, settings)
    loads_SE = torch.zeros(len(network.sparse_layers), settings.model.experts, dtype=torch.int64)
    run = Run(network, optimizer, Progress(0, 0, loads_SE, loads_SE.clone()))
    loaded = load_checkpoint(folder / "checkpoint")
    if loaded is not None:
        restore_state(network, optimizer, loaded[0])
        run.progress = loaded[1]
    if run.progress.step > settings.steps:
        raise DspipeError(
            f"{folder}: already trained for {run.progress.step} steps, more than train.steps = "
            f"{settings.steps}; raise train.steps or use --rebuild train"
        )
    cut_metrics(folder / "metrics.jsonl", run.progress.step)
    return run


def run_step(run: Run, settings: Train, loader: RowLoader, step: int) -> StepMetrics:
    started = time.perf_counter()
    batch = loader.batch(step)
    rate = learning_rate(settings, step)
    losses, loads_SE = accumulate_gradient(run.network, batch, settings)
    norm = float(clip_gradient(run.network, settings.clip_norm))
    if not math.isfinite(losses["loss"] or 0.0) or not math.isfinite(norm):
        rows = ", ".join(loader.describe_row(row) for row in loader.rows(step))
        raise DspipeError(
            f"step {step}: the loss is {losses['loss']} and the gradient's norm {norm}; "
            f"lower train.learning_rate, or look at rows {rows}"
        )
    update_weights(run.optimizer, rate)
    update_biases(run.network.sparse_layers.values(), loads_SE, settings.bias_speed)
    loads_SE = loads_SE.cpu()
    before = run.progress
    run.progress = Progress(
        step, before.tokens + int(batch.valid_BL.sum()), before.loads_SE + loads_SE, loads_SE
    )
    return StepMetrics(
        step=step,
        tokens=run.progress.tokens,
        loss=losses["loss"] or 0.0,
        mtp_loss=losses["mtp_loss"],
        balance_loss=losses["balance_loss"],
        lr=rate,
        grad_norm=norm,
        max_violation=max_violation(loads_SE),
        seconds=time.perf_counter() - started,
    )


def accumulate_gradient(
    network: Transformer, batch: PackedBatch, settings: Train
) -> tuple[dict[str, float | None], Tensor]:
    """Forward and backward over all micro-batches; returns the step's losses and `loads_SE`."""
    device = network.head.device
    counts, rows = count_targets(batch), len(batch.tokens_BL)
    size = settings.micro_batch or rows
    parts: list[Losses] = []
    loads_SE = torch.zeros(
        len(network.sparse_layers), settings.model.experts, dtype=torch.int64, device=device
    )
    for start in range(0, rows, size):
        part = batch.rows(start, start + size).to(device)
        with choose_precision(device, settings):
            output = network(part)
            losses = compute_losses(output, network.head, part, counts, settings)
        losses.total.backward()  # type: ignore[no-untyped-call]
        loads_SE += output.loads_SE
        parts.append(losses)
    return {
        "loss": add_up([part.main for part in parts]),
        "mtp_loss": add_up([part.mtp for part in parts]),
        "balance_loss": add_up([part.balance for part in parts]),
    }, loads_SE


def choose_precision(device: torch.device, settings: Train) -> contextlib.AbstractContextManager[object]:
    """Autocast to bfloat16, or nothing; weights stay float32 either way."""
    bfloat16 = settings.dtype == "bfloat16" or (settings.dtype == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def add_up(shares: list[Tensor | None]) -> float | None:
    """Micro-batches' shares of a mean over the step, summed in order."""
    present = [share for share in shares if share is not None]
    return float(torch.stack(present).sum()) if present else None


def write_results(run: Run, folder: Path) -> list[Path]:
    """The trained weights, and for placement the tokens that each expert of each sparse layer has seen."""
    model, loads = folder / "model.safetensors", folder / "expert_loads.json"
    write_safely(model, run.network.state_dict(), {"format": "pt"})
    content = {
        "layers": list(run.network.sparse_layers),
        "total": run.progress.loads_SE.tolist(),
        "last_step": run.progress.last_loads_SE.tolist(),
    }
    write_text_safely(loads, json.dumps(content) + "\n")
    return [model, loads, folder / "metrics.jsonl"]
