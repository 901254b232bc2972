"""Our tensors → the same under Hugging Face's names for DeepSeek-V3 (and V2), and back, changing no bit.

Ours keep gate and up in one weight and all experts of a layer in one tensor, as the grouped products want
them; theirs are one matrix per projection and expert. Multi-token-prediction depth k (from 0) is their layer
`layers`+k, with copies of embedding and head. Tensors come one at a time, and are asked for only then: of a
mapping that reads files, one layer's fused tensor is in memory.

Legend: E experts, F expert width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from dspipe.recipe import Model

# Within a layer: our name, theirs.
ATTENTION = {
    "attention_norm.weight": "input_layernorm.weight",
    "mlp_norm.weight": "post_attention_layernorm.weight",
    "attention.query.weight": "self_attn.q_proj.weight",
    "attention.query_down.weight": "self_attn.q_a_proj.weight",
    "attention.query_norm.weight": "self_attn.q_a_layernorm.weight",
    "attention.query_up.weight": "self_attn.q_b_proj.weight",
    "attention.key_value_down.weight": "self_attn.kv_a_proj_with_mqa.weight",
    "attention.key_value_norm.weight": "self_attn.kv_a_layernorm.weight",
    "attention.key_value_up.weight": "self_attn.kv_b_proj.weight",
    "attention.output.weight": "self_attn.o_proj.weight",
}
GATE = {"mlp.gate.weight": "mlp.gate.weight", "mlp.gate.bias": "mlp.gate.e_score_correction_bias"}
DENSE = {"mlp.gate_up.weight": "mlp", "mlp.down.weight": "mlp"}
SHARED = {"mlp.shared.gate_up.weight": "mlp.shared_experts", "mlp.shared.down.weight": "mlp.shared_experts"}
DEPTH = {
    "embedding_norm.weight": "enorm.weight",
    "hidden_norm.weight": "hnorm.weight",
    "projection.weight": "eh_proj.weight",
    "norm.weight": "shared_head.norm.weight",
}
TOP = {"embedding": "model.embed_tokens.weight", "norm.weight": "model.norm.weight", "head": "lm_head.weight"}
COPIES = {"embed_tokens.weight": "embedding", "shared_head.head.weight": "head"}  # theirs in a depth: ours


def to_hugging_face(
    tensors: Mapping[str, Tensor], config: Model, multi_token: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Our tensors under their names, in their order; without multi-token prediction where that is not wanted.

    Parts of fused weights are views.
    """
    yield TOP["embedding"], tensors["embedding"]
    for number, prefix in enumerate(layer_prefixes(config, multi_token)):
        place = f"model.layers.{number}."
        for ours, name in simple_names(config, number).items():
            yield place + name, tensors[locate(prefix, ours)]
        for ours, name in fused_names(config, number).items():
            yield from split_mlp(tensors[prefix + ours], ours, place + name)
        if number >= config.layers:
            yield from ((place + name, tensors[ours]) for name, ours in COPIES.items())
    yield from ((TOP[ours], tensors[ours]) for ours in ("norm.weight", "head"))


def from_hugging_face(tensors: Mapping[str, Tensor], config: Model) -> Iterator[tuple[str, Tensor]]:
    """The reverse: all of the network's tensors; a KeyError for one that is not there."""
    yield from ((name, tensors[their]) for name, their in TOP.items())
    for number, prefix in enumerate(layer_prefixes(config)):
        place = f"model.layers.{number}."
        for name, their in simple_names(config, number).items():
            yield locate(prefix, name), tensors[place + their]
        for name, their in fused_names(config, number).items():
            yield prefix + name, join_mlp(tensors, name, place + their, config.experts)


def list_copies(config: Model) -> dict[str, str]:
    """Their names of the depths' copies of embedding and head: the names of what they are copies of."""
    numbers = range(config.layers, config.layers + config.mtp_depth)
    return {f"model.layers.{n}.{name}": TOP[ours] for n in numbers for name, ours in COPIES.items()}


def layer_number(name: str) -> int | None:
    """Which layer a tensor of theirs belongs to."""
    parts = name.split(".", 3)
    return int(parts[2]) if name.startswith("model.layers.") and parts[2].isdecimal() else None


def layer_prefixes(config: Model, multi_token: bool = True) -> list[str]:
    """Where our layers live, in their order: blocks, then the block within each depth."""
    depths = config.mtp_depth if multi_token else 0
    return [f"blocks.{n}." for n in range(config.layers)] + [f"depths.{k}.block." for k in range(depths)]


def locate(prefix: str, name: str) -> str:
    """What depth k owns beside its block has no `block.` in its name."""
    return prefix.removesuffix("block.") + name if name in DEPTH else prefix + name


def simple_names(config: Model, number: int) -> dict[str, str]:
    """Ours to theirs for the tensors of layer `number` that are the same tensor in both."""
    unused = {f"attention.query{part}.weight" for part in ("_down", "_norm", "_up")}
    if config.query_rank is not None:
        unused = {"attention.query.weight"}
    names = {ours: theirs for ours, theirs in ATTENTION.items() if ours not in unused}
    if number >= config.dense_layers:
        names |= {
            ours: theirs for ours, theirs in GATE.items() if config.gate == "sigmoid" or "bias" not in ours
        }
    return names | DEPTH if number >= config.layers else names


def fused_names(config: Model, number: int) -> dict[str, str]:
    """Our fused weights of layer `number`, and the place of their parts."""
    if number < config.dense_layers:
        return DENSE
    shared = SHARED if config.shared_experts else {}
    return {"mlp.gate_up": "mlp.experts", "mlp.down": "mlp.experts"} | shared


def split_mlp(weight: Tensor, ours: str, place: str) -> Iterator[tuple[str, Tensor]]:
    """The matrices that one of our weights is made of; experts in the order of their numbers."""
    if weight.ndim == 3:
        for number, expert in enumerate(weight):
            yield from split_mlp(expert, ours, f"{place}.{number}")
    elif "down" in ours:
        yield f"{place}.down_proj.weight", weight
    else:
        yield from zip((f"{place}.gate_proj.weight", f"{place}.up_proj.weight"), weight.chunk(2), strict=True)


def join_mlp(tensors: Mapping[str, Tensor], ours: str, place: str, experts: int) -> Tensor:
    if ours in ("mlp.gate_up", "mlp.down"):
        first = join_mlp(tensors, f"{ours}.weight", f"{place}.0", experts)
        joined = first.new_empty(experts, *first.shape)
        for number in range(experts):
            joined[number] = join_mlp(tensors, f"{ours}.weight", f"{place}.{number}", experts)
        return joined
    if "down" in ours:
        return tensors[f"{place}.down_proj.weight"]
    return torch.cat([tensors[f"{place}.{part}_proj.weight"] for part in ("gate", "up")])
