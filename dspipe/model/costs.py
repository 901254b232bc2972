"""What a network costs: turns its shape into parameters, operations and bytes, in closed form, without torch.

Each has a slow twin in the tests: parameters are counted in the network itself, operations and the bytes that
are kept for the backward pass while one runs.

Parameters: "active" counts what one token is multiplied with: K of E experts, and of the embedding nothing,
since a look-up is no product (671B: 36.6 billion, with the embedding 37.6). The gates' biases are counted, as
in the published 671,026,419,200, although no gradient moves them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from dspipe.recipe import Model

FLOAT = 4  # bytes of float32: of weights, gradients, moments, norms and whatever stays exact
INDEX = 8  # bytes of a number that says where something stands
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


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds on its device.

    `weights`, `gradients` and `moments` are float32. `copies` are weights in bfloat16, where that is computed
    in. The rest grows with a micro-batch and is kept for its backward pass: of attention, of the MLPs and
    experts, of norms and the residual stream, and of the loss, which has the head's gradient already.
    """

    weights: int
    gradients: int
    moments: int
    copies: int
    attention: int
    mlps: int
    residual: int
    loss: int

    @property
    def lasting(self) -> int:
        """What there is between steps: weights, gradients' room, moments."""
        return self.weights + self.gradients + self.moments

    @property
    def activations(self) -> int:
        return self.attention + self.mlps + self.residual + self.loss

    @property
    def all(self) -> int:
        return self.lasting + self.copies + self.activations


def estimate_memory(config: Model, vocabulary: int, tokens: int, width: int) -> Memory:
    """For a micro-batch of so many tokens, computed in numbers of `width` bytes: 4 or 2.

    Peaks are a little higher: temporary tensors, and what the allocator cannot use again.
    """
    count = count_parameters(config, vocabulary)
    parameters = count.all
    sparse, depths = config.layers - config.dense_layers + config.mtp_depth, config.mtp_depth
    layers, dense = config.layers + depths, config.dense_layers
    learned = parameters - (sparse * config.experts if config.gate == "sigmoid" else 0)  # the biases are not
    mlps = dense * keep_dense(config, width) + sparse * keep_experts(config, width)
    # Each block has its input and what follows attention; then the final norm, and every depth's way in.
    residual = (2 * layers + 1) * (config.width + 1) * FLOAT
    joint = 2 * config.width * width + (2 * config.width + 3) * FLOAT
    losses = (1 + depths) * config.width * FLOAT
    return Memory(
        weights=parameters * FLOAT,
        gradients=learned * FLOAT,
        moments=2 * learned * FLOAT,
        copies=0 if width == FLOAT else count_products(config) * width,
        attention=tokens * layers * keep_attention(config, width),
        mlps=tokens * mlps,
        residual=tokens * (residual + depths * joint),
        loss=tokens * losses + (1 + depths) * count.head * FLOAT,
    )


def count_products(config: Model) -> int:
    """Parameters of the matrices that a cast copy is kept of: not of embedding, head and gates."""
    sparse, expert = config.layers - config.dense_layers + config.mtp_depth, 3 * config.expert_width
    attention = (config.layers + config.mtp_depth) * count_attention(config)[0]
    dense = config.dense_layers * 3 * config.dense_width * config.width
    experts = sparse * (config.experts + config.shared_experts) * expert * config.width
    return attention + dense + experts + config.mtp_depth * 2 * config.width**2


def keep_attention(config: Model, width: int) -> int:
    """Bytes per token that one layer's attention keeps.

    Where bfloat16 is computed in, every product has its input cast for itself and norms see float32.
    """
    exact = width == FLOAT
    wide = config.head_width + config.rope_width
    padded = -(-max(wide, config.value_width) // 8) * 8
    inputs = config.width * (FLOAT if exact else 2 * width)
    latents = [config.key_value_rank] + ([] if config.query_rank is None else [config.query_rank])
    normed = sum(rank * (FLOAT + width) + FLOAT for rank in latents)
    normed += config.rope_width * FLOAT if exact else 0  # lies beside the latent
    value, drawn = padded, padded + config.value_width  # the narrow copy goes on
    if config.value_width == padded:  # not widened: a view of what lies beside the keys
        value, drawn = config.head_width + config.value_width, config.value_width
    return inputs + normed + config.heads * ((2 * padded + value + drawn) * width + FLOAT)


def keep_dense(config: Model, width: int) -> int:
    """Bytes per token that a dense MLP keeps: its input, gate and up, their product."""
    return (config.width + 3 * config.dense_width) * width


def keep_experts(config: Model, width: int) -> int:
    """Bytes per token that a layer of experts keeps: inputs, gate, routing, gate and up of each expert."""
    shared = config.shared_experts * config.expert_width
    inputs = config.width * FLOAT
    if width != FLOAT:  # the gate's stays float32, the others are cast
        inputs += config.width * width * (2 if shared else 1)
    chosen = config.chosen_experts
    routing = (config.experts + chosen + 3) * FLOAT + 3 * chosen * INDEX
    return inputs + routing + chosen * (2 * config.expert_width + 1) * width + 3 * shared * width
