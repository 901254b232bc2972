"""The network's size: turns its shape into parameter counts, in closed form and without torch.

"Active" counts what one token is multiplied with: K of E experts, and of the embedding nothing, since a
look-up is no product (671B: 36.6 billion, with the embedding 37.6). The gates' biases are counted, as in the
published 671,026,419,200, although no gradient moves them.
"""

from __future__ import annotations

from dataclasses import dataclass

from dspipe.recipe import Model


@dataclass(frozen=True)
class ParameterCount:
    """Parameters by part. `multi_token` is what its modules own; `total` and `active` are without it."""

    embedding: int
    attention: int
    dense: int
    routed_experts: int
    shared_experts: int
    gates: int
    norms: int
    head: int
    multi_token: int
    active: int

    @property
    def total(self) -> int:
        body = (
            self.attention + self.dense + self.routed_experts + self.shared_experts + self.gates + self.norms
        )
        return self.embedding + body + self.head


def count_parameters(config: Model, vocabulary: int) -> ParameterCount:
    sparse = config.layers - config.dense_layers
    dense, expert = 3 * config.width * config.dense_width, 3 * config.width * config.expert_width
    attention, latent_norms = count_attention(config)
    block_norms = 2 * config.width + latent_norms
    routed, shared, gate = (
        config.experts * expert,
        config.shared_experts * expert,
        config.experts * config.width,
    )
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
