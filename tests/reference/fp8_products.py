"""Products in FP8 the slow way: every operand quantized by itself, experts one after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.fp8.tiles import quantize_columns, quantize_tiles, quantize_weight, retile


def round_rows(x: Tensor, power: bool = False) -> Tensor:
    """What tiles of 1 x 128 make of x, in float64."""
    return quantize_tiles(x, power).dequantize().double()


def round_weight(weight: Tensor) -> Tensor:
    return quantize_weight(weight).dequantize().double()


def round_columns(x: Tensor, power: bool = False) -> Tensor:
    """What tiles of 128 x 1 make of x."""
    return quantize_columns(x, power).dequantize().double().T


def round_twice(x: Tensor, power: bool = False) -> Tensor:
    """What is left of x when it was cut 1 x 128 and is cut anew 128 x 1."""
    return retile(quantize_tiles(x, power), power).dequantize().double().T


def multiply(x: Tensor, weight: Tensor, power: bool = False) -> Tensor:
    return round_rows(x, power) @ round_weight(weight).T


def differentiate(x: Tensor, weight: Tensor, grad: Tensor, power: bool = False) -> tuple[Tensor, Tensor]:
    """The gradients by x and by the weight."""
    return round_rows(grad) @ round_weight(weight), round_columns(grad).T @ round_twice(x, power)


def run_experts(
    x_ND: Tensor, gates_NK: Tensor, experts_NK: Tensor, gate_up_EOD: Tensor, down_EDF: Tensor, grad_ND: Tensor
) -> dict[str, Tensor]:
    """Outputs and gradients of the routed experts, an expert at a time, in float32 between products."""
    found = {
        "y": torch.zeros_like(x_ND, dtype=torch.float64),
        "x": torch.zeros_like(x_ND, dtype=torch.float64),
        "gates": torch.zeros_like(gates_NK, dtype=torch.float64),
        "gate_up": torch.zeros_like(gate_up_EOD, dtype=torch.float64),
        "down": torch.zeros_like(down_EDF, dtype=torch.float64),
    }
    sent, sent_grad = round_rows(x_ND, True).float(), round_rows(grad_ND, True).float()
    for expert in range(len(gate_up_EOD)):
        tokens, slots = (experts_NK == expert).nonzero(as_tuple=True)
        if not len(tokens):
            continue
        up, down = round_weight(gate_up_EOD[expert]), round_weight(down_EDF[expert])
        gates = gates_NK[tokens, slots, None]
        hidden = (sent[tokens].double() @ up.T).float()
        weighed = silu_product(hidden) * gates
        found["y"].index_add_(0, tokens, round_rows(weighed) @ down.T)

        grad = sent_grad[tokens]
        inner = (grad.double() @ down).float()
        kept = round_rows(hidden).float()
        activated = silu_product(kept)
        found["gates"][tokens, slots] = (inner * activated).sum(1).double()
        found["down"][expert] = round_columns(grad, True).T @ round_columns(activated * gates)
        hidden_grad = differentiate_by(silu_product, kept, inner * gates)
        found["gate_up"][expert] = round_columns(hidden_grad).T @ round_columns(sent[tokens], True)
        found["x"].index_add_(0, tokens, round_rows(hidden_grad) @ up)
    return found


def silu_product(hidden: Tensor) -> Tensor:
    gate, up = hidden.chunk(2, -1)
    return F.silu(gate) * up


def differentiate_by(function: Callable[[Tensor], Tensor], x: Tensor, grad: Tensor) -> Tensor:
    """By torch's own means."""
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(function(leaf), leaf, grad)
    return found
