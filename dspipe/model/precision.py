"""Precision: turns a tensor's type into the one to compute in.

Matrices are multiplied in autocast's type; norms, gates, rotations and losses are computed in float32 at
least. Float64 stays float64 everywhere, so that gradients can be checked against differences.
"""

from __future__ import annotations

import torch
from torch import Tensor


def compute_dtype(x: Tensor) -> torch.dtype:
    """What matrices are multiplied in: autocast's type where that is on, else x's own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def raise_precision(x: Tensor) -> Tensor:
    """x in float32, or as it is where it is wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
