from typing import Any

import pytest
import torch

from dspipe.model.checkpoint.folders import describe_theirs
from dspipe.model.checkpoint.names import from_hugging_face, to_hugging_face
from dspipe.recipe import PRESETS, Model
from tests.reference.networks import small_network

SHAPES: list[dict[str, Any]] = [
    {},
    {"groups": 4, "chosen_groups": 2, "dense_layers": 3},
    {"query_rank": None, "mtp_depth": 2},
    {"mtp_depth": 0, "shared_experts": 2, "dense_layers": 0},
    {"gate": "softmax", "mtp_depth": 0, "shared_experts": 0},
]


@pytest.mark.parametrize("changes", SHAPES)
def test_names_there_and_back_change_no_bit(changes: dict[str, Any]) -> None:
    network = small_network(**changes)
    state = network.state_dict()
    theirs = dict(to_hugging_face(state, network.config))
    back = dict(from_hugging_face(theirs, network.config))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_experts_keep_their_numbers_past_nine() -> None:
    network = small_network(experts=12)
    theirs = dict(to_hugging_face(network.state_dict(), network.config))
    assert torch.equal(
        theirs["model.layers.1.mlp.experts.10.up_proj.weight"], network.blocks[1].mlp.gate_up[10, 7:]
    )
    order = [name for name in theirs if ".layers.1." in name and name.endswith("down_proj.weight")]
    assert [name.split(".")[5] for name in order[:12]] == [str(n) for n in range(12)]


def test_depths_have_the_names_of_released_checkpoints() -> None:
    network = small_network()
    theirs = dict(to_hugging_face(network.state_dict(), network.config))
    place = "model.layers.3."
    for name in ("enorm", "hnorm", "eh_proj", "shared_head.norm", "embed_tokens", "shared_head.head"):
        assert f"{place}{name}.weight" in theirs
    assert torch.equal(theirs[place + "embed_tokens.weight"], network.embedding)
    assert theirs[place + "eh_proj.weight"].shape == (21, 42)
    assert theirs[place + "mlp.gate.e_score_correction_bias"].dtype == torch.float32
    without = dict(to_hugging_face(network.state_dict(), network.config, multi_token=False))
    assert without.keys() == {name for name in theirs if not name.startswith(place)}


def test_the_671b_names_and_shapes_are_the_published_ones() -> None:
    theirs = describe_theirs(Model(**PRESETS["671b"]), 129280)
    block = {
        name.removeprefix("model.layers.60."): tuple(t.shape) for name, t in theirs.items() if ".60." in name
    }
    assert block["self_attn.q_b_proj.weight"] == (24576, 1536)
    assert block["self_attn.kv_a_proj_with_mqa.weight"] == (576, 7168)
    assert block["self_attn.kv_b_proj.weight"] == (32768, 512)
    assert block["mlp.experts.255.gate_proj.weight"] == (2048, 7168)
    assert block["mlp.gate.e_score_correction_bias"] == (256,)
    assert tuple(theirs["model.layers.61.eh_proj.weight"].shape) == (7168, 14336)
    counted = (t.numel() for name, t in theirs.items() if not name.startswith("model.layers.61."))
    assert sum(counted) == 671_026_419_200
