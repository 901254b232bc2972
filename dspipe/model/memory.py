"""What training a network holds in memory: turns its shape into bytes, in closed form, without torch.

The slow twin in the tests counts the bytes that are kept while a network runs. All depends on how it is kept
(`Keeping`): inputs of products in the type that is computed in or as codes of 8 bits with a scale for each
128, the output of attention in 12 bits, or nothing of what is made again.
"""

from __future__ import annotations

from dataclasses import dataclass

from dspipe.model.costs import count_attention, count_parameters
from dspipe.recipe import Keeping, Model

FLOAT = 4  # bytes of float32: of weights, gradients, norms, scales and whatever stays exact
INDEX = 8  # bytes of a number that says where something stands
TILE = 128  # numbers that share a scale
CHUNK_LOGITS = 1 << 23  # made at a time: 32 MB of float32, what a CPU's last cache holds; 1024 tokens at 8K
CODE = 1 + FLOAT / TILE**2  # bytes of a weight in codes


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds on its device.

    `weights` and `gradients` are float32; `codes` are weights in 8 bits, where products are made so. The rest
    grows with a micro-batch and is kept for its backward pass: of attention, of the MLPs and experts, of
    norms and the residual stream, and of the loss, which has the head's gradient already.
    """

    weights: int
    gradients: int
    moments: int
    codes: int
    attention: int
    mlps: int
    residual: int
    loss: int

    @property
    def lasting(self) -> int:
        """What there is between steps: weights and their codes, gradients' room, moments."""
        return self.weights + self.gradients + self.moments + self.codes

    @property
    def activations(self) -> int:
        return self.attention + self.mlps + self.residual + self.loss

    @property
    def all(self) -> int:
        return self.lasting + self.activations


def estimate_memory(config: Model, vocabulary: int, tokens: int, keeping: Keeping) -> Memory:
    """For a micro-batch of so many tokens.

    Peaks are a little higher: temporary tensors, and what the allocator cannot use again.
    """
    count = count_parameters(config, vocabulary)
    parameters = count.all
    sparse, depths = config.layers - config.dense_layers + config.mtp_depth, config.mtp_depth
    layers, dense = config.layers + depths, config.dense_layers
    learned = parameters - (sparse * config.experts if config.gate == "sigmoid" else 0)  # the biases are not
    mlps = dense * keep_dense(config, keeping) + sparse * keep_experts(config, keeping)
    # Each block has its input and what follows attention; then the final norm, and every depth's way in.
    residual = (2 * layers + 1) * (config.width + 1) * FLOAT
    joint = 0 if "norms" in keeping.again else keep_input(2 * config.width, keeping)
    joint += (2 * config.width + 3) * FLOAT
    losses = (1 + depths) * config.width * FLOAT
    return Memory(
        weights=parameters * FLOAT,
        gradients=learned * FLOAT,
        moments=2 * learned * keeping.moment_width,
        codes=int(count_products(config) * CODE) if keeping.fp8 else 0,
        attention=tokens * layers * keep_attention(config, keeping),
        mlps=tokens * mlps,
        residual=tokens * (residual + depths * joint),
        loss=tokens * losses + (1 + depths) * count.head * FLOAT,
    )


def estimate_working(config: Model, vocabulary: int, tokens: int, keeping: Keeping) -> int:
    """Bytes beside, at the moment of the backward pass when most are held: what products work with.

    The largest of an attention's gradients, those of an MLP or a layer of experts, and of a chunk of logits,
    and the gradient of the residual stream throughout.
    """
    width, chosen = keeping.width, config.chosen_experts
    padded = -(-max(config.head_width + config.rope_width, config.value_width) // 8) * 8
    attention = (
        config.heads * padded * width * 7
    )  # queries, keys, values, and the gradients of these, of the output
    experts = chosen * (2 * config.width + 5 * config.expert_width) * width
    dense = 5 * config.dense_width * width if config.dense_layers else 0
    stream = 3 * config.width * FLOAT
    logits = 3 * max(CHUNK_LOGITS, vocabulary) * FLOAT
    working = max(tokens * (max(attention, experts, dense) + stream), logits)
    return 2 * working if keeping.fp8 else working  # operands, and what they come to from their codes


def count_products(config: Model) -> int:
    """Parameters of the matrices that are multiplied in codes: not of embedding, head and gates."""
    sparse, expert = config.layers - config.dense_layers + config.mtp_depth, 3 * config.expert_width
    attention = (config.layers + config.mtp_depth) * count_attention(config)[0]
    dense = config.dense_layers * 3 * config.dense_width * config.width
    experts = sparse * (config.experts + config.shared_experts) * expert * config.width
    return attention + dense + experts + config.mtp_depth * 2 * config.width**2


def count_codes(numbers: int) -> int:
    """Bytes of so many numbers of a token in codes of 8 bits, with their scales."""
    return numbers + -(-numbers // TILE) * FLOAT


def keep_input(numbers: int, keeping: Keeping) -> int:
    """Bytes per token that one product keeps of an input that nobody else has."""
    return count_codes(numbers) if keeping.codes_of_inputs else numbers * keeping.width


def keep_attention(config: Model, keeping: Keeping) -> int:
    """Bytes per token that one layer's attention keeps."""
    inputs, latents = 0, [config.key_value_rank] + ([] if config.query_rank is None else [config.query_rank])
    if "norms" not in keeping.again:  # of two products, which share it if it need be neither cast nor coded
        shared = keeping.width == FLOAT and not keeping.codes_of_inputs
        inputs = keep_input(config.width, keeping) * (1 if shared else 2)
        inputs += sum(keep_input(rank, keeping) for rank in latents)
        if config.query_rank is None and "projections" in keeping.again and not shared:
            inputs += config.width * FLOAT  # what queries are made from again
    normed = (sum(latents) + config.rope_width) * keeping.width  # the rotary key lies beside the latent
    return inputs + normed + len(latents) * FLOAT + keep_scores(config, keeping)


def keep_scores(config: Model, keeping: Keeping) -> int:
    """Of attention itself: queries, keys, values, what is drawn, and a logarithm for each head."""
    wide, width = config.head_width + config.rope_width, keeping.width
    padded = -(-max(wide, config.value_width) // 8) * 8
    value, drawn = padded, padded + config.value_width  # the narrow copy goes on
    if config.value_width == padded:  # not widened: a view of what lies beside the keys
        value, drawn = config.head_width + config.value_width, config.value_width
    kept = 0 if "projections" in keeping.again else config.heads * (2 * padded + value) * width
    if not keeping.codes_of_attention:
        return kept + config.heads * (drawn * width + FLOAT)
    numbers = config.heads * config.value_width
    return kept + -(-numbers // 2) * 3 + -(-numbers // TILE) * FLOAT + config.heads * FLOAT


def keep_mlp(hidden: int, keeping: Keeping) -> int:
    """Bytes per token that gate, up and their product keep, so wide."""
    if keeping.codes_of_activations:  # from which the product is made again
        return count_codes(2 * hidden)
    return 2 * hidden * keeping.width + (0 if "activations" in keeping.again else keep_input(hidden, keeping))


def keep_dense(config: Model, keeping: Keeping) -> int:
    """Bytes per token that a dense MLP keeps, its input with it."""
    inputs = 0 if "norms" in keeping.again else keep_input(config.width, keeping)
    return inputs + keep_mlp(config.dense_width, keeping)


def keep_experts(config: Model, keeping: Keeping) -> int:
    """Bytes per token that a layer of experts keeps: inputs, gate, routing, gate and up of each expert."""
    shared, inputs = config.shared_experts * config.expert_width, 0
    if "norms" not in keeping.again:
        inputs = config.width * FLOAT  # the gate's stays float32; the others are cast, or become codes
        if keeping.width != FLOAT or keeping.codes_of_inputs:
            inputs += keep_input(config.width, keeping) * (2 if shared else 1)
    chosen = config.chosen_experts
    routing = (config.experts + chosen + 3) * FLOAT + 3 * chosen * INDEX + chosen * keeping.width
    hidden = 2 * config.expert_width
    routed = chosen * (count_codes(hidden) if keeping.codes_of_activations else hidden * keeping.width)
    return inputs + routing + routed + (keep_mlp(shared, keeping) if shared else 0)
