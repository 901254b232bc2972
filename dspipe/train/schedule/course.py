"""The settings of a training, and the lengths of its rows → its course: what holds in any of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from dspipe.recipe import Recipe, RecipeError, Train, packed_lengths, resolve_balance
from dspipe.shards import Manifest, read_manifest
from dspipe.train.schedule.phases import Phase, count_slots, count_steps, plan_phases
from dspipe.train.schedule.published import SCHEDULES, Quantity, lay_out, lay_out_sizes
from dspipe.train.schedule.tables import Table, find_value, read_table

STEPS = 200  # where neither steps nor tokens are given
WARMUP_STEPS = 2000  # of the schedule `constant`


class Weights(NamedTuple):
    """What weighs in a step: the speed of the biases γ, and the factors of the losses beside the main one.

    `mtp` is λ. `sequence` is α of V3's loss, `expert`, `device` and `communication` are α1, α2 and α3 of
    V2's. 0 where the settings have no such part.
    """

    bias_speed: float
    mtp: float
    sequence: float = 0.0
    expert: float = 0.0
    device: float = 0.0
    communication: float = 0.0


@dataclass(frozen=True)
class Course:
    """What holds in a step: a function of its number, by the slots that the steps before it have taken.

    Attributes:
        sizes: the table of the batch size, which the phases are made of.
        tables: those of `learning_rate` without its warm-up, `bias_speed`, `mtp_weight`, `balance_weight`.
        biased: whether biases balance the experts.
        constant: of V2's losses, the weights `device` and `communication`.
    """

    phases: list[Phase]
    steps: int
    warmup_steps: int
    sizes: Table[int]
    tables: dict[str, Table[float]]
    biased: bool
    constant: tuple[float, float]

    def learning_rate(self, step: int) -> float:
        """Linear from zero over the warm-up, times what the table says."""
        rate = find_value(self.tables["learning_rate"], count_slots(self.phases, step))
        return rate * min(1.0, step / max(self.warmup_steps, 1))

    def weights(self, step: int) -> Weights:
        slots = count_slots(self.phases, step)
        speed, mtp, balance = (
            find_value(self.tables[name], slots) for name in ("bias_speed", "mtp_weight", "balance_weight")
        )
        if self.biased:
            return Weights(speed, mtp, sequence=balance)
        return Weights(0.0, mtp, 0.0, balance, *self.constant)


def plan_course(settings: Train, lengths: Sequence[int]) -> Course:
    """The course of a training on rows of `lengths`, which are those packed, in their order.

    Raises:
        RecipeError: a length is asked for that was not packed, or a named schedule has no `tokens`.
    """
    balance = resolve_balance(settings)
    sizes = find_sizes(settings)
    phases = plan_phases(sizes, settings.sequence_length, lengths)
    tables = {
        "learning_rate": find_table(settings, "learning_rate"),
        "bias_speed": find_table(settings, "bias_speed"),
        "mtp_weight": find_table(settings, "mtp_weight"),
        "balance_weight": read_table(balance.weight),
    }
    return Course(
        phases,
        find_steps(settings, phases),
        find_warmup(settings, phases),
        sizes,
        tables,
        balance.mode == "bias",
        (balance.device, balance.communication),
    )


def plan_recipe(recipe: Recipe) -> Course:
    """The course of a recipe's training, before there are rows: on the lengths that it packs or uses."""
    return plan_course(recipe.train, find_lengths(recipe))


def find_sizes(settings: Train) -> Table[int]:
    if settings.schedule == "constant" or isinstance(settings.batch_size, list):
        return read_table(settings.batch_size)
    return lay_out_sizes(settings.schedule, settings.batch_size, find_budget(settings))


def find_table(settings: Train, quantity: Quantity) -> Table[float]:
    """A list stands as it is; a number is the peak of what a named schedule says of the quantity."""
    value = getattr(settings, quantity)
    if settings.schedule == "constant" or not isinstance(value, int | float):
        return read_table(value)
    return lay_out(settings.schedule, quantity, value, find_budget(settings))


def find_budget(settings: Train) -> int:
    if settings.tokens is None:  # which a recipe is refused for when it is read
        raise RecipeError(f"train.tokens: {settings.schedule} is stretched over a number of tokens; give it")
    return settings.tokens


def find_steps(settings: Train, phases: Sequence[Phase]) -> int:
    if settings.steps is not None:
        return settings.steps
    return STEPS if settings.tokens is None else count_steps(phases, settings.tokens)


def find_warmup(settings: Train, phases: Sequence[Phase]) -> int:
    """Of a named schedule, the same share of the steps that its budget takes as of those of its source."""
    if settings.warmup_steps is not None:
        return settings.warmup_steps
    if settings.schedule == "constant":
        return WARMUP_STEPS
    steps = count_steps(phases, find_budget(settings))
    return max(1, round(steps * find_warmup_share(settings.schedule)))


@cache
def find_warmup_share(schedule: str) -> Fraction:
    """Which share of its steps a published run has warmed up in."""
    published = SCHEDULES[schedule]
    sizes = lay_out_sizes(schedule, published.batch_size, published.tokens)
    phases = plan_phases(sizes, published.length, [published.length])
    return Fraction(published.warmup_steps, count_steps(phases, published.tokens))


def find_lengths(recipe: Recipe) -> list[int]:
    """The lengths of the rows that a recipe trains on, in the order they are packed in."""
    packed = packed_lengths(recipe.pack)
    if "sequences" not in recipe.use:
        return packed
    manifest = read_manifest(Path(recipe.use["sequences"]))
    if manifest is not None:
        return list_lengths(manifest) or packed
    asked = recipe.train.sequence_length  # what is not there yet is taken at its word
    return packed if asked is None else list(dict.fromkeys(entry.value for entry in read_table(asked)))


def list_lengths(sequences: Manifest) -> list[int]:
    """Of an artifact's rows, in the order they were packed in."""
    folders = (part.file.split("/")[0] for part in sequences.parts)
    return list(dict.fromkeys(int(folder.removeprefix("L")) for folder in folders))


def settle(recipe: Recipe) -> Train:
    """The settings of a training with the number of its steps in them, by which it is told how far it goes.

    `tokens` says nothing else without a named schedule, and is left out then, so that more of them continue
    a training as more steps do.
    """
    settings = recipe.train
    tokens = None if settings.schedule == "constant" else settings.tokens
    return replace(settings, steps=plan_recipe(recipe).steps, tokens=tokens)
