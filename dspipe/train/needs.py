"""The settings of a training → whether this machine can do it, asked before any stage before it has worked.

torch is imported late: most settings can be had anywhere.
"""

from __future__ import annotations

from dspipe.recipe import RecipeError, Train


def check_machine(settings: Train) -> None:
    """Refuse what the machine cannot do, and name what it can.

    Raises:
        RecipeError: 8-bit units are asked for, and there are none.
    """
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
