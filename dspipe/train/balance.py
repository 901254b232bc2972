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

from dspipe.model.experts import Experts


@torch.no_grad()
def update_biases(layers: Iterable[Experts], loads_SE: Tensor, speed: float) -> None:
    """Move each layer's bias by its row of loads; a gate without bias (V2's softmax) is left alone."""
    for layer, loads_E in zip(layers, loads_SE, strict=True):
        if layer.gate.bias is not None:
            # Integers: the mean as a float could miss a load that equals it.
            direction_E = torch.sign(loads_E.sum() - loads_E * len(loads_E))
            layer.gate.bias += speed * direction_E.float()


def max_violation(loads_SE: Tensor) -> float | None:
    """(largest load - mean) / mean, averaged over layers: 0 in balance (arXiv 2408.15664). None without
    layers.
    """
    loads = loads_SE[loads_SE.sum(1) > 0].double()
    if not len(loads):
        return None
    mean = loads.mean(1)
    return float(((loads.amax(1) - mean) / mean).mean())
