from typing import Any

import pytest
import torch

from dspipe.model.costs import count_operations, count_parameters
from dspipe.model.experts.layer import Experts
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import PRESETS, Model
from tests.reference.costs import count_products
from tests.reference.networks import random_batch

PUBLISHED = [
    ("671b", 129280, 671_026_419_200),
    ("16b", 102400, 15_706_484_224),
    ("236b", 102400, 235_741_434_880),
]
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("smoke", {}),
    ("smoke", {"mtp_depth": 0, "shared_experts": 0}),
    ("smoke", {"query_rank": None, "value_width": 48, "mtp_depth": 2}),
    ("smoke", {"heads": 3, "width": 96, "value_width": 33, "mtp_depth": 0}),
    ("smoke", {"gate": "softmax", "groups": 4, "chosen_groups": 2, "dense_layers": 2}),
    ("50m", {"layers": 3}),
]


@pytest.mark.parametrize(("preset", "vocabulary", "published"), PUBLISHED)
def test_presets_have_their_published_size(preset: str, vocabulary: int, published: int) -> None:
    assert count_parameters(Model(**PRESETS[preset]), vocabulary).total == published


def test_active_parameters_are_the_published_ones() -> None:
    count = count_parameters(Model(**PRESETS["671b"]), 129280)
    assert round(count.active / 1e9, 2) == 36.63
    assert round(count.multi_token / 1e9, 2) == 11.61


@pytest.mark.parametrize("preset", PRESETS)
def test_the_closed_form_equals_the_module(preset: str) -> None:
    config = Model(**PRESETS[preset])
    with torch.device("meta"):
        network = Transformer(config, 1024)
    count = count_parameters(config, 1024)
    sizes = {name: tensor.numel() for name, tensor in network.state_dict().items()}
    multi_token = sum(size for name, size in sizes.items() if name.startswith("depths."))
    assert count.multi_token == multi_token
    assert count.total == sum(sizes.values()) - multi_token
    assert count.all == sum(sizes.values())
    routed = sum(
        m.gate_up.numel() + m.down.numel() for m in network.blocks.modules() if isinstance(m, Experts)
    )
    assert count.routed_experts == routed


@pytest.mark.parametrize(
    ("preset", "vocabulary", "published"), [("671b", 129280, 250), ("236b", 102400, 155)]
)
def test_operations_per_token_at_4k_are_the_published_ones(
    preset: str, vocabulary: int, published: int
) -> None:
    """arXiv 2505.09343, table 2, in billions; without multi-token prediction."""
    count = count_operations(Model(**PRESETS[preset]), vocabulary, 4096)
    assert count.main / 1e9 == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("preset", "changes"), SHAPES)
def test_operations_equal_those_of_a_step(preset: str, changes: dict[str, Any]) -> None:
    """Every token but a row's last has a target, yet all are multiplied."""
    config = Model(**(PRESETS[preset] | changes))
    network, batch = build_transformer(config, 512, 0), random_batch([[24], [24]], 24)
    batch.tokens_BL.remainder_(512)
    counted = count_products(network, batch)
    layers = config.layers + config.mtp_depth
    width = config.head_width + config.rope_width + config.value_width
    pairs = 24 * 25 // 2  # of a row, query and key
    scores = 3 * 2 * 2 * layers * config.heads * width * pairs
    assert count_operations(config, 512, 24).all * 48 == counted + scores
