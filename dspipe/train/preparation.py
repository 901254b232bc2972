"""Settings, rows and a folder → everything that a training has at hand, as its last checkpoint left it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch
from msgspec.structs import replace

from dspipe.model.products.linear import use_products
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import DspipeError, Train
from dspipe.train.extension import is_extended, starts_extended
from dspipe.train.guard import Guard
from dspipe.train.loading.loader import RowLoader
from dspipe.train.machine.arithmetic import Arithmetic, choose_arithmetic, list_shapes
from dspipe.train.machine.choices import CHOICES, Choices, read_choices, write_choices
from dspipe.train.machine.device import choose_device, describe_computation, describe_machine, forget_peak
from dspipe.train.machine.fitting import Fit, describe_budget, find_fit
from dspipe.train.optimizer import AdamW
from dspipe.train.saving.average import Average
from dspipe.train.saving.checkpoints import MEND, Checkpoints
from dspipe.train.saving.state import Parts, Progress, identify_training, restore_state
from dspipe.train.schedule.course import Course
from dspipe.train.schedule.phases import Phase
from dspipe.train.start import load_start

LINES = ("metrics.jsonl", "evaluations.jsonl", "expert_loads.jsonl")


@dataclass(frozen=True)
class Ready:
    """What a training begins or goes on with; `vocabulary`: rows of the embedding."""

    device: torch.device
    vocabulary: int
    parts: Parts
    arithmetic: Arithmetic
    fit: Fit
    checkpoints: Checkpoints
    progress: Progress


def prepare(
    settings: Train,
    course: Course,
    loader: RowLoader,
    vocabulary: int,
    folder: Path,
    memory: int | None,
    say: Callable[[str], None],
    block: ExitStack,
) -> Ready:
    """A fresh network, that of `train.start`, or that of the checkpoint; `block` closes what was opened."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = identify_training(settings, vocabulary, loader.counts)
    checkpoints = Checkpoints(
        folder / "checkpoint",
        identity,
        settings.keep_last,
        settings.keep_every,
        [folder / name for name in LINES],
    )
    block.enter_context(closing(checkpoints))
    state, device = checkpoints.load(), choose_device(settings.deterministic)
    forget_peak(device)
    choices = read_choices(checkpoints.folder, identity)
    if state is not None and choices is None:  # found anew, they could be others, and so all bits
        raise DspipeError(
            f"{checkpoints.folder / CHOICES}: cannot be read, and the checkpoint goes with it; restore it "
            f"from a copy, {MEND}"
        )
    if state is None or choices is None:  # a first try that took too much must not be repeated as it was
        choices = Choices(identity)
    fit, choices = choose_fit(settings, course, vocabulary, device, memory, choices)
    say(describe_budget(fit, choices.limit))
    network = build_transformer(settings.model, vocabulary, settings.seed or 0).to(device)
    if state is None:
        load_start(network, settings, vocabulary)
    shapes = list_shapes(network, list_sizes(course.phases, fit), settings.model.chosen_experts)
    keeping = replace(settings, recompute=list(fit.recompute))
    arithmetic, in_codes = choose_arithmetic(keeping, device, shapes, choices.in_codes, say)
    write_choices(checkpoints.folder, replace(choices, in_codes=in_codes))
    use_products(network, arithmetic.products)
    parts = gather_parts(settings, network, arithmetic, device, block)
    progress = Progress.begin(len(network.sparse_layers), settings.model.experts)
    if state is not None:
        progress = restore_state(parts, state)
    done = is_extended(settings.model, course.phases, progress.step)
    network.extended = starts_extended(settings) or done
    if progress.step > course.steps:
        raise DspipeError(
            f"{folder}: already trained for {progress.step} steps, more than the {course.steps} asked for; "
            "raise train.steps or use --rebuild train"
        )
    checkpoints.tidy()  # a run stopped between writing the newest and deleting another has both
    say(describe_computation(device, settings, arithmetic.mode))
    return Ready(device, vocabulary, parts, arithmetic, fit, checkpoints, progress)


def choose_fit(
    settings: Train,
    course: Course,
    vocabulary: int,
    device: torch.device,
    memory: int | None,
    choices: Choices,
) -> tuple[Fit, Choices]:
    """What fits. How batches are split stands as it was chosen; what is made again is found anew.

    All phases count, those beyond the last step too, since more steps later must not split batches otherwise;
    but only what is come to must fit.
    """
    machine = describe_machine(device, settings, memory)
    reached = {phase.length for phase in course.phases if phase.first_step <= course.steps}
    batches = find_batches(course.phases)
    fit = find_fit(settings, vocabulary, batches, machine, choices.micro_batch or None, reached)
    chosen = replace(
        choices,
        micro_batch=fit.micro_batch,
        recompute=fit.recompute,
        limit=machine.limit,
        memory=fit.memory,
    )
    return fit, chosen


def find_batches(phases: Sequence[Phase]) -> dict[int, int]:
    """The most rows of a step, by their length."""
    largest: dict[int, int] = {}
    for phase in phases:
        largest[phase.length] = max(phase.batch_size, largest.get(phase.length, 0))
    return largest


def list_sizes(phases: Sequence[Phase], fit: Fit) -> list[int]:
    """Tokens of the micro-batches there are, and of the last one of a step where that is smaller.

    While a batch size moves, its last micro-batches have every size: only that of the largest batch counts.
    """
    largest, sizes = find_batches(phases), set()
    for length, rows in fit.micro_batch.items():
        sizes |= {rows * length, (largest[length] % rows or rows) * length}
    return sorted(sizes)


def gather_parts(
    settings: Train, network: Transformer, arithmetic: Arithmetic, device: torch.device, block: ExitStack
) -> Parts:
    optimizer, average = AdamW(network, settings, arithmetic.products.refresh), None
    if settings.average is not None:
        average = block.enter_context(closing(Average(network, settings.average)))
    return Parts(network, optimizer, Guard(settings.spike, device), average)
