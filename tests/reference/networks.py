"""Small networks and batches for tests, with weights large enough for every part to matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import Model

VOCABULARY = 61


def small_model(**changes: Any) -> Model:
    shape: dict[str, Any] = dict(
        width=21, layers=3, heads=3, query_rank=10, key_value_rank=9, head_width=6, rope_width=4,
        value_width=5, dense_width=22, expert_width=7, experts=8, chosen_experts=3, initial_deviation=0.3,
    )  # fmt: skip
    return Model(**(shape | changes))


def small_network(seed: int = 0, **changes: Any) -> Transformer:
    """Norms and biases are random too, the biases on both sides of zero and as large as affinities."""
    network = build_transformer(small_model(**changes), VOCABULARY, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
        for bias in network.buffers():
            bias.uniform_(-1.5, 0.5, generator=generator)
    return network


def random_batch(lengths: list[list[int]], length: int, seed: int = 0) -> PackedBatch:
    tokens = np.random.default_rng(seed).integers(0, VOCABULARY, (len(lengths), length)).astype(np.uint32)
    return PackedBatch.from_lengths(tokens, lengths)
