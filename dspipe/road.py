"""The road: every stage, in order, what it reads and what it writes. The table of contents of dspipe.

A stage is a folder of this package; its `stage.py` has `run(settings, inputs…, outputs…, workers)`. Raise a
stage's version when the bytes that it writes change.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Stage:
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    version: int
    outside: str | None = None  # module:function that describes what it reads from outside the run
    settles: str | None = (
        None  # module:function of a recipe: the stage's settings, with what follows filled in
    )
    needs: str | None = None  # module:function that refuses settings which this machine cannot do
    grows: str | None = None  # the setting that may be raised later: the work is continued, not refused
    neutral: tuple[str, ...] = ()  # settings that no byte of what it writes depends on
    late: tuple[str, ...] = ()  # settings of the end of its work alone: changed, the end is done again
    lasting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # of an artifact, the only settings that it depends on: when others change, it is kept


ROAD = (
    Stage(
        "extract",
        (),
        ("documents",),
        3,
        outside="dspipe.extract.sources.find:describe_sources",
        neutral=("retries", "connections", "common_crawl"),
    ),
    Stage(
        "filter",
        ("documents",),
        ("signals", "filtered"),
        2,
        outside="dspipe.filter.outside:describe_files",
        lasting={
            "signals": (
                "language_characters",
                "language_letters",
                "language_margin",
                "language_lines",
                "language_model",
            )
        },
    ),
    Stage(
        "dedup",
        ("filtered",),
        ("distinct",),
        2,
        outside="dspipe.dedup.outside:describe_earlier",
        neutral=("against", "max_cluster", "max_removed"),
    ),
    Stage("mix", ("distinct",), ("mixture",), 2, outside="dspipe.mix.tokens:describe_tokenizer"),
    Stage("tokenizer", ("mixture",), ("tokenizer",), 2),
    Stage("pack", ("mixture", "tokenizer"), ("sequences",), 2),
    Stage(
        "train",
        ("sequences", "tokenizer"),
        ("model",),
        5,
        outside="dspipe.train.start:describe_start",
        settles="dspipe.train.schedule.course:settle",
        needs="dspipe.train.machine.needs:check_machine",
        grows="steps",
        # what the start holds is described, where it lies is not
        neutral=("checkpoint_steps", "keep_last", "keep_every", "recompute", "start", "watch"),
        late=("evaluation_tokens", "evaluation_steps", "held_out", "load_steps"),
    ),
    Stage("export", ("model",), ("hf",), 2),
)
STAGES = {stage.name: stage for stage in ROAD}
WRITER = {artifact: stage for stage in ROAD for artifact in stage.writes}


def load_run(stage: Stage) -> Callable[..., None]:
    """Import a stage when it is to be run, not before: torch alone takes seconds."""
    run: Callable[..., None] = importlib.import_module(f"dspipe.{stage.name}.stage").run
    return run


def settle_settings(stage: Stage, recipe: Any) -> Any:
    """A stage's settings as they count for its identity."""
    return getattr(recipe, stage.name) if stage.settles is None else load_function(stage.settles)(recipe)


def describe_outside(stage: Stage, settings: Any) -> list[dict[str, Any]]:
    """What the stage reads from outside the run, as manifest entries with a digest each."""
    return [] if stage.outside is None else load_function(stage.outside)(settings)


def check_needs(stage: Stage, settings: Any) -> None:
    """Refuse settings that this machine cannot do.

    Raises:
        RecipeError: it names what to set instead.
    """
    if stage.needs is not None:
        load_function(stage.needs)(settings)


def load_function(place: str) -> Callable[[Any], Any]:
    module, _, function = place.partition(":")
    found: Callable[[Any], Any] = getattr(importlib.import_module(module), function)
    return found
