"""Checkpoint names: turns our tensors into Hugging Face's for DeepSeek-V3 (and V2), and back, changing no
bit.

Ours keep gate and up in one weight and all experts of a layer in one tensor, as the grouped products want
them; theirs are one matrix per projection and expert. Multi-token-prediction depth k (from 0) is their layer
`layers`+k, with copies of embedding and head. All functions are pure: a dict of tensors in, a dict of tensors
out.

Legend: E experts, F expert width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dspipe.recipe import DspipeError, Model

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
) -> dict[str, Tensor]:
    """Our tensors under their names, in their order; without multi-token prediction where that is not wanted.

    Parts of fused weights are views; the copies of embedding and head are clones, as safetensors demands.
    """
    theirs = {TOP["embedding"]: tensors["embedding"]}
    for number, prefix in enumerate(layer_prefixes(config, multi_token)):
        place = f"model.layers.{number}."
        for ours, name in simple_names(config, number).items():
            theirs[place + name] = tensors[locate(prefix, ours)]
        for ours, name in fused_names(config, number).items():
            theirs |= split_mlp(tensors[prefix + ours], ours, place + name)
        if number >= config.layers:
            theirs |= {place + name: tensors[ours].clone() for name, ours in COPIES.items()}
    return theirs | {TOP[ours]: tensors[ours] for ours in ("norm.weight", "head")}


def from_hugging_face(tensors: Mapping[str, Tensor], config: Model) -> dict[str, Tensor]:
    """The reverse.

    Raises:
        DspipeError: names a tensor that is missing, or one that the network has no place for.
    """
    ours = {name: take(tensors, their) for name, their in TOP.items()}
    for number, prefix in enumerate(layer_prefixes(config)):
        place = f"model.layers.{number}."
        for name, their in simple_names(config, number).items():
            ours[locate(prefix, name)] = take(tensors, place + their)
        for name, their in fused_names(config, number).items():
            ours[prefix + name] = join_mlp(tensors, name, place + their, config.experts)
    check_leftovers(tensors, config)
    return ours


def cast_weights(theirs: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Hugging Face's tensors in another type, but for the gates' biases, which stay float32."""
    return {
        name: tensor if name.endswith("e_score_correction_bias") else tensor.to(dtype)
        for name, tensor in theirs.items()
    }


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


def split_mlp(weight: Tensor, ours: str, place: str) -> dict[str, Tensor]:
    """One of our weights as the matrices it is made of; experts in the order of their numbers."""
    if weight.ndim == 3:
        parts = (split_mlp(expert, ours, f"{place}.{number}") for number, expert in enumerate(weight))
        return {name: part for expert in parts for name, part in expert.items()}
    if "down" in ours:
        return {f"{place}.down_proj.weight": weight}
    gate, up = weight.chunk(2)
    return {f"{place}.gate_proj.weight": gate, f"{place}.up_proj.weight": up}


def join_mlp(tensors: Mapping[str, Tensor], ours: str, place: str, experts: int) -> Tensor:
    if ours in ("mlp.gate_up", "mlp.down"):
        return torch.stack(
            [join_mlp(tensors, f"{ours}.weight", f"{place}.{n}", experts) for n in range(experts)]
        )
    if "down" in ours:
        return take(tensors, f"{place}.down_proj.weight")
    return torch.cat([take(tensors, f"{place}.{part}_proj.weight") for part in ("gate", "up")])


def take(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in tensors:
        raise DspipeError(
            f"the checkpoint has no tensor {name}; is the recipe's [train.model] that of the checkpoint?"
        )
    return tensors[name]


def check_leftovers(tensors: Mapping[str, Tensor], config: Model) -> None:
    """Refuse what would be dropped in silence: quantised weights, further layers and experts, anything
    unknown.
    """
    known = set(hugging_face_names(config))
    for name in tensors:
        if name not in known:
            raise DspipeError(
                f"the checkpoint has a tensor {name} that the network of [train.model] has no place for"
            )


def hugging_face_names(config: Model) -> Iterator[str]:
    yield from TOP.values()
    for number in range(config.layers + config.mtp_depth):
        place = f"model.layers.{number}."
        yield from (place + name for name in simple_names(config, number).values())
        for ours, name in fused_names(config, number).items():
            middle = [f".{n}" for n in range(config.experts)] if name == "mlp.experts" else [""]
            parts = ("down",) if "down" in ours else ("gate", "up")
            yield from (f"{place}{name}{n}.{part}_proj.weight" for n in middle for part in parts)
        if number >= config.layers:
            yield from (place + name for name in COPIES)


def hugging_face_config(
    config: Model, vocabulary: int, max_positions: int, dtype: str = "bfloat16", multi_token: bool = True
) -> dict[str, Any]:
    """`config.json` for transformers 4 and 5: DeepSeek-V3 for the sigmoid gate, DeepSeek-V2 for the softmax
    gate.
    """
    sigmoid = config.gate == "sigmoid"
    grouped = config.chosen_groups < config.groups
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "first_k_dense_replace": config.dense_layers,
        "moe_layer_freq": 1,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "q_lora_rank": config.query_rank,
        "kv_lora_rank": config.key_value_rank,
        "qk_nope_head_dim": config.head_width,
        "qk_rope_head_dim": config.rope_width,
        "v_head_dim": config.value_width,
        "intermediate_size": config.dense_width,
        "moe_intermediate_size": config.expert_width,
        "n_routed_experts": config.experts,
        "n_shared_experts": config.shared_experts,
        "num_experts_per_tok": config.chosen_experts,
        "n_group": config.groups,
        "topk_group": config.chosen_groups,
        "routed_scaling_factor": config.gate_scale,
        "scoring_func": config.gate,
        "norm_topk_prob": sigmoid,
        "topk_method": "noaux_tc" if sigmoid else "group_limited_greedy" if grouped else "greedy",
        "num_nextn_predict_layers": config.mtp_depth if multi_token else 0,
        "rms_norm_eps": config.norm_epsilon,
        "initializer_range": config.initial_deviation,
        "max_position_embeddings": max_positions,
    }
    family = "V3" if sigmoid else "V2"
    return {
        "architectures": [f"Deepseek{family}ForCausalLM"],
        "model_type": f"deepseek_{family.lower()}",
        **shape,
        "rope_theta": config.rope_theta,  # read by transformers 4
        "rope_scaling": None,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": config.rope_theta,
        },  # read by transformers 5
        "rope_interleave": True,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "use_cache": True,
    }
