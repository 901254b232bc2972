"""What a training has chosen for the machine that it began on → a file beside its checkpoints, and back.

Bits depend on some of it (how a batch is split, which products are made in 8 bits), so it holds from the
first step to the last, whatever the machine is later.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from dspipe.model.products.plain import Shape
from dspipe.shards import write_file

CHOICES = "choices.json"


class Choices(msgspec.Struct, frozen=True):
    """Of the training so identified.

    `micro_batch`: rows at a time, by row length. `recompute`: what is made again for the backward pass, which
    no bit depends on. `limit` and `memory`: bytes there were, and those that were expected, by part.
    `in_codes`: which products are made in 8 bits with `train.fp8.mode = "auto"`; None: not measured yet.
    """

    training: str
    micro_batch: dict[int, int] = {}
    recompute: tuple[str, ...] = ()
    limit: int = 0
    memory: dict[str, int] = {}
    in_codes: tuple[tuple[str, Shape], ...] | None = None


def read_choices(folder: Path, training: str) -> Choices | None:
    """Those of this training, if it has made any."""
    try:
        choices = msgspec.json.decode((folder / CHOICES).read_bytes(), type=Choices)
    except (OSError, msgspec.DecodeError):
        return None
    return choices if choices.training == training else None


def write_choices(folder: Path, choices: Choices) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / CHOICES, msgspec.json.format(msgspec.json.encode(choices)) + b"\n")
