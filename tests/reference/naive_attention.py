"""The slow twin of `dspipe.model.attention.layer`: one head, one query, one key at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dspipe.model.attention.layer import Attention
from dspipe.recipe import Model


def frequency(pair: int, config: Model) -> float:
    """Radians per token of a pair, by the formula of arXiv 2309.00071 with the ramp over pairs."""
    width, theta, yarn = config.rope_width, config.rope_theta, config.yarn
    plain = theta ** (-2 * pair / width)
    if yarn is None:
        return plain
    bounds = [
        width * math.log(yarn.original_length / (2 * math.pi * turns)) / (2 * math.log(theta))
        for turns in (yarn.beta_fast, yarn.beta_slow)
    ]
    low, high = max(math.floor(bounds[0]), 0), min(math.ceil(bounds[1]), width - 1)
    share = min(max((pair - low) / (high - low), 0.0), 1.0)
    return share * plain / yarn.factor + (1 - share) * plain


def rotate(x: Tensor, position: int, config: Model) -> Tensor:
    out = x.clone()
    for j in range(0, len(x), 2):
        angle = position * frequency(j // 2, config)
        cos, sin = math.cos(angle), math.sin(angle)
        out[j] = x[j] * cos - x[j + 1] * sin
        out[j + 1] = x[j] * sin + x[j + 1] * cos
    return out


def normalise(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x / (x.pow(2).mean() + epsilon).sqrt() * weight


def run_attention(layer: Attention, x_LD: Tensor, documents: list[int] | None = None) -> Tensor:
    """documents: the document of each token, if those are apart."""
    config = layer.config
    wide, epsilon = config.head_width + config.rope_width, config.norm_epsilon
    scale = wide**-0.5
    if config.yarn is not None:
        scale *= (1 + 0.1 * config.yarn.mscale * math.log(config.yarn.factor)) ** 2
    queries, keys, values = [], [], []
    for position, x_D in enumerate(x_LD):
        if config.query_rank is None:
            query = layer.query.weight @ x_D
        else:
            latent = normalise(layer.query_down.weight @ x_D, layer.query_norm.weight, epsilon)
            query = layer.query_up.weight @ latent
        compressed = layer.key_value_down.weight @ x_D
        shared = rotate(compressed[config.key_value_rank :], position, config)
        latent = normalise(compressed[: config.key_value_rank], layer.key_value_norm.weight, epsilon)
        expanded = (layer.key_value_up.weight @ latent).view(config.heads, -1)
        heads = query.view(config.heads, wide)
        queries.append(
            [
                torch.cat([q[: config.head_width], rotate(q[config.head_width :], position, config)])
                for q in heads
            ]
        )
        keys.append([torch.cat([e[: config.head_width], shared]) for e in expanded])
        values.append([e[config.head_width :] for e in expanded])
    outputs = []
    for i in range(len(x_LD)):
        seen = [j for j in range(i + 1) if documents is None or documents[j] == documents[i]]
        drawn = []
        for h in range(config.heads):
            scores = torch.stack([queries[i][h] @ keys[j][h] for j in seen]) * scale
            weights = scores.softmax(0)
            drawn.append(sum(weights[n] * values[j][h] for n, j in enumerate(seen)))
        outputs.append(layer.output.weight @ torch.cat(drawn))
    return torch.stack(outputs)
