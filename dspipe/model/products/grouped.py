"""Grouped products: turns rows sorted by group, and a weight for each group, into each row times its weight.

A group is an expert, its rows the tokens it was chosen for. Sizes of groups stay on the device where a kernel
takes them there.

Legend: E experts, M rows sorted by expert, I input width, O output width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def multiply_grouped(x_MI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's slice of x times its own weight: `y_MO`.

    On a GPU one grouped kernel, without waiting for the slices' sizes; where that does not take the widths,
    as on a CPU, a loop over slices, which is as fast as torch's grouped_mm there.
    """
    if takes_groups(x_MI, *weight_EOI.shape[1:]):
        return F.grouped_mm(x_MI, weight_EOI.transpose(1, 2), offs=ends_E)
    y_MO = x_MI.new_empty(len(x_MI), weight_EOI.shape[1])
    for x, y, weight in zip(*split_slices(ends_E, x_MI, y_MO), weight_EOI, strict=True):
        torch.mm(x, weight.T, out=y)
    return y_MO


def sum_outer_products(grad_MO: Tensor, x_MI: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's weight gradient, gradᵀ · x over its slice: `gradient_EOI`, zeros for an empty slice."""
    if takes_groups(x_MI, grad_MO.shape[1], x_MI.shape[1]):
        return F.grouped_mm(grad_MO.T, x_MI, offs=ends_E)
    gradient_EOI = x_MI.new_empty(len(ends_E), grad_MO.shape[1], x_MI.shape[1])
    for grad, x, gradient in zip(*split_slices(ends_E, grad_MO, x_MI), gradient_EOI, strict=True):
        torch.mm(grad.T, x, out=gradient)
    return gradient_EOI


def takes_groups(x: Tensor, *widths: int) -> bool:
    """Whether torch's grouped kernel does: bfloat16 on a GPU, all widths multiples of 16 bytes."""
    return x.is_cuda and x.dtype == torch.bfloat16 and not any(width % 8 for width in widths)


def split_slices(ends_E: Tensor, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The slices of each expert; rows after the last end are of none."""
    counts = ends_E.diff(prepend=ends_E.new_zeros(1)).tolist()
    return [torch.split(tensor[: sum(counts)], counts) for tensor in tensors]
