"""The mixture of experts: turns each token's hidden state into the sum of its shared and its chosen experts.

The gate chooses K of E experts on affinity + bias and weighs them by affinity alone (DeepSeek-V3 report,
2.1.2); the bias is moved by the training loop (`dspipe.train.balance`), never by a gradient. Tokens are
sorted by expert, so that each expert sees one contiguous slice; no token is dropped. What the balancing needs
is returned, not kept in the module, so that nothing can be counted twice.

Dispatch gathers rows, combination gathers and sums, and each is the other's gradient: nothing is scattered by
atomics, and two runs give the same bits.

Legend: N tokens of all rows, D width, E experts, K chosen experts, F expert width, G groups, B rows, M = N·K
places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dspipe.recipe import Model


@dataclass(frozen=True)
class Routing:
    """Which experts each token goes to, with which weight.

    `affinity_NE` is un-biased. `experts_NK` holds expert numbers, `gates_NK` the weights in float32.
    """

    affinity_NE: Tensor
    experts_NK: Tensor
    gates_NK: Tensor


@dataclass(frozen=True)
class Dispatch:
    """The tokens' M = N·K places, sorted by expert.

    `order_M[i]` is the flat (token, k) that stands at place i, `place_NK` where each (token, k) stands,
    `ends_E` (int32) where each expert's slice ends.
    """

    order_M: Tensor
    place_NK: Tensor
    ends_E: Tensor


@dataclass(frozen=True)
class BalanceReport:
    """What one layer tells the training loop about one forward pass; padding is in none of it.

    `loads_E` counts tokens per expert (int64). `sequence_sum` is the sum over rows of Σ_i f_i·P_i, 1 for a
    row in perfect balance; its gradient goes through P alone.
    """

    loads_E: Tensor
    sequence_sum: Tensor


class GatedMLP(nn.Module):
    """down(silu(gate x) * up x), with gate and up in one weight: a dense layer's MLP and the shared
    experts.
    """

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden_width, bias=False)
        self.down = nn.Linear(hidden_width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(swiglu(self.gate_up(x)))
        return y


class Gate(nn.Module):
    bias: Tensor | None

    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.experts, config.width))
        # V2's softmax gate has no bias. Float32 whatever the computation: steps of 0.001 vanish in bfloat16.
        has_bias = config.gate == "sigmoid"
        self.register_buffer("bias", torch.zeros(config.experts, dtype=torch.float32) if has_bias else None)

    def forward(self, x_ND: Tensor) -> Routing:
        with torch.autocast(x_ND.device.type, enabled=False):
            scores_NE = F.linear(x_ND.float(), self.weight.float())
        sigmoid = self.config.gate == "sigmoid"
        affinity_NE = scores_NE.sigmoid() if sigmoid else scores_NE.softmax(-1)
        experts_NK = choose_experts(affinity_NE.detach(), self.bias, self.config)
        gates_NK = affinity_NE.gather(1, experts_NK)
        if sigmoid:
            gates_NK = gates_NK / (gates_NK.sum(-1, keepdim=True) + 1e-20)
        return Routing(affinity_NE, experts_NK, gates_NK * self.config.gate_scale)


def choose_experts(affinity_NE: Tensor, bias_E: Tensor | None, config: Model) -> Tensor:
    """The K experts of each token, as `experts_NK`: top-K of affinity + bias within the best groups.

    A group's score is the sum of its two best experts in V3, the best one in V2. Experts of other groups get
    -inf, not 0, which would win over a negative biased affinity.
    """
    biased_NE = affinity_NE if bias_E is None else affinity_NE + bias_E
    if config.chosen_groups < config.groups:
        biased_NGE = biased_NE.view(len(biased_NE), config.groups, -1)
        best = min(2 if bias_E is not None else 1, biased_NGE.shape[-1])
        groups_NG = biased_NGE.topk(best, -1).values.sum(-1).topk(config.chosen_groups, -1).indices
        rejected_NG = torch.ones(biased_NGE.shape[:2], dtype=torch.bool, device=biased_NE.device)
        rejected_NG.scatter_(1, groups_NG, False)
        biased_NE = biased_NGE.masked_fill(rejected_NG[..., None], -torch.inf).flatten(1)
    return biased_NE.topk(config.chosen_experts, -1).indices


class Experts(nn.Module):
    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        self.gate = Gate(config)
        self.gate_up = nn.Parameter(torch.empty(config.experts, 2 * config.expert_width, config.width))
        self.down = nn.Parameter(torch.empty(config.experts, config.width, config.expert_width))
        self.shared = None
        if config.shared_experts:
            self.shared = GatedMLP(config.width, config.shared_experts * config.expert_width)

    def forward(self, x_BLD: Tensor, valid_BL: Tensor) -> tuple[Tensor, BalanceReport]:
        x_ND = x_BLD.flatten(0, 1)
        routing = self.gate(x_ND)
        y_BLD = self.run_experts(x_ND, routing).view_as(x_BLD)
        if self.shared is not None:
            y_BLD = y_BLD + self.shared(x_BLD)
        return y_BLD, report_balance(routing, valid_BL)

    def run_experts(self, x_ND: Tensor, routing: Routing) -> Tensor:
        dispatch = sort_by_expert(routing.experts_NK, self.config.experts)
        x_MD = Gather.apply(x_ND, dispatch)  # type: ignore[no-untyped-call]
        hidden_MF = swiglu(multiply_grouped(x_MD, self.gate_up, dispatch.ends_E))
        y_MD = multiply_grouped(hidden_MF, self.down, dispatch.ends_E)
        combined: Tensor = Combine.apply(y_MD, routing.gates_NK, dispatch)  # type: ignore[no-untyped-call]
        return combined


def sort_by_expert(experts_NK: Tensor, experts: int) -> Dispatch:
    flat_M = experts_NK.flatten()
    order_M = flat_M.argsort(stable=True)
    place_M = torch.empty_like(order_M)
    place_M[order_M] = torch.arange(len(order_M), device=order_M.device)
    return Dispatch(order_M, place_M.view_as(experts_NK), count_bins(flat_M, experts).cumsum(0).int())


def count_bins(numbers: Tensor, bins: int) -> Tensor:
    """How often each number 0..bins-1 occurs; unlike `bincount`, without waiting for a GPU."""
    counts = torch.zeros(bins, dtype=torch.int64, device=numbers.device)
    return counts.scatter_add_(0, numbers, torch.ones_like(numbers))


def report_balance(routing: Routing, valid_BL: Tensor) -> BalanceReport:
    """Count loads, and the sequence-wise balance of DeepSeek-V3 report, equations 17 to 20.

    f counts the top-K of the affinities as they are, without bias and groups; P is normalised over all E
    experts.
    """
    (rows, length), (_, experts) = valid_BL.shape, routing.affinity_NE.shape
    chosen = routing.experts_NK.shape[1]
    top_NK = routing.affinity_NE.detach().topk(chosen, -1).indices
    row_N1 = torch.arange(rows, device=valid_BL.device).repeat_interleave(length)[:, None]
    valid_N1 = valid_BL.flatten()[:, None]
    # Padding goes to one more bin, which is cut off.
    bins_NK = torch.where(valid_N1, row_N1 * experts + top_NK, rows * experts)
    counts_BE = count_bins(bins_NK.flatten(), rows * experts + 1)[:-1].view(rows, experts)
    tokens_B1 = valid_BL.sum(1, keepdim=True).clamp(min=1)
    frequency_BE = counts_BE * (experts / chosen) / tokens_B1
    share_NE = routing.affinity_NE / routing.affinity_NE.sum(-1, keepdim=True)
    share_BE = (share_NE * valid_N1).view(rows, length, experts).sum(1) / tokens_B1
    loads_E = count_bins(torch.where(valid_N1, routing.experts_NK, experts).flatten(), experts + 1)[:-1]
    return BalanceReport(loads_E, (frequency_BE * share_BE).sum())


class Gather(torch.autograd.Function):
    """`x_MD[i]` = the token at place i."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, dispatch: Dispatch) -> Tensor:
        ctx.dispatch = dispatch
        return x_ND.index_select(0, dispatch.order_M // dispatch.place_NK.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MD: Tensor) -> tuple[Tensor, None]:
        return F.embedding_bag(ctx.dispatch.place_NK, grad_MD, mode="sum"), None


class Combine(torch.autograd.Function):
    """`y_ND[n]` = Σ_k gates[n, k] · y[place of (n, k)]."""

    @staticmethod
    def forward(ctx: Any, y_MD: Tensor, gates_NK: Tensor, dispatch: Dispatch) -> Tensor:
        gates_NK = gates_NK.to(y_MD.dtype)
        ctx.save_for_backward(y_MD, gates_NK)
        ctx.dispatch = dispatch
        return F.embedding_bag(dispatch.place_NK, y_MD, mode="sum", per_sample_weights=gates_NK)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor, Tensor, None]:
        y_MD, gates_NK = ctx.saved_tensors
        order_M, place_NK = ctx.dispatch.order_M, ctx.dispatch.place_NK
        grad_MD = grad_ND.index_select(0, order_M // gates_NK.shape[1])
        gates_grad_M = (grad_MD * y_MD).float().sum(-1)
        grad_MD = grad_MD.mul_(gates_NK.flatten()[order_M, None])
        return grad_MD, gates_grad_M[place_NK], None


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(first half) * second half."""
    activated: Tensor = SwiGLU.apply(gate_up)  # type: ignore[no-untyped-call]
    return activated


class SwiGLU(torch.autograd.Function):
    """Keeps its input alone for the gradient, and computes the rest again."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, -1)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, -1)
        gradient = torch.empty_like(gate_up)
        gate_grad, up_grad = gradient.chunk(2, -1)
        torch.mul(grad, F.silu(gate), out=up_grad)
        gate_grad.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return gradient


def multiply_grouped(x_MI: Tensor, weight_EOI: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's slice of x times its own weight: `y_MO`.

    On a GPU one grouped kernel, which wants sizes in multiples of 16 bytes; on a CPU a loop over slices, as
    fast as torch's grouped_mm there, for any size.
    """
    x_MI, weight_EOI = (tensor.to(compute_dtype(x_MI)) for tensor in (x_MI, weight_EOI))
    if x_MI.is_cuda:
        return F.grouped_mm(x_MI, weight_EOI.transpose(1, 2), offs=ends_E)
    counts = ends_E.diff(prepend=ends_E.new_zeros(1)).tolist()
    product: Tensor = GroupedProduct.apply(x_MI, weight_EOI, counts)  # type: ignore[no-untyped-call]
    return product


def compute_dtype(x: Tensor) -> torch.dtype:
    """What matrices are multiplied in: autocast's type where that is on, else x's own."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


class GroupedProduct(torch.autograd.Function):
    """A loop over the experts' slices; each product is written where it belongs."""

    @staticmethod
    def forward(ctx: Any, x_MI: Tensor, weight_EOI: Tensor, counts: list[int]) -> Tensor:
        ctx.save_for_backward(x_MI, weight_EOI)
        ctx.counts = counts
        y_MO = x_MI.new_empty(len(x_MI), weight_EOI.shape[1])
        slices = (torch.split(tensor, counts) for tensor in (x_MI, y_MO))
        for x, y, weight in zip(*slices, weight_EOI, strict=True):
            torch.mm(x, weight.T, out=y)
        return y_MO

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MO: Tensor) -> tuple[Tensor, Tensor, None]:
        x_MI, weight_EOI = ctx.saved_tensors
        x_grad, weight_grad = torch.empty_like(x_MI), torch.empty_like(weight_EOI)
        slices = (torch.split(tensor, ctx.counts) for tensor in (x_MI, grad_MO, x_grad))
        for x, grad, x_out, weight, weight_out in zip(*slices, weight_EOI, weight_grad, strict=True):
            torch.mm(grad, weight, out=x_out)
            torch.mm(grad.T, x, out=weight_out)  # of an empty slice: zeros
        return x_grad, weight_grad, None
