"""Folders of checkpoints: transformers loads them and gives our logits; there and back changes no bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers
from safetensors.torch import load_file

from dspipe.model.checkpoint.folders import encode_all
from dspipe.model.checkpoint.names import from_hugging_face
from dspipe.model.transformer import build_transformer
from dspipe.recipe import DspipeError, Model, Yarn
from tests.model.checkpoint.written import (
    bring_back,
    close,
    edit_tensors,
    export,
    load_transformers,
    read_files,
    read_theirs,
    same_bits,
    write_ours,
    write_theirs,
)
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
YARNS: list[dict[str, Any]] = [
    {"yarn": Yarn(factor=8.0, original_length=16)},
    {"yarn": Yarn(factor=40.0, original_length=4096, mscale=0.707), "rope_width": 8},
    V2 | {"yarn": Yarn(factor=4.0, original_length=8, beta_fast=4.0, mscale=0.0)},
]
BLOCKS: dict[str, Any] = dict(  # every side at most 128 or a multiple of it, which transformers needs for FP8
    width=256, heads=8, query_rank=128, key_value_rank=112, head_width=48, rope_width=16, value_width=80,
    dense_width=256, expert_width=128, experts=4, chosen_experts=2, initial_deviation=0.05,
)  # fmt: skip


def check_loaded(info: dict[str, Any], layers: int, depths: int) -> None:
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    places = tuple(f"model.layers.{layers + k}." for k in range(depths))
    assert all(name.startswith(places) for name in info["unexpected_keys"])
    assert bool(info["unexpected_keys"]) == bool(depths)


@pytest.mark.parametrize("changes", SHAPES)
def test_a_written_folder_loads_in_transformers_and_gives_the_same_logits(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    network, batch = small_network(**changes), random_batch([[8, 5], [13]], 13)
    theirs, info = load_transformers(write_theirs(network, tmp_path / "hf", shard_bytes=20_000))
    check_loaded(info, 3, network.config.mtp_depth)
    with torch.no_grad():
        close(network.compute_logits(network(batch).hidden_BLD[0]), theirs(batch.tokens_BL).logits, 1e-5)


@pytest.mark.parametrize("changes", YARNS)
def test_logits_are_those_of_transformers_with_yarn_too(changes: dict[str, Any], tmp_path: Path) -> None:
    network, batch = small_network(**changes), random_batch([[24], [24]], 24)
    theirs, info = load_transformers(write_theirs(network, tmp_path / "hf"))
    check_loaded(info, 3, network.config.mtp_depth)
    with torch.no_grad():
        close(network.compute_logits(network(batch).hidden_BLD[0]), theirs(batch.tokens_BL).logits, 1e-5)


@pytest.mark.parametrize("changes", [*SHAPES, *YARNS])
def test_every_gradient_is_that_of_transformers(changes: dict[str, Any], tmp_path: Path) -> None:
    network, batch = small_network(**changes), random_batch([[8, 5], [13]], 13)
    theirs, _ = load_transformers(write_theirs(network, tmp_path / "hf"))
    direction = torch.randn(2, 13, VOCABULARY, generator=torch.Generator().manual_seed(4))
    (network.compute_logits(network(batch).hidden_BLD[0]) * direction).sum().backward()
    (theirs(batch.tokens_BL).logits * direction).sum().backward()
    expected = gradients_by_our_names(theirs, network.config)
    own = {name: p.grad for name, p in network.named_parameters() if not name.startswith("depths.")}
    assert own.keys() == {name for name in expected if not name.endswith("gate.bias")}
    for name, gradient in own.items():
        assert gradient is not None, name
        close(gradient, expected[name], 1e-4)


def gradients_by_our_names(theirs: Any, config: Model) -> dict[str, torch.Tensor]:
    """transformers keeps a layer's experts in one tensor, unlike its files."""
    found = {name: torch.zeros_like(buffer) for name, buffer in theirs.named_buffers()}
    for name, parameter in theirs.named_parameters():
        place, _, last = name.rpartition(".")
        if parameter.ndim < 3:
            found[name] = parameter.grad
            continue
        for number, gradient in enumerate(parameter.grad):
            parts = {"down_proj": gradient}
            if last == "gate_up_proj":
                parts = dict(zip(("gate_proj", "up_proj"), gradient.chunk(2), strict=True))
            found |= {f"{place}.{number}.{part}.weight": value for part, value in parts.items()}
    return dict(from_hugging_face(found, msgspec.structs.replace(config, mtp_depth=0)))


def test_export_without_multi_token_prediction_has_nothing_unexpected(tmp_path: Path) -> None:
    _, info = load_transformers(write_theirs(small_network(), tmp_path / "hf", multi_token=False))
    check_loaded(info, 3, 0)


def test_bfloat16_weights_load_as_such_and_keep_float32_biases(tmp_path: Path) -> None:
    network, batch = small_network(), random_batch([[8, 5], [13]], 13)
    theirs, _ = load_transformers(write_theirs(network, tmp_path / "hf", dtype="bfloat16"))
    assert theirs.dtype == torch.bfloat16
    assert torch.equal(
        theirs.model.layers[1].mlp.gate.e_score_correction_bias, network.blocks[1].mlp.gate.bias
    )
    with torch.no_grad():
        assert theirs(batch.tokens_BL).logits.isfinite().all()


def test_fp8_weights_are_dequantized_by_transformers_to_what_we_read(tmp_path: Path) -> None:
    """Without a GPU it multiplies codes by scales on loading, to bfloat16 unless asked for float32."""
    network, batch = small_network(**BLOCKS), random_batch([[8, 5], [13]], 13)
    _, state = read_theirs(write_theirs(network, tmp_path / "hf", dtype="fp8"))
    rounded = build_transformer(network.config, VOCABULARY, 0)
    rounded.load_state_dict(state)
    with torch.no_grad():
        ours = rounded.compute_logits(rounded(batch).hidden_BLD[0])
        exact = network.compute_logits(network(batch).hidden_BLD[0])
        theirs, info = load_transformers(tmp_path / "hf", dtype=torch.float32)
        check_loaded(info, 3, 1)
        close(ours, theirs(batch.tokens_BL).logits, 1e-5)
        assert 0.01 < (ours - exact).abs().max() / exact.abs().max() < 0.3
        narrow, _ = load_transformers(tmp_path / "hf")
        assert narrow.dtype == torch.bfloat16
        close(ours, narrow(batch.tokens_BL).logits.float(), 0.05)


def test_an_fp8_folder_has_what_was_published_in_fp8_and_the_rest_as_published(tmp_path: Path) -> None:
    network = small_network(width=144, query_rank=130)
    folder = write_theirs(network, tmp_path / "hf", dtype="fp8")
    stored = load_file(folder / "model.safetensors")
    place = "model.layers.3."
    linear = {name.removesuffix("_scale_inv") for name in stored if name.endswith("_scale_inv")}
    ends = {"q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"}
    ends |= {"gate_proj", "up_proj", "down_proj"}
    assert {name.split(".")[-2] for name in linear} == ends
    assert len(linear) == 5 * 4 + 3 + 3 * (3 * 8 + 3)
    for name, tensor in stored.items():
        if name in linear:
            assert tensor.dtype == torch.float8_e4m3fn
            scales = stored[name + "_scale_inv"]
            assert scales.dtype == torch.float32
            assert scales.shape == (-(-tensor.shape[0] // 128), -(-tensor.shape[1] // 128))
        elif name.endswith("e_score_correction_bias"):
            assert tensor.dtype == torch.float32
        elif not name.endswith("_scale_inv"):
            assert tensor.dtype == torch.bfloat16, name
    assert stored[place + "eh_proj.weight"].dtype == torch.bfloat16
    config = json.loads((folder / "config.json").read_text())
    assert config["quantization_config"]["weight_block_size"] == [128, 128]


@pytest.mark.parametrize("changes", [*SHAPES, {"yarn": Yarn(factor=4.0, original_length=16)}])
def test_from_ours_to_theirs_and_back_changes_no_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    network = small_network(initial_deviation=0.03, **changes)
    bring_back(write_theirs(network, tmp_path / "hf", shard_bytes=10_000), tmp_path / "back", 30_000)
    (tmp_path / "back").joinpath("model.safetensors.index.json").read_bytes()
    export(tmp_path / "back", network.config, tmp_path / "again", dtype="float32", shard_bytes=10_000)
    assert read_files(tmp_path / "again") == read_files(tmp_path / "hf")
    model, state = read_theirs(tmp_path / "again")
    assert model == network.config
    assert all(same_bits(state[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("dtype", ["bfloat16", "fp8"])
@pytest.mark.parametrize(
    "changes", [{"width": 144, "expert_width": 130}, V2 | {"groups": 4, "chosen_groups": 4}]
)
def test_from_theirs_to_ours_and_back_changes_no_byte(
    dtype: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    network = small_network(initial_deviation=0.03, **changes)
    model = bring_back(write_theirs(network, tmp_path / "hf", dtype=dtype), tmp_path / "back")
    export(tmp_path / "back", model, tmp_path / "again", dtype=dtype)
    assert read_files(tmp_path / "again") == read_files(tmp_path / "hf")


def test_what_transformers_writes_comes_through_with_the_same_tensors(tmp_path: Path) -> None:
    config = transformers.DeepseekV3Config(
        vocab_size=VOCABULARY, hidden_size=24, num_hidden_layers=3, first_k_dense_replace=1,
        num_attention_heads=3, num_key_value_heads=3, q_lora_rank=10, kv_lora_rank=9, qk_nope_head_dim=6,
        qk_rope_head_dim=4, v_head_dim=5, intermediate_size=22, moe_intermediate_size=8, n_routed_experts=12,
        num_experts_per_tok=3, n_group=4, topk_group=2, max_position_embeddings=64,
    )  # fmt: skip
    theirs = transformers.DeepseekV3ForCausalLM(config)
    for layer in theirs.model.layers[1:]:
        layer.mlp.gate.e_score_correction_bias.uniform_(-1, 1)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="20KB")
    with pytest.raises(DspipeError, match="num_nextn_predict_layers = 1, but no tensor of layer 3 is there"):
        bring_back(tmp_path / "theirs", tmp_path / "ours")
    model = bring_back(tmp_path / "theirs", tmp_path / "ours", multi_token=False)
    assert model.groups == 4 and model.mtp_depth == 0
    export(tmp_path / "ours", model, tmp_path / "again", dtype="float32")
    files = sorted((tmp_path / "theirs").glob("*.safetensors"))
    written = {name: tensor for file in files for name, tensor in load_file(file).items()}
    found = load_file(tmp_path / "again" / "model.safetensors")
    assert len(files) > 1 and found.keys() == written.keys()
    assert all(same_bits(found[name], written[name].float()) for name in written)
    loaded, _ = load_transformers(tmp_path / "again")
    batch = random_batch([[13]], 13)
    with torch.no_grad():
        close(loaded(batch.tokens_BL).logits, theirs(batch.tokens_BL).logits, 1e-5)


def test_multi_token_prediction_can_be_left_out_on_the_way_in(tmp_path: Path) -> None:
    network = small_network()
    model, state = read_theirs(write_theirs(network, tmp_path / "hf", dtype="fp8"), multi_token=False)
    assert model.mtp_depth == 0
    assert state.keys() == {name for name in network.state_dict() if not name.startswith("depths.")}


def test_half_precision_and_scales_of_the_joint_projection_are_read(tmp_path: Path) -> None:
    """And the depths' copies of embedding and head may be left out."""
    network, name = small_network(), "model.layers.3.eh_proj.weight"
    folder = write_theirs(network, tmp_path / "hf")
    scale = torch.tensor([[0.5]])
    codes = (network.depths[0].projection.weight / scale).to(torch.float8_e4m3fn)
    head = network.head.half()
    changes = {name: codes, f"{name}_scale_inv": scale, "lm_head.weight": head}
    changes |= {"model.layers.3.shared_head.head.weight": None}
    edit_tensors(folder, **changes)
    _, state = read_theirs(folder)
    assert torch.equal(state["depths.0.projection.weight"], codes.float() * 0.5)
    assert torch.equal(state["head"], head.float())


SCALED = "model.layers.1.self_attn.o_proj.weight"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.layers.3.enorm.weight": None}, r"has no tensor model\.layers\.3\.enorm\.weight"),
        (
            {"model.layers.1.mlp.experts.8.up_proj.weight": torch.zeros(7, 21)},
            r"model\.safetensors: has a tensor .*experts\.8\.up_proj\.weight, for which",
        ),
        ({"model.norm.weight": torch.zeros(22)}, r"model\.norm\.weight is \(22,\) instead of \(21,\)"),
        ({"model.norm.weight": torch.zeros(21).double()}, r"model\.norm\.weight is F64; bfloat16"),
        ({"model.norm.weight": torch.zeros(21).int()}, r"model\.norm\.weight is I32; bfloat16"),
        ({f"{SCALED}_scale_inv": None}, rf"{SCALED} is FP8, but there is no {SCALED}_scale_inv"),
        ({SCALED: None}, rf"{SCALED}_scale_inv is a scale, but there is no {SCALED}"),
        ({SCALED: torch.zeros(21, 15)}, rf"{SCALED}_scale_inv is a scale, but {SCALED} is no matrix in FP8"),
        ({f"{SCALED}_scale_inv": torch.ones(2, 1)}, rf"{SCALED}_scale_inv is F32 \(2, 1\) instead of"),
        ({f"{SCALED}_scale_inv": torch.ones(1, 1).half()}, rf"{SCALED}_scale_inv is F16 \(1, 1\) instead"),
        (
            {"model.layers.3.shared_head.head.weight": torch.zeros(VOCABULARY, 21)},
            r"shared_head\.head\.weight is not the same as lm_head\.weight, .* --no-mtp",
        ),
    ],
)
def test_tensors_that_are_not_the_networks_are_refused_by_name(
    changes: dict[str, torch.Tensor | None], message: str, tmp_path: Path
) -> None:
    folder = write_theirs(small_network(), tmp_path / "hf", dtype="fp8")
    edit_tensors(folder, **changes)
    with pytest.raises(DspipeError, match=message) as error:
        read_theirs(folder)
    assert "\n" not in str(error.value)


def test_a_missing_expert_is_named(tmp_path: Path) -> None:
    folder = write_theirs(small_network(), tmp_path / "hf")
    edit_tensors(folder, **{"model.layers.1.mlp.experts.7.up_proj.weight": None})
    with pytest.raises(DspipeError, match=r"hf: has no tensor model\.layers\.1\.mlp\.experts\.7\.up_proj"):
        read_theirs(folder)


def test_layers_that_the_description_does_not_know_are_refused(tmp_path: Path) -> None:
    folder = write_theirs(small_network(), tmp_path / "hf")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "num_nextn_predict_layers": 0}))
    with pytest.raises(DspipeError, match=r"has tensors of layer 3, but .* import without them by --no-mtp"):
        read_theirs(folder)
    read_theirs(folder, multi_token=False)


def test_a_description_of_far_more_than_there_is_is_refused_at_once(tmp_path: Path) -> None:
    folder = write_theirs(small_network(), tmp_path / "hf")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "num_hidden_layers": 100_000}))
    with pytest.raises(DspipeError, match="has 900,000 layers and experts, the files 135 tensors"):
        read_theirs(folder)


def test_weights_that_are_no_numbers_are_not_quantized(tmp_path: Path) -> None:
    network = small_network()
    with torch.no_grad():
        network.blocks[1].mlp.down[3, 0, 0] = torch.nan
    with pytest.raises(
        DspipeError, match=r"experts\.3\.down_proj\.weight: a weight is infinite or no number"
    ):
        write_theirs(network, tmp_path / "hf", dtype="fp8")
    assert not (tmp_path / "hf" / "config.json").exists()


def test_a_tensor_is_asked_for_when_it_is_written_and_not_before() -> None:
    network = small_network()
    seen: list[str] = []

    class Watched(dict[str, torch.Tensor]):
        def __getitem__(self, name: str) -> torch.Tensor:
            seen.append(name)
            return super().__getitem__(name)

    tensors = encode_all(Watched(network.state_dict()), network.config, "float32", True)
    assert seen == []
    next(tensors)
    assert seen == ["embedding"]


def test_our_own_folder_must_hold_the_network(tmp_path: Path) -> None:
    network = small_network()
    ours = write_ours(network, tmp_path / "ours")
    with pytest.raises(DspipeError, match=r"embedding is \(61, 21\) instead of \(61, 22\)"):
        export(ours, small_network(width=22).config, tmp_path / "hf")
