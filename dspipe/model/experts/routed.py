"""The routed experts: turns tokens and their experts into the weighted sum of what those make of them.

Tokens are sorted by expert, so that each expert sees one contiguous slice and all are multiplied at once, or
on a CPU one after the other (`turns.py`); no token is dropped.

Legend: N tokens of all rows, D width, E experts, K chosen experts, F expert width, O = 2F, M = N·K places.
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
from dspipe.model.experts.turns import Gradients, Places, run_turns, run_turns_back
from dspipe.model.keeping import can_be_had
from dspipe.model.precision import compute_dtype, raise_precision
from dspipe.model.products.plain import PLAIN, Products, Source, Weight


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


def route(
    x_ND: Tensor, gates_NK: Tensor, weights: tuple[Tensor, Tensor], dispatch: Dispatch, products: Products
) -> Tensor:
    """`y_ND[n]` = Σ_k down_e(gates[n, k] · silu(gate_e x_n) · up_e x_n) with e = experts[n, k].

    weights: `gate_up_EOD` and `down_EDF`.
    """
    prepared = tuple(products.prepare(weight) for weight in weights)
    arguments = x_ND, gates_NK, *weights, prepared, dispatch, products, torch.is_grad_enabled()
    y_ND: Tensor = RoutedExperts.apply(*arguments)  # type: ignore[no-untyped-call]
    return y_ND


class RoutedExperts(torch.autograd.Function):
    """Tokens are gathered to their places, multiplied by each expert's weights, and gathered back and summed:
    nothing is scattered by atomics, and two runs give the same bits. A gate weighs before the projection
    down, where there are F numbers and not D, and where its gradient needs nothing that is not there. For the
    backward pass only x and the products with gate and up are kept; what the places see of x and the
    activations are made again, for less than they cost to keep. x becomes an operand before it is gathered,
    as it would be before it is sent to other machines, and so does the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_ND: Tensor,
        gates_NK: Tensor,
        gate_up_EOD: Tensor,
        down_EDF: Tensor,
        prepared: tuple[Any, Any],
        dispatch: Dispatch,
        products: Products,
        followed: bool,  # by a backward pass
    ) -> Tensor:
        dtype, free, ends_E = compute_dtype(x_ND), can_be_had(x_ND), dispatch.ends_E
        x = products.take(x_ND, Source.DISPATCH, dtype)
        gates_M1 = gates_NK.flatten().index_select(0, dispatch.order_M)[:, None].to(dtype)
        places = Places(dispatch.token_M, gates_M1, ends_E)
        weights = Weight(gate_up_EOD, prepared[0]), Weight(down_EDF, prepared[1])
        run = run_turns if takes_turns(x_ND, products) else run_together
        hidden_MO, y_MD = run(x, *weights, places, products)
        if followed:
            hidden, kept = products.narrow(hidden_MO), (x_ND,) if free else products.save(x)
            ctx.save_for_backward(gate_up_EOD, down_EDF, dispatch.place_NK, *places, *hidden, *kept)
            ctx.state = prepared, products, dtype, free, len(hidden)
        ctx.dtypes = x_ND.dtype, gates_NK.dtype, gate_up_EOD.dtype, down_EDF.dtype
        return F.embedding_bag(dispatch.place_NK, y_MD, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor | None, ...]:
        gate_up_EOD, down_EDF, place_NK, *saved = ctx.saved_tensors
        prepared, products, dtype, free, count = ctx.state
        places, hidden, kept = Places(*saved[:3]), tuple(saved[3 : 3 + count]), tuple(saved[3 + count :])
        grad = products.take(grad_ND, Source.DISPATCHED_GRADIENT, dtype)
        if free:
            x = products.take(kept[0], Source.DISPATCH, dtype)
        else:
            x = products.restore(kept, Source.DISPATCH, dtype)
        weights = Weight(gate_up_EOD, prepared[0]), Weight(down_EDF, prepared[1])
        run = run_turns_back if takes_turns(grad_ND, products) else run_together_back
        found = run(grad, x, products.widen(hidden, dtype), *weights, places, products)
        x_grad_ND = F.embedding_bag(place_NK, found.x_MD, mode="sum")
        gradients = (x_grad_ND, found.gates_M[place_NK], found.gate_up_EOD, found.down_EDF)
        cast = (tensor.to(dtype) for tensor, dtype in zip(gradients, ctx.dtypes, strict=True))
        return *cast, None, None, None, None


def takes_turns(x: Tensor, products: Products) -> bool:
    """Whether each expert is gone through by itself: on a CPU, where products are plain."""
    return not x.is_cuda and products is PLAIN


def run_together(
    x: Any, gate_up: Weight, down: Weight, places: Places, products: Products
) -> tuple[Tensor, Tensor]:
    """`hidden_MO`, the products with gate and up, and `y_MD`, of all experts at once; x: rows `x_ND`."""
    token_M, gates_M1, ends_E = places
    dtype = gates_M1.dtype
    hidden_MO = products.multiply(products.select_rows(x, token_M), gate_up, ends_E)
    activated_MF = products.take(activate(hidden_MO).mul_(gates_M1), Source.ACTIVATION, dtype)
    return hidden_MO, products.multiply(activated_MF, down, ends_E)


def run_together_back(
    grad: Any,
    x: Any,
    hidden_MO: Tensor,
    gate_up: Weight,
    down: Weight,
    places: Places,
    products: Products,
) -> Gradients:
    """All gradients, from that by y and from what there was; grad and x: rows of tokens."""
    token_M, gates_M1, ends_E = places
    dtype = gates_M1.dtype
    grad_MD = products.select_rows(grad, token_M)
    weighted_grad_MF = products.multiply_back(grad_MD, down, ends_E)
    activated_MF = activate(hidden_MO)
    gates_grad_M = raise_precision(weighted_grad_MF * activated_MF).sum(-1)
    activated = products.take(activated_MF.mul_(gates_M1), Source.ACTIVATION, dtype)
    down_grad = products.sum_outer(grad_MD, activated, ends_E)
    hidden_grad_MO = differentiate_activation(hidden_MO, weighted_grad_MF.mul_(gates_M1))
    hidden_grad = products.take(hidden_grad_MO, Source.GRADIENT, dtype)
    gate_up_grad = products.sum_outer(hidden_grad, products.select_rows(x, token_M), ends_E)
    x_grad_MD = products.multiply_back(hidden_grad, gate_up, ends_E)
    return Gradients(x_grad_MD, gates_grad_M, gate_up_grad, down_grad)
