"""The routed experts on a CPU: each expert in its turn goes from its tokens to their outcome, so that what it
makes lies in the cache when the next product wants it.

The sums are those of grouped products over all experts (`routed.py`), bit for bit: the same products of the
same slices, in another order. What does not outlast an expert is in memory that the next one uses again.

Legend: N tokens of all rows, D width, E experts, F expert width, O = 2F, M places of tokens sorted by expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.model.activation import activate
from dspipe.model.precision import raise_precision
from dspipe.model.products.plain import Products, Weight


class Places(NamedTuple):
    """Which token stands at each place, with which gate, and where each expert's places end."""

    token_M: Tensor
    gates_M1: Tensor
    ends_E: Tensor

    def list_slices(self) -> Iterator[slice]:
        start = 0
        for end in self.ends_E.tolist():
            yield slice(start, end)
            start = end


class Gradients(NamedTuple):
    """By x at each place, by gates and by the weights."""

    x_MD: Tensor
    gates_M: Tensor
    gate_up_EOD: Tensor
    down_EDF: Tensor


def run_turns(
    x_ND: Tensor, gate_up: Weight, down: Weight, places: Places, products: Products
) -> tuple[Tensor, Tensor]:
    """`hidden_MO`, the products with gate and up, and `y_MD`; in the type of x. The products are plain."""
    count = len(places.token_M)
    hidden_MO = x_ND.new_empty(count, gate_up.tensor.shape[1])
    y_MD = x_ND.new_empty(count, x_ND.shape[1])
    for place, ways_in, way_out in zip(places.list_slices(), gate_up.tensor, down.tensor, strict=True):
        x = x_ND.index_select(0, places.token_M[place])
        hidden = torch.mm(x, ways_in.to(x.dtype).T, out=hidden_MO[place])
        torch.mm(activate(hidden).mul_(places.gates_M1[place]), way_out.to(x.dtype).T, out=y_MD[place])
    return hidden_MO, y_MD


def run_turns_back(
    grad_ND: Tensor,
    x_ND: Tensor,
    hidden_MO: Tensor,
    gate_up: Weight,
    down: Weight,
    places: Places,
    products: Products,
) -> Gradients:
    """All gradients, from that by y, which is of the type of x."""
    found = Gradients(
        grad_ND.new_empty(len(hidden_MO), x_ND.shape[1]),
        raise_precision(hidden_MO.new_empty(len(hidden_MO))),
        grad_ND.new_empty(gate_up.tensor.shape),
        grad_ND.new_empty(down.tensor.shape),
    )
    experts = zip(places.list_slices(), gate_up.tensor, down.tensor, *found[2:], strict=True)
    for place, ways_in, way_out, ways_in_grad, way_out_grad in experts:
        token, gates, hidden = places.token_M[place], places.gates_M1[place], hidden_MO[place]
        grad = grad_ND.index_select(0, token)
        weighted_grad = grad @ way_out.to(grad.dtype)
        gate, up = hidden.chunk(2, -1)
        silu = F.silu(gate)
        activated = silu * up
        torch.sum(raise_precision(weighted_grad * activated), -1, out=found.gates_M[place])
        torch.mm(grad.T, activated.mul_(gates), out=way_out_grad)
        weighted_grad.mul_(gates)
        hidden_grad = torch.empty_like(hidden)
        gate_grad, up_grad = hidden_grad.chunk(2, -1)
        torch.mul(weighted_grad, silu, out=up_grad)
        torch.ops.aten.silu_backward.grad_input(weighted_grad.mul_(up), gate, grad_input=gate_grad)
        torch.mm(hidden_grad.T, x_ND.index_select(0, token), out=ways_in_grad)
        torch.mm(hidden_grad, ways_in.to(grad.dtype), out=found.x_MD[place])
    return found
