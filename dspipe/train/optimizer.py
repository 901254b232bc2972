"""The optimizer: turns gradients into the next weights; AdamW after clipping (DeepSeek-V3 report, 4.2).

Weights, gradients and moments are float32 whatever the network computes in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspipe.recipe import Train


def build_optimizer(network: nn.Module, settings: Train) -> torch.optim.AdamW:
    """AdamW with decay on whatever has two dimensions or more, the embedding among them; not on norms."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=0.0,  # set before every step
        betas=(settings.beta1, settings.beta2),
        eps=1e-8,  # not disclosed; torch's default
        fused=True,
    )


def learning_rate(settings: Train, step: int) -> float:
    """Of a step counted from 1: linear from zero over the warm-up, then constant."""
    return settings.learning_rate * min(1.0, step / max(settings.warmup_steps, 1))


def clip_gradient(network: nn.Module, largest: float) -> Tensor:
    """Scale all gradients down to the largest norm allowed; returns the norm there was."""
    return nn.utils.clip_grad_norm_(network.parameters(), largest)


def update_weights(optimizer: torch.optim.AdamW, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()
