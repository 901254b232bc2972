"""The slow twin of `dspipe.model.attention`: one head, one query, one key at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspipe.model.attention import Attention


def rotate(x: Tensor, position: int, theta: float) -> Tensor:
    out = x.clone()
    for j in range(0, len(x), 2):
        angle = position * theta ** (-j / len(x))
        cos, sin = math.cos(angle), math.sin(angle)
        out[j] = x[j] * cos - x[j + 1] * sin
        out[j + 1] = x[j] * sin + x[j + 1] * cos
    return out


def normalise(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x / (x.pow(2).mean() + epsilon).sqrt() * weight


def run_attention(layer: Attention, x_LD: Tensor) -> Tensor:
    config = layer.config
    wide, theta, epsilon = config.head_width + config.rope_width, config.rope_theta, config.norm_epsilon
    queries, keys, values = [], [], []
    for position, x_D in enumerate(x_LD):
        if config.query_rank is None:
            query = layer.query.weight @ x_D
        else:
            latent = normalise(layer.query_down.weight @ x_D, layer.query_norm.weight, epsilon)
            query = layer.query_up.weight @ latent
        compressed = layer.key_value_down.weight @ x_D
        shared = rotate(compressed[config.key_value_rank :], position, theta)
        latent = normalise(compressed[: config.key_value_rank], layer.key_value_norm.weight, epsilon)
        expanded = (layer.key_value_up.weight @ latent).view(config.heads, -1)
        heads = query.view(config.heads, wide)
        queries.append(
            [
                torch.cat([q[: config.head_width], rotate(q[config.head_width :], position, theta)])
                for q in heads
            ]
        )
        keys.append([torch.cat([e[: config.head_width], shared]) for e in expanded])
        values.append([e[config.head_width :] for e in expanded])
    outputs = []
    for i in range(len(x_LD)):
        drawn = []
        for h in range(config.heads):
            scores = torch.stack([queries[i][h] @ keys[j][h] for j in range(i + 1)]) * wide**-0.5
            weights = scores.softmax(0)
            drawn.append(sum(weights[j] * values[j][h] for j in range(i + 1)))
        outputs.append(layer.output.weight @ torch.cat(drawn))
    return torch.stack(outputs)
