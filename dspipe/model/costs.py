"""What a network costs: turns its shape into parameters and operations, in closed form, without torch.

Each has a slow twin in the tests: parameters are counted in the network itself, operations while one runs.

Parameters: "active" counts what one token is multiplied with: K of E experts, and of the embedding nothing,
since a look-up is no product (671B: 36.6 billion, with the embedding 37.6). The gates' biases are counted, as
in the published 671,026,419,200, although no gradient moves them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from dspipe.recipe import Model

BACKWARD = 2  # a backward pass multiplies twice what the forward pass does


@dataclass(frozen=True)
class Parts:
    """Numbers by part of the network; `multi_token` is all of its modules."""

    embedding: int
    attention: int
    dense: int
    routed_experts: int
    shared_experts: int
    gates: int
    norms: int
    head: int
    multi_token: int

    @property
    def main(self) -> int:
        """The sum without multi-token prediction."""
        return self.all - self.multi_token

    @property
    def all(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class ParameterCount(Parts):
    """Parameters by part. `multi_token` is what its modules own; `total` and `active` are without it."""

    active: int

    @property
    def all(self) -> int:
        return super().all - self.active

    @property
    def total(self) -> int:
        return self.main


def count_parameters(config: Model, vocabulary: int) -> ParameterCount:
    sparse = config.layers - config.dense_layers
    dense, expert = 3 * config.width * config.dense_width, 3 * config.width * config.expert_width
    attention, latent_norms = count_attention(config)
    block_norms = 2 * config.width + latent_norms
    routed, shared = config.experts * expert, config.shared_experts * expert
    gate = config.experts * config.width
    gate += config.experts if config.gate == "sigmoid" else 0  # the bias
    joint = 2 * config.width**2 + 3 * config.width
    table = vocabulary * config.width
    body = config.layers * (attention + block_norms) + config.width + sparse * (routed + shared + gate)
    body += config.dense_layers * dense
    return ParameterCount(
        embedding=table,
        attention=config.layers * attention,
        dense=config.dense_layers * dense,
        routed_experts=sparse * routed,
        shared_experts=sparse * shared,
        gates=sparse * gate,
        norms=config.layers * block_norms + config.width,
        head=table,
        multi_token=config.mtp_depth * (joint + attention + block_norms + routed + shared + gate),
        active=body - sparse * (config.experts - config.chosen_experts) * expert + table,
    )


def count_attention(config: Model) -> tuple[int, int]:
    """Matrices and latent norms of one layer's attention."""
    head = config.head_width + config.rope_width
    query = config.width * config.heads * head
    if config.query_rank is not None:
        query = config.query_rank * (config.width + config.heads * head)
    key_value = config.width * (config.key_value_rank + config.rope_width)
    key_value += config.key_value_rank * config.heads * (config.head_width + config.value_width)
    output = config.heads * config.value_width * config.width
    return query + key_value + output, (config.query_rank or 0) + config.key_value_rank


@dataclass(frozen=True)
class Operations:
    """Floating-point operations of training per token, by part; two per multiplication and addition.

    The look-up of embeddings, norms, rotations and activations are not counted, as they never are.
    """

    attention: int
    scores: int
    dense: int
    routed_experts: int
    shared_experts: int
    gates: int
    head: int
    multi_token: int

    @property
    def main(self) -> int:
        """The sum without multi-token prediction: DeepSeek-V3's 250 billion at 4K (arXiv 2505.09343)."""
        return self.all - self.multi_token

    @property
    def all(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


def count_operations(config: Model, vocabulary: int, length: int) -> Operations:
    """Of one token in rows of `length`, which sees (length + 1) / 2 tokens on average."""
    sparse, expert = config.layers - config.dense_layers, 3 * config.width * config.expert_width
    projections, _ = count_attention(config)
    head_width = config.head_width + config.rope_width + config.value_width
    scores = config.heads * head_width * (length + 1)  # of two tokens
    routed, shared = config.chosen_experts * expert, config.shared_experts * expert
    gate, head = config.experts * config.width, vocabulary * config.width
    depth = 2 * config.width**2 + projections + routed + shared + gate + head
    factor = 2 * (1 + BACKWARD)
    return Operations(
        attention=factor * config.layers * projections,
        scores=factor * config.layers * scores // 2,
        dense=factor * config.dense_layers * 3 * config.width * config.dense_width,
        routed_experts=factor * sparse * routed,
        shared_experts=factor * sparse * shared,
        gates=factor * sparse * gate,
        head=factor * head,
        multi_token=factor * config.mtp_depth * depth + factor * config.mtp_depth * scores // 2,
    )
