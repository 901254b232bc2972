"""The bytes of training in closed form are those that a running network keeps, however it is to keep them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dspipe.bench.kept import count_kept
from dspipe.model.memory import estimate_memory
from dspipe.model.transformer import build_transformer
from dspipe.recipe import PRESETS, Fp8, Model, Train, resolve_keeping
from dspipe.train.machine.arithmetic import build_arithmetic
from tests.model.test_costs import SHAPES
from tests.reference.networks import random_batch

WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "norms again": {"recompute": ["norms"]},
    "projections again": {"recompute": ["projections"]},
    "all again": {"recompute": ["norms", "projections", "activations"]},
    "codes": {"fp8": Fp8(mode="emulate"), "recompute": []},
    "codes, projections again": {"fp8": Fp8(mode="emulate"), "recompute": ["projections"]},
    "codes, all again": {"fp8": Fp8(mode="emulate"), "moments": "float32"},
    "codes of inputs alone": {
        "fp8": Fp8(mode="emulate", attention="bf16", activations="bf16"),
        "recompute": ["activations"],
    },
    "codes of all but inputs": {"fp8": Fp8(mode="emulate", inputs="bf16"), "recompute": []},
}


@pytest.mark.parametrize(("preset", "changes"), SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("way", WAYS)
def test_memory_equals_what_a_step_keeps(
    preset: str, changes: dict[str, Any], dtype: torch.dtype, way: str
) -> None:
    """But for a few small tensors: to 1 %."""
    config = Model(**(PRESETS[preset] | changes))
    settings, mode = Train(model=config, **WAYS[way]), "emulate" if "codes" in way else "off"
    network, batch = build_transformer(config, 4096, 0), random_batch([[256], [256]], 256)
    memory = estimate_memory(config, 4096, 512, resolve_keeping(settings, dtype.itemsize, mode != "off"))
    kept = count_kept(network, batch, dtype, build_arithmetic(settings, mode))
    assert memory.activations == pytest.approx(kept, rel=0.01)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    biases = sum(bias.numel() for bias in network.buffers())
    assert memory.weights == 4 * (parameters + biases) and memory.gradients == 4 * parameters
    assert memory.moments == (8 if way == "codes, all again" else 4) * parameters
    codes = memory.codes / parameters
    assert 0.4 < codes < 1 if mode == "emulate" else codes == 0
