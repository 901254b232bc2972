import pytest
import torch

from dspipe.model.experts import Experts
from dspipe.model.parameters import count_parameters
from dspipe.model.transformer import Transformer
from dspipe.recipe import PRESETS, Model


@pytest.mark.parametrize(
    ("preset", "vocabulary", "published"),
    [("671b", 129280, 671_026_419_200), ("16b", 102400, 15_706_484_224), ("236b", 102400, 235_741_434_880)],
)
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
    routed = sum(
        m.gate_up.numel() + m.down.numel() for m in network.blocks.modules() if isinstance(m, Experts)
    )
    assert count.routed_experts == routed
