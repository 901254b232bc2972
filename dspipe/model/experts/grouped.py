"""The routed experts: turns tokens and their experts into the weighted sum of what those make of them.

Tokens are sorted by expert, so that each expert sees one contiguous slice and all are multiplied at once; no
token is dropped. Sizes of slices stay on the device.

Legend: N tokens of all rows, D width, E experts, K chosen experts, F expert width, O = 2F or any output
width, I any input width, M = N·K places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dspipe.model.activation import activate, differentiate_activation
from dspipe.model.experts.balance import count_bins
from dspipe.model.precision import compute_dtype, raise_precision


@dataclass(frozen=True)
class Dispatch:
    """The tokens' M = N·K places, sorted by expert.

    `order_M[i]` is the flat (token, k) that stands at place i, `token_M[i]` the token alone, `place_NK` where
    each (token, k) stands, `ends_E` (int32) where each expert's slice ends.
    """

    order_M: Tensor
    token_M: Tensor
    place_NK: Tensor
    ends_E: Tensor


def sort_by_expert(experts_NK: Tensor, experts: int) -> Dispatch:
    flat_M = experts_NK.flatten()
    order_M = flat_M.argsort(stable=True)
    place_M = torch.empty_like(order_M)
    place_M[order_M] = torch.arange(len(order_M), device=order_M.device)
    token_M, ends_E = order_M // experts_NK.shape[1], count_bins(flat_M, experts).cumsum(0).int()
    return Dispatch(order_M, token_M, place_M.view_as(experts_NK), ends_E)


class RoutedExperts(torch.autograd.Function):
    """`y_ND[n]` = Σ_k down_e(gates[n, k] · silu(gate_e x_n) · up_e x_n) with e = experts[n, k].

    Tokens are gathered to their places, multiplied by each expert's weights in one grouped product, and
    gathered back and summed: nothing is scattered by atomics, and two runs give the same bits. A gate weighs
    before the projection down, where there are F numbers and not D, and where its gradient needs nothing
    that is not there. For the backward pass only x and the products with gate and up are kept; what the
    places see of x and the activations are made again, for less than they cost to keep.
    """

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, gates_NK: Tensor, gate_up_EOD: Tensor, down_EDF: Tensor, dispatch: Dispatch
    ) -> Tensor:
        dtype = compute_dtype(x_ND)
        x, gate_up, down = (tensor.to(dtype) for tensor in (x_ND, gate_up_EOD, down_EDF))
        hidden_MO = multiply_grouped(x.index_select(0, dispatch.token_M), gate_up, dispatch.ends_E)
        gates_M1 = gates_NK.flatten().index_select(0, dispatch.order_M)[:, None].to(dtype)
        activated_MF = activate(hidden_MO).mul_(gates_M1)
        y_MD = multiply_grouped(activated_MF, down, dispatch.ends_E)
        ctx.save_for_backward(
            x, gates_M1, hidden_MO, gate_up, down, dispatch.token_M, dispatch.place_NK, dispatch.ends_E
        )
        ctx.dtypes = x_ND.dtype, gates_NK.dtype, gate_up_EOD.dtype, down_EDF.dtype
        return F.embedding_bag(dispatch.place_NK, y_MD, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, gates_M1, hidden_MO, gate_up, down, token_M, place_NK, ends_E = ctx.saved_tensors
        grad_MD = grad_ND.to(x_ND.dtype).index_select(0, token_M)
        weighted_grad_MF = multiply_grouped(grad_MD, down.transpose(1, 2), ends_E)
        activated_MF = activate(hidden_MO)
        gates_grad_M = raise_precision(weighted_grad_MF * activated_MF).sum(-1)
        down_grad = sum_outer_products(grad_MD, activated_MF.mul_(gates_M1), ends_E)
        hidden_grad_MO = differentiate_activation(hidden_MO, weighted_grad_MF.mul_(gates_M1))
        x_MD = x_ND.index_select(0, token_M)
        gate_up_grad = sum_outer_products(hidden_grad_MO, x_MD, ends_E)
        x_grad_MD = multiply_grouped(hidden_grad_MO, gate_up.transpose(1, 2), ends_E)
        x_grad_ND = F.embedding_bag(place_NK, x_grad_MD, mode="sum")
        gradients = (x_grad_ND, gates_grad_M[place_NK], gate_up_grad, down_grad)
        return *(tensor.to(dtype) for tensor, dtype in zip(gradients, ctx.dtypes, strict=True)), None


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
    counts = ends_E.diff(prepend=ends_E.new_zeros(1)).tolist()
    return [torch.split(tensor, counts) for tensor in tensors]
