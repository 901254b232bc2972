"""The network's shape → `config.json` of DeepSeek-V3 (sigmoid gate) or V2 (softmax gate), and back.

Written for transformers 4 and 5, which have rotary settings under different keys. What is read must be a
network that ours can be: whatever else a key asks for is refused by its name, never passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from dspipe.reading import find_train_contradictions
from dspipe.recipe import PRESETS, DspipeError, Model, Recipe, Train

CONFIG = "config.json"
MOST = 1 << 17  # of layers, experts or a width: far above all there are, and no product of them overflows
SHAPE = {  # ours: theirs
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "dense_layers": "first_k_dense_replace",
    "heads": "num_attention_heads",
    "query_rank": "q_lora_rank",
    "key_value_rank": "kv_lora_rank",
    "head_width": "qk_nope_head_dim",
    "rope_width": "qk_rope_head_dim",
    "value_width": "v_head_dim",
    "dense_width": "intermediate_size",
    "expert_width": "moe_intermediate_size",
    "experts": "n_routed_experts",
    "shared_experts": "n_shared_experts",
    "chosen_experts": "num_experts_per_tok",
    "groups": "n_group",
    "chosen_groups": "topk_group",
    "gate_scale": "routed_scaling_factor",
    "norm_epsilon": "rms_norm_eps",
    "mtp_depth": "num_nextn_predict_layers",
}
ABSENT = {"query_rank": None, "shared_experts": 0, "groups": 1, "chosen_groups": 1, "mtp_depth": 0}
YARN = {
    "factor": "factor",
    "original_length": "original_max_position_embeddings",
    "beta_fast": "beta_fast",
    "beta_slow": "beta_slow",
    "mscale": "mscale",
}
FAMILIES = {"deepseek_v3": "sigmoid", "deepseek_v2": "softmax"}  # model_type: gate
FIXED: dict[str, Any] = {  # what these keys must be, where they are given
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": False,
    "moe_layer_freq": 1,
    "rope_interleave": True,
}
QUANTIZATION = {
    "activation_scheme": "dynamic",
    "fmt": "e4m3",
    "quant_method": "fp8",
    "weight_block_size": [128, 128],
}


@dataclass(frozen=True)
class Description:
    """What a `config.json` says; `vocabulary` is the rows of the embedding."""

    model: Model
    vocabulary: int
    max_positions: int
    family: str


def describe_model(
    config: Model,
    vocabulary: int,
    max_positions: int,
    dtype: str = "bfloat16",
    multi_token: bool = True,
    marks: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """`config.json`; marks: ids of the tokenizer's `bos` and `eos`."""
    sigmoid = config.gate == "sigmoid"
    family = "V3" if sigmoid else "V2"
    shape = {theirs: getattr(config, ours) for ours, theirs in SHAPE.items()}
    quantized = {"quantization_config": QUANTIZATION} if dtype == "fp8" else {}
    return {
        "architectures": [f"Deepseek{family}ForCausalLM"],
        "model_type": f"deepseek_{family.lower()}",
        "vocab_size": vocabulary,
        **shape,
        "num_nextn_predict_layers": config.mtp_depth if multi_token else 0,
        "moe_layer_freq": 1,
        "num_key_value_heads": config.heads,
        "scoring_func": config.gate,
        "norm_topk_prob": sigmoid,
        "topk_method": "noaux_tc" if sigmoid else "group_limited_greedy" if config.groups > 1 else "greedy",
        "initializer_range": config.initial_deviation,
        **describe_rope(config, max_positions),
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": (marks or {}).get("bos"),
        "eos_token_id": (marks or {}).get("eos"),
        "tie_word_embeddings": False,
        **quantized,
        "torch_dtype": "bfloat16" if dtype == "fp8" else dtype,
        "use_cache": True,
    }


def describe_rope(config: Model, max_positions: int) -> dict[str, Any]:
    """Rotary settings: `rope_theta` and `rope_scaling` for transformers 4, `rope_parameters` for 5."""
    yarn = config.yarn
    scaling: dict[str, Any] | None = None
    if yarn is not None:
        scaling = {"type": "yarn", "rope_type": "yarn"}
        scaling |= {theirs: getattr(yarn, ours) for ours, theirs in YARN.items()}
        scaling |= {"mscale_all_dim": yarn.mscale}
        # Without an mscale transformers would scale cosines and sines by its own.
        scaling |= {"attention_factor": 1.0} if yarn.mscale == 0 else {}
        max_positions = max(max_positions, math.ceil(yarn.factor * yarn.original_length))
    parameters = {key: value for key, value in (scaling or {"rope_type": "default"}).items() if key != "type"}
    return {
        "max_position_embeddings": max_positions,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "rope_parameters": {**parameters, "rope_theta": config.rope_theta},
        "rope_interleave": True,
    }


def read_description(path: Path, multi_token: bool = True) -> Description:
    """Read a `config.json`; without `multi_token` as if the network had no multi-token prediction.

    Initial weights' deviation is not read: the released file has another than the report.

    Raises:
        DspipeError: names a key that is missing, or asks for what the network cannot be.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DspipeError(f"{path}: not a readable config.json ({error})") from None
    family = content.get("model_type")
    if family not in FAMILIES:
        refuse(path, "model_type", family, f"{' and '.join(FAMILIES)} are what dspipe reads")
    check_fixed(path, content, FAMILIES[family])
    theta, yarn = read_rope(path, content)
    shape = {ours: content.get(theirs, ABSENT.get(ours)) for ours, theirs in SHAPE.items()}
    shape |= {ours: value for ours, value in ABSENT.items() if shape[ours] is None}
    shape |= {"query_rank": shape["query_rank"] or None, "rope_theta": theta, "yarn": yarn}
    shape |= {} if multi_token else {"mtp_depth": 0}
    if family == "deepseek_v2" and content.get("topk_method") in (None, "greedy"):
        shape |= {"groups": 1, "chosen_groups": 1}  # which that method does not look at
    model = build_model(path, shape | {"gate": FAMILIES[family]})
    numbers = (read_number(path, content, key) for key in ("vocab_size", "max_position_embeddings"))
    return Description(model, next(numbers), next(numbers), family)


def read_number(path: Path, content: Mapping[str, Any], key: str) -> int:
    number = content.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 1 << 30:
        refuse(path, key, number, "give a whole number of 1 or more, and at most 2^30")
    return number


def read_table(path: Path, content: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = content.get(key) or {}
    if not isinstance(table, dict):
        refuse(path, key, table, "it must be a table")
    return table


def build_model(path: Path, shape: dict[str, Any]) -> Model:
    for ours, theirs in SHAPE.items():
        if shape[ours] is None and ours != "query_rank":
            refuse(path, theirs, None, "it must be given")
        if isinstance(shape[ours], int) and shape[ours] > MOST:
            refuse(path, theirs, shape[ours], f"no network has more than {MOST:,}")
    preset = find_preset(shape)
    deviation = Model(**PRESETS[preset]).initial_deviation
    try:
        model = msgspec.convert({**shape, "preset": preset, "initial_deviation": deviation}, Model)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        ours = place.rstrip("`")
        raise DspipeError(f"{path}: {SHAPE.get(ours, ours)}: {message.replace('`', '')}") from None
    for key, problem in find_train_contradictions(Recipe(name="imported", train=Train(model=model))):
        ours = key.removeprefix("train.model.")
        raise DspipeError(f"{path}: {SHAPE.get(ours, ours)}: {problem}")
    return model


def find_preset(shape: Mapping[str, Any]) -> str:
    """The preset that a shape is of, multi-token prediction aside, else `smoke`, which says nothing."""
    for name, changes in PRESETS.items():
        preset = msgspec.to_builtins(Model(**changes))
        if all(shape[key] == preset[key] for key in (*SHAPE, "gate") if key != "mtp_depth"):
            return name
    return "smoke"


def check_fixed(path: Path, content: Mapping[str, Any], gate: str) -> None:
    """Refuse settings of which the network knows one value alone."""
    for key, wanted in FIXED.items():
        if content.get(key) not in (None, wanted):
            refuse(path, key, content[key], f"the network has {wanted!r} there and nothing else")
    for key in ("n_group", "topk_group") if gate == "sigmoid" else ():
        if key not in content:  # others read 8 and 4 then
            refuse(path, key, None, "it must be given; 1 is without groups")
    if content.get("head_dim") not in (None, content.get("qk_rope_head_dim")):
        refuse(path, "head_dim", content["head_dim"], "it must be qk_rope_head_dim")
    heads = content.get("num_attention_heads")
    if content.get("num_key_value_heads") not in (None, heads):
        refuse(path, "num_key_value_heads", content["num_key_value_heads"], "it must be num_attention_heads")
    methods = ("noaux_tc",) if gate == "sigmoid" else ("greedy", "group_limited_greedy")
    allowed = {"scoring_func": (gate,), "norm_topk_prob": (gate == "sigmoid",), "topk_method": methods}
    for key, values in allowed.items():
        if content.get(key) not in (None, *values):
            shown = " or ".join(repr(value) for value in values)
            refuse(path, key, content[key], f"a {gate} gate has {shown} there")
    quantization = read_table(path, content, "quantization_config")
    for key in ("quant_method", "fmt", "weight_block_size"):
        usual = None if key == "quant_method" else QUANTIZATION[key]
        if quantization and quantization.get(key, usual) != QUANTIZATION[key]:
            why = f"dspipe reads {QUANTIZATION[key]!r} alone"
            refuse(path, f"quantization_config.{key}", quantization.get(key), why)


def read_rope(path: Path, content: Mapping[str, Any]) -> tuple[float, dict[str, Any] | None]:
    """Base of the frequencies, and YaRN's settings by our names."""
    tables = [read_table(path, content, key) for key in ("rope_parameters", "rope_scaling")]
    for key in tables[0].keys() & tables[1].keys():
        if tables[0][key] != tables[1][key]:
            refuse(path, f"rope_scaling.{key}", tables[1][key], "rope_parameters has another value")
    table = {**tables[0], **tables[1]}
    theta = table.get("rope_theta", content.get("rope_theta", 10_000.0))
    if content.get("rope_theta") not in (None, theta):
        refuse(path, "rope_theta", content["rope_theta"], f"the rotary settings have {theta} there")
    kind = table.get("rope_type", table.get("type", "default"))
    known = {"type", "rope_type", "rope_theta"}
    if kind == "yarn":
        known |= {*YARN.values(), "mscale_all_dim", "attention_factor"}
    elif kind != "default":
        refuse(path, "rope_scaling.rope_type", kind, "the network knows default and yarn")
    usual = {"partial_rotary_factor": 1.0, "truncate": True}
    for key in sorted(table.keys() - known):
        if key not in usual or table[key] not in (None, usual[key]):
            refuse(path, f"rope_scaling.{key}", table[key], "the network does not know it")
    if kind == "default":
        return theta, None
    check_mscale(path, table)
    for key in ("factor", "original_max_position_embeddings"):
        if table.get(key) is None:
            refuse(path, f"rope_scaling.{key}", None, "YaRN needs it")
    yarn = {ours: table[theirs] for ours, theirs in YARN.items() if table.get(theirs) is not None}
    return theta, {"mscale": 0.0, **yarn}


def check_mscale(path: Path, table: Mapping[str, Any]) -> None:
    """Refuse what scales cosines and sines: our network scales the score, which `mscale_all_dim` does."""
    mscale, all_dim = (table.get(key) or 0.0 for key in ("mscale", "mscale_all_dim"))
    if mscale != all_dim:
        refuse(path, "rope_scaling.mscale", mscale, f"it must be mscale_all_dim, which is {all_dim}")
    factor = table.get("attention_factor")
    if factor not in (None, 1.0) or (factor is None and mscale == 0.0):
        refuse(path, "rope_scaling.attention_factor", factor, "the network can have 1.0, or an mscale")


def refuse(path: Path, key: str, value: Any, why: str) -> NoReturn:
    raise DspipeError(f"{path}: {key} is {'not there' if value is None else repr(value)}; {why}")
