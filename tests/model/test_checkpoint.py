import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file

from dspipe.model.checkpoint import (
    cast_weights,
    from_hugging_face,
    hugging_face_config,
    hugging_face_names,
    to_hugging_face,
)
from dspipe.model.transformer import Transformer
from dspipe.recipe import PRESETS, DspipeError, Model
from tests.reference.networks import VOCABULARY, random_batch, small_network

V2: dict[str, Any] = {"gate": "softmax", "mtp_depth": 0, "key_value_rank": 10}
SHAPES: list[dict[str, Any]] = [
    {},
    {"groups": 4, "chosen_groups": 2},
    {"query_rank": None},
    {"mtp_depth": 0, "shared_experts": 2},
    {"head_width": 7, "value_width": 11, "experts": 12, "rope_theta": 500.0, "mtp_depth": 2},
    V2 | {"gate_scale": 1.0, "query_rank": None},
    V2 | {"gate_scale": 16.0, "groups": 4, "chosen_groups": 2},
]


def write_folder(network: Transformer, folder: Path, multi_token: bool = True) -> None:
    tensors = to_hugging_face(network.state_dict(), network.config, multi_token)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = hugging_face_config(network.config, VOCABULARY, 64, "float32", multi_token)
    (folder / "config.json").write_text(json.dumps(config))


def load_folder(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Experts by loop: the grouped kernel of transformers wants sizes in multiples of 16 bytes."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, experts_implementation="eager"
    )
    return model, info


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    """Relative to the largest value: single elements near zero have no digits to compare."""
    assert (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize("changes", SHAPES)
def test_a_written_folder_loads_in_transformers_and_gives_the_same_logits(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    network, batch = small_network(**changes), random_batch([[8, 5], [13]], 13)
    write_folder(network, tmp_path)
    theirs, info = load_folder(tmp_path)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    depths = tuple(f"model.layers.{3 + k}." for k in range(network.config.mtp_depth))
    assert all(name.startswith(depths) for name in info["unexpected_keys"])
    with torch.no_grad():
        close(network.compute_logits(network(batch).hidden_BLD[0]), theirs(batch.tokens_BL).logits, 1e-5)


@pytest.mark.parametrize("changes", SHAPES[:4])
def test_gradients_equal_those_of_transformers(changes: dict[str, Any], tmp_path: Path) -> None:
    network, batch = small_network(**changes), random_batch([[8, 5], [13]], 13)
    write_folder(network, tmp_path)
    theirs, _ = load_folder(tmp_path)
    direction = torch.randn(2, 13, VOCABULARY, generator=torch.Generator().manual_seed(4))
    (network.compute_logits(network(batch).hidden_BLD[0]) * direction).sum().backward()
    (theirs(batch.tokens_BL).logits * direction).sum().backward()
    assert theirs.model.embed_tokens.weight.grad is not None
    close(network.embedding.grad, theirs.model.embed_tokens.weight.grad, 1e-4)
    close(network.head.grad, theirs.lm_head.weight.grad, 1e-4)
    for ours, their in zip(network.blocks, theirs.model.layers, strict=True):
        pairs = [
            (ours.attention_norm.weight, their.input_layernorm.weight),
            (ours.attention.key_value_down.weight, their.self_attn.kv_a_proj_with_mqa.weight),
            (ours.attention.key_value_up.weight, their.self_attn.kv_b_proj.weight),
            (ours.attention.output.weight, their.self_attn.o_proj.weight),
        ]
        if hasattr(their.mlp, "experts"):
            pairs += [
                (ours.mlp.gate.weight, their.mlp.gate.weight),
                (ours.mlp.gate_up, their.mlp.experts.gate_up_proj),
                (ours.mlp.down, their.mlp.experts.down_proj),
                (ours.mlp.shared.down.weight, their.mlp.shared_experts.down_proj.weight),
            ]
        for a, b in pairs:
            close(a.grad, b.grad, 1e-4)


def test_export_without_multi_token_prediction_has_nothing_unexpected(tmp_path: Path) -> None:
    write_folder(small_network(), tmp_path, multi_token=False)
    _, info = load_folder(tmp_path)
    assert not info["unexpected_keys"]
    assert not info["missing_keys"]


def test_bfloat16_weights_load_as_such_and_keep_float32_biases(tmp_path: Path) -> None:
    network, batch = small_network(), random_batch([[8, 5], [13]], 13)
    exact = to_hugging_face(network.state_dict(), network.config)
    save_file(cast_weights(exact, torch.bfloat16), tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(hugging_face_config(network.config, VOCABULARY, 64)))
    theirs, _ = load_folder(tmp_path)
    gate = theirs.model.layers[1].mlp.gate
    assert theirs.dtype == torch.bfloat16
    assert torch.equal(gate.e_score_correction_bias, exact["model.layers.1.mlp.gate.e_score_correction_bias"])
    with torch.no_grad():
        assert theirs(batch.tokens_BL).logits.isfinite().all()


@pytest.mark.parametrize("changes", SHAPES)
def test_names_there_and_back_change_no_bit(changes: dict[str, Any]) -> None:
    network = small_network(**changes)
    state = network.state_dict()
    theirs = to_hugging_face(state, network.config)
    back = from_hugging_face(theirs, network.config)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)
    assert sorted(theirs) == sorted(hugging_face_names(network.config))


def test_experts_keep_their_numbers_past_nine() -> None:
    network = small_network(experts=12)
    theirs = to_hugging_face(network.state_dict(), network.config)
    assert torch.equal(
        theirs["model.layers.1.mlp.experts.10.up_proj.weight"], network.blocks[1].mlp.gate_up[10, 7:]
    )
    order = [name for name in theirs if ".layers.1." in name and name.endswith("down_proj.weight")]
    assert [name.split(".")[5] for name in order[:12]] == [str(n) for n in range(12)]


def test_depths_have_the_names_of_released_checkpoints() -> None:
    network = small_network()
    theirs = to_hugging_face(network.state_dict(), network.config)
    place = "model.layers.3."
    for name in ("enorm", "hnorm", "eh_proj", "shared_head.norm", "embed_tokens", "shared_head.head"):
        assert f"{place}{name}.weight" in theirs
    assert torch.equal(theirs[place + "embed_tokens.weight"], network.embedding)
    assert theirs[place + "eh_proj.weight"].shape == (21, 42)
    assert theirs[place + "mlp.gate.e_score_correction_bias"].dtype == torch.float32


def test_the_671b_names_and_shapes_are_the_published_ones() -> None:
    config = Model(**PRESETS["671b"])
    with torch.device("meta"):
        state = Transformer(config, 129280).state_dict()
    theirs = to_hugging_face(state, config)
    block = {
        name.removeprefix("model.layers.60."): tuple(t.shape) for name, t in theirs.items() if ".60." in name
    }
    assert block["self_attn.q_b_proj.weight"] == (24576, 1536)
    assert block["self_attn.kv_a_proj_with_mqa.weight"] == (576, 7168)
    assert block["self_attn.kv_b_proj.weight"] == (32768, 512)
    assert block["mlp.experts.255.gate_proj.weight"] == (2048, 7168)
    assert block["mlp.gate.e_score_correction_bias"] == (256,)
    assert tuple(theirs["model.layers.61.eh_proj.weight"].shape) == (7168, 14336)


@pytest.mark.parametrize(
    "name", ["model.layers.1.mlp.experts.7.up_proj.weight", "model.layers.3.enorm.weight"]
)
def test_a_missing_tensor_is_named(name: str) -> None:
    network = small_network()
    theirs = to_hugging_face(network.state_dict(), network.config)
    del theirs[name]
    with pytest.raises(DspipeError, match=name):
        from_hugging_face(theirs, network.config)


def test_an_unknown_tensor_is_named_and_not_dropped() -> None:
    network = small_network()
    theirs = to_hugging_face(network.state_dict(), network.config)
    theirs["model.layers.1.mlp.experts.8.up_proj.weight"] = torch.zeros(7, 21)
    with pytest.raises(DspipeError, match=r"experts\.8\.up_proj"):
        from_hugging_face(theirs, network.config)


def test_a_batch_of_one_token_is_enough() -> None:
    network, batch = small_network(), random_batch([[1]], 1)
    assert network.compute_logits(network(batch).hidden_BLD[0]).shape == (1, 1, VOCABULARY)
