"""Lengths of rows → a tiny network that has learned retrieval on the first, and on the others by YaRN.

One training in the ordinary loop: phases of rows of facts (`facts.py`), the first without YaRN, all others
with it. The rotary base is chosen so that the slowest pair turns as far in a row of the first length as it
does in DeepSeek-V3's rows of 4K, half a radian: such a network finds nothing in rows it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from dspipe.bench.facts import Facts
from dspipe.bench.rows import build_batch
from dspipe.model.transformer import Transformer
from dspipe.recipe import Model, SizeEntry, Train, Yarn
from dspipe.schema import sequences
from dspipe.train.loading.loader import RowLoader
from dspipe.train.loop import train
from dspipe.train.schedule.course import plan_course
from dspipe.train.showing.metrics import StepMetrics

TOKENS = 1024  # a step
EPOCHS = 3
BASE = 250.0  # rotary, for rows of 64: 250^(-14/16) · 64 = 0.5


@dataclass(frozen=True)
class Stretch:
    """So many steps on rows of one length."""

    length: int
    steps: int


def plan_training(stretches: Sequence[Stretch], seed: int = 1, extend: bool = True) -> Train:
    """Settings of the whole training; a step has the same number of tokens throughout.

    extend: by YaRN; without, rows just become longer.
    """
    starts = [0, *accumulate(stretch.steps * TOKENS for stretch in stretches)]
    lengths = [stretch.length for stretch in stretches]
    model = Model(
        width=48, layers=2, dense_layers=2, heads=2, query_rank=None, key_value_rank=32, head_width=8,
        rope_width=16, value_width=24, dense_width=96, experts=4, chosen_experts=2, mtp_depth=0,
        rope_theta=BASE, initial_deviation=0.1,
        yarn=Yarn(original_length=lengths[0], factor=max(lengths) / lengths[0]) if extend else None,
    )  # fmt: skip
    return Train(
        steps=starts[-1] // TOKENS,
        batch_size=[
            SizeEntry(start, TOKENS // length) for start, length in zip(starts, lengths, strict=False)
        ],
        sequence_length=[(start, length) for start, length in zip(starts, lengths, strict=False)],
        learning_rate=0.01,
        warmup_steps=20,
        weight_decay=0.01,
        checkpoint_steps=1000,
        seed=seed,
        model=model,
    )


def train_by_stretches(
    folder: Path,
    facts: Facts,
    stretches: Sequence[Stretch],
    seed: int = 1,
    extend: bool = True,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
) -> Iterator[tuple[Train, Transformer]]:
    """The network after each stretch, of one training that goes on; the settings are up to there."""
    whole, random = plan_training(stretches, seed, extend), np.random.default_rng(seed)
    parts = {}
    for stretch in stretches:
        rows = max(1, stretch.steps * TOKENS // stretch.length // EPOCHS)
        path = folder / f"L{stretch.length}" / "part-00000.arrow"
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.ipc.new_file(str(path), sequences(stretch.length)) as writer:
            writer.write_batch(build_batch(facts.draw_rows(rows, stretch.length, random)))
        parts[stretch.length] = [(path, rows)]
    for steps in accumulate(stretch.steps for stretch in stretches):
        settings = msgspec.structs.replace(whole, steps=steps)
        course = plan_course(settings, list(parts))
        loader = RowLoader(parts, course.phases, seed, facts.vocabulary)
        made = train(settings, course, loader, facts.vocabulary, folder / "model", on_step=on_step)
        yield settings, made.network
