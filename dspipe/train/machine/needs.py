"""The settings of a training → whether this machine can do it, asked before any stage before it has worked.

torch is imported late: most settings can be had anywhere.
"""

from __future__ import annotations

from pathlib import Path

from dspipe.recipe import RecipeError, Train
from dspipe.shards import read_manifest
from dspipe.train.showing.boards import check_boards


def check_machine(settings: Train) -> None:
    """Refuse what the machine cannot do, and name what it can.

    Raises:
        RecipeError: 8-bit units are asked for, and there are none; a package is not installed; there are no
            rows to evaluate on.
    """
    check_boards(settings)
    check_held_out(settings)
    check_units(settings)


def check_held_out(settings: Train) -> None:
    manifest = None if settings.held_out is None else read_manifest(Path(settings.held_out))
    if settings.held_out is not None and (manifest is None or manifest.artifact != "sequences"):
        raise RecipeError(
            f"train.held_out: no finished rows in {settings.held_out}; name the folder of a run's `sequences`"
        )


def check_units(settings: Train) -> None:
    if settings.fp8.mode != "on":
        return
    import torch

    from dspipe.fp8.native import find_obstacle

    obstacle = find_obstacle(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if obstacle:
        raise RecipeError(
            f'train.fp8.mode: "on" wants 8-bit units, and {obstacle}; "emulate" trains from the same codes '
            'anywhere, "auto" without them here'
        )
