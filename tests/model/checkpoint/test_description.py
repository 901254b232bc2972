import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.deepseek_v3.modeling_deepseek_v3 import yarn_apply_mscale

from dspipe.model.checkpoint.description import Description, describe_model, read_description
from dspipe.recipe import PRESETS, DspipeError, Model, Yarn
from tests.reference.networks import small_model

RELEASED: dict[str, Any] = {  # DeepSeek-V3's file of December 2024
    "architectures": ["DeepseekV3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"},
    "bos_token_id": 0,
    "eos_token_id": 1,
    "ep_size": 1,
    "first_k_dense_replace": 3,
    "hidden_act": "silu",
    "hidden_size": 7168,
    "initializer_range": 0.02,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "model_type": "deepseek_v3",
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_group": 8,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
    "rms_norm_eps": 1e-06,
    "rope_scaling": {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
    "rope_theta": 10000,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "tie_word_embeddings": False,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "v_head_dim": 128,
    "vocab_size": 129280,
}
RELEASED_V2_LITE: dict[str, Any] = {
    "attention_bias": False,
    "aux_loss_alpha": 0.001,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "model_type": "deepseek_v2",
    "moe_intermediate_size": 1408,
    "moe_layer_freq": 1,
    "n_group": 1,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "norm_topk_prob": False,
    "num_attention_heads": 16,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 27,
    "num_key_value_heads": 16,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "rms_norm_eps": 1e-06,
    "rope_scaling": {
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
    "rope_theta": 10000,
    "routed_scaling_factor": 1.0,
    "scoring_func": "softmax",
    "tie_word_embeddings": False,
    "topk_group": 1,
    "topk_method": "greedy",
    "v_head_dim": 128,
    "vocab_size": 102400,
}
YARN = Yarn(factor=40.0, original_length=4096, beta_fast=32.0, beta_slow=1.0, mscale=1.0)


def read(folder: Path, content: dict[str, Any], multi_token: bool = True) -> Description:
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return read_description(path, multi_token)


def without(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}


def test_the_released_file_is_the_preset_671b_with_yarn(tmp_path: Path) -> None:
    found = read(tmp_path, RELEASED)
    assert found.model == Model(preset="671b", **PRESETS["671b"], yarn=YARN)
    assert (found.vocabulary, found.max_positions) == (129280, 163840)
    single = read(tmp_path, RELEASED, multi_token=False).model
    assert single == msgspec.structs.replace(found.model, mtp_depth=0)


def test_what_is_written_of_the_671b_is_what_was_released(tmp_path: Path) -> None:
    model = read(tmp_path, RELEASED).model
    written = describe_model(model, 129280, 4096, "fp8", marks={"bos": 0, "eos": 1})
    told = without(RELEASED, "auto_map", "ep_size", "initializer_range")
    scaling = written.pop("rope_scaling")
    assert {key: scaling[key] for key in told["rope_scaling"]} == told.pop("rope_scaling")
    assert {key: written[key] for key in told} == told


def test_the_released_v2_lite_is_the_preset_16b_with_yarn(tmp_path: Path) -> None:
    yarn = msgspec.structs.replace(YARN, mscale=0.707)
    assert read(tmp_path, RELEASED_V2_LITE).model == Model(preset="16b", **PRESETS["16b"], yarn=yarn)


def test_the_greedy_method_knows_no_groups_and_the_other_one_does(tmp_path: Path) -> None:
    grouped = {**RELEASED_V2_LITE, "n_group": 8, "topk_group": 3}
    assert read(tmp_path, grouped).model.groups == 1
    limited = read(tmp_path, {**grouped, "topk_method": "group_limited_greedy"}).model
    assert (limited.groups, limited.chosen_groups) == (8, 3)


SHAPES: list[dict[str, Any]] = [
    {},
    {"groups": 4, "chosen_groups": 4, "query_rank": None, "mtp_depth": 2, "rope_theta": 500.0},
    {"gate": "softmax", "groups": 4, "chosen_groups": 4, "shared_experts": 0, "mtp_depth": 0},
    {"yarn": Yarn(factor=4.0, original_length=16, mscale=0.707)},
    {"yarn": Yarn(factor=2.5, original_length=64, beta_fast=16.0, beta_slow=2.0, mscale=0.0)},
    {"yarn": Yarn(), "gate": "softmax"},
]


@pytest.mark.parametrize("changes", SHAPES)
def test_every_shape_comes_back_as_it_was_also_by_way_of_transformers(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """Transformers reads the file and writes it anew, as `save_pretrained` does."""
    model = small_model(initial_deviation=0.03, **changes)
    written = describe_model(model, 61, 16, "float32")
    found = read(tmp_path, written)
    assert (found.model, found.vocabulary) == (model, 61)
    assert (
        found.max_positions == max(16, math.ceil(model.yarn.factor * model.yarn.original_length))
        if (model.yarn)
        else found.max_positions == 16
    )
    transformers.AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    again = read_description(tmp_path / "again" / "config.json")
    assert again.model == model


@pytest.mark.parametrize("spelling", ["rope_scaling", "rope_parameters"])
def test_both_spellings_of_rotary_settings_are_read(spelling: str, tmp_path: Path) -> None:
    table = {"factor": 8, "original_max_position_embeddings": 64, "mscale": 1, "mscale_all_dim": 1}
    plain = without(describe_model(small_model(), 61, 64), "rope_scaling", "rope_parameters", "rope_theta")
    old = {**plain, "rope_theta": 77, spelling: {"type": "yarn", **table}}
    new = {**plain, spelling: {"rope_type": "yarn", "rope_theta": 77.0, **table}}
    models = [read(tmp_path, content).model for content in (old, new)]
    assert models[0] == models[1]
    assert models[0].rope_theta == 77.0 and models[0].yarn == Yarn(factor=8.0, original_length=64)


@pytest.mark.parametrize("mscale", [1.0, 0.707, 0.0])
def test_yarn_is_written_so_that_transformers_scales_scores_and_not_cosines(mscale: float) -> None:
    model = small_model(head_width=24, rope_width=8, yarn=Yarn(factor=40.0, mscale=mscale))
    config = transformers.DeepseekV3Config(**describe_model(model, 61, 64))
    frequencies, factor = ROPE_INIT_FUNCTIONS["yarn"](config, torch.device("cpu"))
    assert factor == 1.0 and frequencies.shape == (4,)
    scale = (0.1 * mscale * math.log(40.0) + 1.0) ** 2 / math.sqrt(32)
    assert yarn_apply_mscale(config.rope_parameters, 32**-0.5) == pytest.approx(scale, rel=1e-12)
    assert config.rope_parameters["beta_fast"] == 32.0 and config.max_position_embeddings == 163840


def scaling(**changes: Any) -> dict[str, Any]:
    return {"rope_scaling": {**RELEASED["rope_scaling"], **changes}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; deepseek_v3 and deepseek_v2 are"),
        ({"model_type": None}, "model_type is not there"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; the network has 'silu' there"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"moe_layer_freq": 2}, "moe_layer_freq is 2"),
        ({"rope_interleave": False}, "rope_interleave is False"),
        ({"num_key_value_heads": 8}, "num_key_value_heads is 8; it must be num_attention_heads"),
        ({"scoring_func": "softmax"}, "scoring_func is 'softmax'; a sigmoid gate has 'sigmoid' there"),
        ({"norm_topk_prob": False}, "norm_topk_prob is False; a sigmoid gate has True there"),
        ({"topk_method": "greedy"}, "topk_method is 'greedy'; a sigmoid gate has 'noaux_tc'"),
        ({"hidden_size": None}, "hidden_size is not there; it must be given"),
        ({"hidden_size": "wide"}, "hidden_size: Expected int, got str"),
        ({"hidden_size": 0}, "hidden_size: Expected int >= 1"),
        ({"hidden_size": 10**30}, "hidden_size is 1000000000000000000000000000000; no network has more"),
        ({"qk_rope_head_dim": 63}, "qk_rope_head_dim: 63 is odd"),
        ({"first_k_dense_replace": 62}, "first_k_dense_replace: 62 is more than the 61 layers"),
        ({"vocab_size": None}, "vocab_size is not there"),
        ({"max_position_embeddings": 0}, "max_position_embeddings is 0"),
        ({"rope_scaling": "yarn"}, "rope_scaling is 'yarn'; it must be a table"),
        ({"rope_parameters": {"factor": 3}}, "rope_scaling.factor is 40; rope_parameters has another value"),
        (scaling(type="linear"), "rope_scaling.rope_type is 'linear'; the network knows default and yarn"),
        (scaling(mscale=0.5), "rope_scaling.mscale is 0.5; it must be mscale_all_dim, which is 1.0"),
        (scaling(mscale=None, mscale_all_dim=None), "rope_scaling.attention_factor is not there"),
        (scaling(attention_factor=1.2), "rope_scaling.attention_factor is 1.2"),
        (scaling(factor=None), "rope_scaling.factor is not there; YaRN needs it"),
        (scaling(truncate=False), "rope_scaling.truncate is False; the network does not know it"),
        (scaling(short_factor=[1]), r"rope_scaling.short_factor is \[1\]"),
        (
            {"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 64]}},
            r"quantization_config.weight_block_size is \[64, 64\]",
        ),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config.quant_method is 'awq'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config.quant_method is not there"),
        (
            {"rope_theta": 5.0, "rope_parameters": {"rope_theta": 1e4}},
            "rope_theta is 5.0; the rotary settings",
        ),
        ({"head_dim": 7}, "head_dim is 7; it must be qk_rope_head_dim"),
        ({"vocab_size": True}, "vocab_size is True; give a whole number"),
    ],
)
def test_what_the_network_cannot_be_is_refused_by_its_key(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DspipeError, match=rf"config\.json: {message}") as error:
        read(tmp_path, {**RELEASED, **changes})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["n_group", "topk_group"])
def test_groups_of_v3_must_be_given_since_others_take_their_own(key: str, tmp_path: Path) -> None:
    left = {name: value for name, value in RELEASED.items() if name != key}
    with pytest.raises(DspipeError, match=f"{key} is not there; it must be given"):
        read(tmp_path, left)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", None])
def test_a_file_that_is_no_description_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DspipeError, match=r"not a readable config\.json"):
        read_description(tmp_path / "config.json")
