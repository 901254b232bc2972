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
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.model.products.linear import use_products
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import DspipeError, Train
from dspipe.shards import sync, write_file
from dspipe.train.arithmetic import PLAINLY, Arithmetic, choose_arithmetic, list_shapes
from dspipe.train.balance import average_violation, max_violations, update_biases
from dspipe.train.diagnosis import locate_bad_numbers
from dspipe.train.loading.loader import RowLoader
from dspipe.train.loss import Losses, compute_losses, count_targets
from dspipe.train.machine import choose_device, choose_precision, describe_computation
from dspipe.train.optimizer import AdamW, clip_gradient, learning_rate
from dspipe.train.schedule import Phase, Weights, find_weights
from dspipe.train.start import load_start
from dspipe.train.state import (
    Progress,
    collect_state,
    cut_metrics,
    identify_training,
    load_checkpoint,
    locate_checkpoint,
    remove_others,
    restore_state,
    save_checkpoint,
    write_tensors,
)


@dataclass(frozen=True)
class StepMetrics:
    """One line of `metrics.jsonl`.

    `tokens` have been consumed up to and with this step, padding not counted. `loss` is the main loss in nats
    per token, `mtp_loss` the unweighted mean over depths, `balance_loss` the unweighted mean of V3's Σ f·P
    over layers (1 in perfect balance), `grad_norm` that before clipping. `bias_speed` and `mtp_weight` are γ
    and λ of the step, `max_violation` that of its loads, averaged over layers and by layer. `seconds` are
    those of the step, of which it `waited` some for its batch. None: the network has no such part.
    """

    step: int
    tokens: int
    loss: float
    mtp_loss: float | None
    balance_loss: float | None
    lr: float
    grad_norm: float
    bias_speed: float
    mtp_weight: float
    max_violation: float | None
    max_violation_by_layer: list[float | None]
    seconds: float
    waited: float


@dataclass
class Run:
    """What changes from step to step."""

    network: Transformer
    optimizer: AdamW
    arithmetic: Arithmetic
    progress: Progress


def train(
    settings: Train,
    loader: RowLoader,
    vocabulary: int,
    folder: Path,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
    say: Callable[[str], None] = lambda line: None,
) -> Transformer:
    """Train up to `settings.steps`, from the checkpoint in `folder` if there is one; returns the network.

    Leaves in `folder`: `checkpoint/`, `metrics.jsonl`, `model.safetensors` (our names, float32, biases too)
    and `expert_loads.json`. `on_step` is called after each step, when its line is written; whatever it raises
    leaves a folder to resume from. `say` hears what the training computes on.

    Raises:
        DspipeError: the loss is no number (names step and rows), a row is damaged or has a token beyond the
            vocabulary (names step and row), or the checkpoint is damaged or of another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    training = identify_training(settings, vocabulary, loader.counts)
    run = start_run(settings, vocabulary, folder, training, loader.phases, say)
    say(describe_computation(run.network.head.device, settings, run.arithmetic.mode))
    first, pinned = run.progress.step + 1, run.network.head.device.type == "cuda"
    with (
        open(folder / "metrics.jsonl", "a", encoding="utf-8") as lines,
        contextlib.closing(loader.stream(first, settings.steps, pinned)) as batches,
    ):
        for step in range(first, settings.steps + 1):
            metrics = run_step(run, settings, loader, batches, step)
            lines.write(json.dumps(asdict(metrics)) + "\n")
            lines.flush()
            if step % settings.checkpoint_steps == 0 or step == settings.steps:
                sync(folder / "metrics.jsonl")  # a checkpoint must not know steps that the metrics do not
                state = collect_state(run.network, run.optimizer, run.progress)
                save_checkpoint(folder / "checkpoint", state, run.progress, training)
            on_step(metrics)
    write_results(run, folder)
    return run.network


def start_run(
    settings: Train,
    vocabulary: int,
    folder: Path,
    training: str,
    phases: Sequence[Phase],
    say: Callable[[str], None],
) -> Run:
    """A fresh network, that of `train.start`, or that of the checkpoint, to which metrics are cut back."""
    loaded = load_checkpoint(folder / "checkpoint", training)
    device = choose_device(settings.deterministic)
    network = build_transformer(settings.model, vocabulary, settings.seed or 0).to(device)
    if loaded is None:
        load_start(network, settings, vocabulary)
    shapes = list_shapes(network, list_sizes(settings, phases), settings.model.chosen_experts)
    arithmetic = choose_arithmetic(settings, device, shapes, folder / "checkpoint", training, say)
    use_products(network, arithmetic.products)
    optimizer = AdamW(network, settings, arithmetic.products.refresh)
    loads_SE = torch.zeros(len(network.sparse_layers), settings.model.experts, dtype=torch.int64)
    run = Run(network, optimizer, arithmetic, Progress(0, 0, loads_SE, loads_SE.clone()))
    if loaded is not None:
        restore_state(network, optimizer, loaded[0])
        run.progress = loaded[1]
    if run.progress.step > settings.steps:
        raise DspipeError(
            f"{folder}: already trained for {run.progress.step} steps, more than train.steps = "
            f"{settings.steps}; raise train.steps or use --rebuild train"
        )
    if loaded is not None:  # a run stopped between writing this one and deleting the one before has two
        remove_others(locate_checkpoint(folder / "checkpoint", run.progress.step))
    cut_metrics(folder / "metrics.jsonl", run.progress.step)
    return run


def list_sizes(settings: Train, phases: Sequence[Phase]) -> list[int]:
    """Tokens of every micro-batch that there is, the last ones of steps among them."""
    sizes = set()
    for _, size, length, _ in phases:
        at_a_time = min(settings.micro_batch or size, size)
        sizes |= {at_a_time * length, (size % at_a_time or at_a_time) * length}
    return sorted(sizes)


def run_step(
    run: Run, settings: Train, loader: RowLoader, batches: Generator[PackedBatch], step: int
) -> StepMetrics:
    started = time.perf_counter()
    batch = next(batches)
    waited = time.perf_counter() - started
    rate, weights = learning_rate(settings, step), find_weights(settings, loader.phases, step)
    losses, loads_SE = accumulate_gradient(run.network, batch, settings, weights, run.arithmetic)
    norm = float(clip_gradient(run.network, settings.clip_norm))
    if not math.isfinite(losses["loss"] or 0.0) or not math.isfinite(norm):
        rows = ", ".join(loader.describe_rows(step))
        again = partial(accumulate_gradient, run.network, batch, settings, weights, run.arithmetic)
        place = locate_bad_numbers(run.network, again)
        raise DspipeError(
            f"step {step}: the loss is {losses['loss']} and the gradient's norm {norm}"
            + (f"; first, {place}" if place else "")
            + f"; lower train.learning_rate, or look at rows {rows}"
        )
    run.optimizer.step(rate)
    update_biases(run.network.sparse_layers.values(), loads_SE, weights.bias_speed)
    loads_SE = loads_SE.cpu()
    violations = max_violations(loads_SE)
    before = run.progress
    tokens = before.tokens + int(batch.valid_BL.sum())
    run.progress = Progress(step, tokens, before.loads_SE + loads_SE, loads_SE)
    return StepMetrics(
        step=step,
        tokens=run.progress.tokens,
        loss=losses["loss"] or 0.0,
        mtp_loss=losses["mtp_loss"],
        balance_loss=losses["balance_loss"],
        lr=rate,
        grad_norm=norm,
        bias_speed=weights.bias_speed,
        mtp_weight=weights.mtp,
        max_violation=average_violation(violations),
        max_violation_by_layer=[None if found is None else round(found, 4) for found in violations],
        seconds=time.perf_counter() - started,
        waited=waited,
    )


def accumulate_gradient(
    network: Transformer,
    batch: PackedBatch,
    settings: Train,
    weights: Weights,
    arithmetic: Arithmetic = PLAINLY,
) -> tuple[dict[str, float | None], Tensor]:
    """Forward and backward over all micro-batches; returns the step's losses and `loads_SE`."""
    device = network.head.device
    batch = batch.keep_apart() if settings.attention == "document" else batch
    counts, rows = count_targets(batch), len(batch.tokens_BL)
    size = settings.micro_batch or rows
    parts: list[Losses] = []
    loads_SE = torch.zeros(
        len(network.sparse_layers), settings.model.experts, dtype=torch.int64, device=device
    )
    for start in range(0, rows, size):
        part = batch.rows(start, start + size).to(device)
        with choose_precision(device, settings):
            with arithmetic.keep():
                output = network(part)
            losses = compute_losses(output, network.head, part, counts, weights)
        losses.total.backward()  # type: ignore[no-untyped-call]
        loads_SE += output.loads_SE
        parts.append(losses)
    return {
        "loss": add_up([part.main for part in parts]),
        "mtp_loss": add_up([part.mtp for part in parts]),
        "balance_loss": add_up([part.balance for part in parts]),
    }, loads_SE


def add_up(shares: list[Tensor | None]) -> float | None:
    """Micro-batches' shares of a mean over the step, summed in order."""
    present = [share for share in shares if share is not None]
    return float(torch.stack(present).sum()) if present else None


def write_results(run: Run, folder: Path) -> None:
    """The trained weights, and for placement the tokens that each expert of each sparse layer has seen."""
    write_tensors(folder / "model.safetensors", run.network.state_dict(), {"format": "pt"})
    content = {
        "layers": list(run.network.sparse_layers),
        "total": run.progress.loads_SE.tolist(),
        "last_step": run.progress.last_loads_SE.tolist(),
    }
    write_file(folder / "expert_loads.json", json.dumps(content).encode() + b"\n")
