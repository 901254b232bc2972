"""Load balance without a loss: turns the experts' loads of a step into a push on their biases.

b_i += γ · sign(mean - load_i), once per step, from the loads of the whole global batch, for every sparse
layer, those of multi-token prediction too (DeepSeek-V3 report, 2.1.2). The mean of the push is left in:
others subtract it, the report does not. Loads of a step move the biases of the next one only, since loads of
the same step leak the future.

Legend: S sparse layers, E experts.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dspipe.model.experts.layer import Experts


@torch.no_grad()
def update_biases(layers: Iterable[Experts], loads_SE: Tensor, speed: float | Tensor) -> None:
    """Move each layer's bias by its row of loads; a gate without bias (V2's softmax) is left alone."""
    for layer, loads_E in zip(layers, loads_SE, strict=True):
        if layer.gate.bias is not None:
            # Integers: the mean as a float could miss a load that equals it.
            direction_E = torch.sign(loads_E.sum() - loads_E * len(loads_E))
            layer.gate.bias += speed * direction_E.float()


def max_violations(loads_SE: Tensor) -> list[float | None]:
    """MaxVio of each layer, (largest load - mean) / mean: 0 in balance, E/K - 1 where the same K experts get
    everything (arXiv 2408.15664). None where a layer saw no token.
    """
    most, mean = loads_SE.amax(1).double(), loads_SE.double().mean(1)
    found: list[float] = ((most - mean) / mean).tolist()
    return [violation if tokens else None for violation, tokens in zip(found, mean.tolist(), strict=True)]


def average_violation(violations: list[float | None]) -> float | None:
    """Over the layers that saw tokens; None where none did."""
    known = [violation for violation in violations if violation is not None]
    return sum(known) / len(known) if known else None
