"""Where a training stands → whether its network reads positions by YaRN.

The network learns short rows as they are. With the first step whose rows are longer than the length that
`yarn` names as the original one, YaRN takes force, and stays in force for all rows, as in DeepSeek-V3's two
phases (report, 4.3) and in the released network. It holds no numbers that are learned, so that nothing else
changes with it, and a checkpoint need not know of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dspipe.model.checkpoint.manifest import read_network
from dspipe.recipe import Model, Train
from dspipe.train.schedule.phases import Phase
from dspipe.train.start import open_start


def is_extended(model: Model, phases: Sequence[Phase], step: int) -> bool:
    """Whether a step, or one before it, has rows that need YaRN, and there is one."""
    yarn = model.yarn
    if yarn is None:
        return False
    return any(phase.length > yarn.original_length for phase in phases if phase.first_step <= step)


def starts_extended(settings: Train) -> bool:
    """Whether YaRN was in force already in the network that the training begins with."""
    if settings.start is None or settings.model.yarn is None:
        return False
    return read_network(open_start(Path(settings.start)).manifest).yarn is not None
