"""The slow twin of `dspipe.model.experts`: token by token, expert by expert, as the report writes it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.model.experts.layer import Experts


def run_expert(x_D: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    gate, up = (gate_up @ x_D).chunk(2)
    return down @ (F.silu(gate) * up)


def choose(affinity_E: Tensor, layer: Experts) -> list[int]:
    config, bias = layer.config, layer.gate.bias
    biased = (affinity_E if bias is None else affinity_E + bias).tolist()
    size = config.experts // config.groups
    groups = [sorted(biased[g * size : (g + 1) * size], reverse=True) for g in range(config.groups)]
    scores = [sum(group[: 1 if bias is None else 2]) for group in groups]
    best = sorted(range(config.groups), key=lambda g: -scores[g])[: config.chosen_groups]
    candidates = [e for e in range(config.experts) if e // size in best]
    return sorted(candidates, key=lambda e: -biased[e])[: config.chosen_experts]


def run_layer(layer: Experts, x_ND: Tensor) -> tuple[Tensor, list[list[int]]]:
    """The layer's output, and each token's experts."""
    outputs, choices = [], []
    for x_D in x_ND:
        scores_E = layer.gate.weight @ x_D
        sigmoid = layer.config.gate == "sigmoid"
        affinity_E = scores_E.sigmoid() if sigmoid else scores_E.softmax(0)
        chosen = choose(affinity_E.detach(), layer)
        gates = affinity_E[chosen] * layer.config.gate_scale
        if sigmoid:
            gates = gates / affinity_E[chosen].sum()
        y_D = sum(
            gate * run_expert(x_D, layer.gate_up[e], layer.down[e])
            for gate, e in zip(gates, chosen, strict=True)
        )
        if layer.shared is not None:
            y_D = y_D + run_expert(x_D, layer.shared.gate_up.weight, layer.shared.down.weight)
        outputs.append(y_D)
        choices.append(chosen)
    return torch.stack(outputs), choices


def find_affinity(layer: Experts, tokens: Tensor) -> Tensor:
    scores = tokens @ layer.gate.weight.T
    return scores.sigmoid() if layer.config.gate == "sigmoid" else scores.softmax(-1)


def balance(layer: Experts, x_BLD: Tensor, valid_BL: Tensor) -> Tensor:
    """Σ over rows of Σ_i f_i P_i, V3's equations 17 to 20."""
    config, total = layer.config, torch.zeros(())
    for x_LD, valid_L in zip(x_BLD, valid_BL, strict=True):
        tokens = x_LD[valid_L]
        if not len(tokens):
            continue
        affinity = find_affinity(layer, tokens)
        for expert in range(config.experts):
            hits = sum(expert in row.topk(config.chosen_experts).indices for row in affinity.detach())
            f = config.experts / (config.chosen_experts * len(tokens)) * hits
            p = (affinity[:, expert] / affinity.sum(1)).mean()
            total = total + f * p
    return total


def auxiliary(layer: Experts, x_BLD: Tensor, valid_BL: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """V2's three losses (report, 2.2.3), without their weights, each summed over rows: token by token."""
    config = layer.config
    size = config.experts // config.groups
    expert_loss, device_loss, communication_loss = (torch.zeros(()) for _ in range(3))
    for x_LD, valid_L in zip(x_BLD, valid_BL, strict=True):
        tokens = x_LD[valid_L]
        if not len(tokens):
            continue
        affinity = find_affinity(layer, tokens)
        selected, sent = [0] * config.experts, [0] * config.groups
        p = [torch.zeros(()) for _ in range(config.experts)]
        for affinity_E in affinity:
            chosen = choose(affinity_E.detach(), layer)
            for expert in chosen:
                selected[expert] += 1
            for device in {expert // size for expert in chosen}:
                sent[device] += 1
            for expert in range(config.experts):
                p[expert] = p[expert] + affinity_E[expert] / affinity_E.sum() / len(tokens)
        f = [config.experts * count / (config.chosen_experts * len(tokens)) for count in selected]
        expert_loss = expert_loss + sum(f[i] * p[i] for i in range(config.experts))
        for device in range(config.groups):
            members = range(device * size, (device + 1) * size)
            of_device = torch.stack([p[i] for i in members]).sum()
            device_loss = device_loss + sum(f[i] for i in members) / size * of_device
            share = config.groups * sent[device] / (config.chosen_groups * len(tokens))
            communication_loss = communication_loss + share * of_device
    return expert_loss, device_loss, communication_loss
