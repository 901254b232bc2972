"""FP8 on a GPU: the codes are those of a CPU, its units multiply them, and what is made again has the same
bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dspipe.fp8.gemm import accumulate, multiply
from dspipe.fp8.native import find_obstacle, multiply_native
from dspipe.fp8.tiles import Quantized, pack_tiles, quantize_columns, quantize_tiles, quantize_weight
from dspipe.model.experts.routed import route, sort_by_expert
from dspipe.model.products.fp8 import Fp8Products
from dspipe.model.products.linear import use_products
from dspipe.model.products.units import Emulation, NativeUnits
from dspipe.model.transformer import build_transformer
from dspipe.recipe import Fp8, Train, resolve_keeping
from dspipe.train.machine.arithmetic import build_arithmetic, choose_arithmetic, list_shapes
from dspipe.train.machine.device import choose_device
from dspipe.train.optimizer import AdamW
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.model.test_keeping import SOME
from tests.reference.networks import random_batch, small_model
from tests.reference.rows import write_rows
from tests.train.test_loop import Killed, kill_after, read_everything, run

CUDA = torch.device("cuda" if torch.cuda.is_available() else "cpu")
OBSTACLE = find_obstacle(CUDA)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
with_units = pytest.mark.skipif(OBSTACLE is not None, reason=f"needs 8-bit units: {OBSTACLE}")

SHAPE = small_model(  # widths that a GPU's kernels take
    width=64, layers=2, heads=4, query_rank=32, key_value_rank=32, head_width=32, rope_width=16,
    value_width=32, dense_width=64, expert_width=32, initial_deviation=0.05,
)  # fmt: skip


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.003, 300 * x, x)


def same(found: Tensor, expected: Tensor) -> bool:
    found = found.cpu()
    return torch.equal(found.contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8))


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("power", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_codes_and_scales_are_those_of_a_cpu_bit_for_bit(power: bool, dtype: torch.dtype) -> None:
    bits = torch.randint(-(2**31), 2**31, (2_000_000,), generator=torch.Generator().manual_seed(1))
    anything = bits.int().view(torch.float32)
    anything = torch.where(anything.isfinite(), anything, 0.0).view(-1, 1000)
    for x in (draw(3000, 1001).to(dtype), anything.to(dtype), torch.zeros(3, 300, dtype=dtype)):
        for quantize in (quantize_tiles, quantize_columns):
            expected, found = quantize(x, power), quantize(x.to(CUDA), power)
            assert same(found.codes, expected.codes) and same(found.scales, expected.scales)
            assert same(found.dequantize(), expected.dequantize())
        weight, other = quantize_weight(x), quantize_weight(x.to(CUDA))
        assert same(other.codes, weight.codes) and same(other.dequantize(), weight.dequantize())
        packed, moved = pack_tiles(x), pack_tiles(x.to(CUDA))
        assert same(moved.bytes, packed.bytes) and same(moved.unpack(), packed.unpack())


@with_units
@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize(
    "shape",
    [(64, depth, 96) for depth in (16, 100, 128, 256, 384, 512, 640, 1000, 8192)]
    + [(1, 128, 16), (5, 130, 7), (130, 257, 129), (1000, 7168, 576)],
)
def test_units_multiply_as_the_codes_say(shape: tuple[int, int, int], blocks: bool) -> None:
    rows, depth, columns = shape
    a, other = quantize_tiles(draw(rows, depth).to(CUDA)), draw(columns, depth, seed=1).to(CUDA)
    b = quantize_weight(other) if blocks else quantize_tiles(other)
    expected = a.dequantize().double() @ b.dequantize().double().T
    found = multiply_native(a, b, torch.float32)
    assert found.shape == (rows, columns) and error(found, expected) < 1e-3
    assert error(multiply_native(a, b, torch.bfloat16), expected) < 5e-3
    assert torch.equal(found, multiply_native(a, b, torch.float32))
    assert error(multiply(a, b), expected) < 1e-6 and error(accumulate(a, b), expected) < 1e-6


@with_units
def test_units_take_the_transpose_of_blocks() -> None:
    weight, grad = quantize_weight(draw(300, 208).to(CUDA)), quantize_tiles(draw(40, 300, seed=1).to(CUDA))
    expected = grad.dequantize().double() @ weight.dequantize().double()
    assert error(multiply_native(grad, weight.transpose(), torch.float32), expected) < 1e-3


@with_units
def test_experts_by_units_are_those_of_the_emulation() -> None:
    experts = torch.randint(0, 6, (700, 2), generator=torch.Generator().manual_seed(1)).remainder(5).to(CUDA)
    x, grad, gates = (part.to(CUDA) for part in (draw(700, 160), draw(700, 160, seed=1), draw(700, 2).abs()))
    weights = [draw(6, 192, 160, seed=3).to(CUDA), draw(6, 160, 96, seed=4).to(CUDA)]  # the last has no token
    found = []
    for units in (Emulation(), NativeUnits()):
        asked = Train(fp8=Fp8(mode="on"))
        products = Fp8Products(asked.fp8, resolve_keeping(asked, 2, True), units, lambda kind, shape: True)
        leaves = [part.clone().requires_grad_() for part in (x, gates, *weights)]
        y = route(leaves[0], leaves[1], (leaves[2], leaves[3]), sort_by_expert(experts, 6), products)
        found.append([y, *torch.autograd.grad(y, leaves, grad)])
    for one, other in zip(*found, strict=True):
        assert error(one.detach(), other.detach()) < 1e-2


def test_adamw_on_a_gpu_is_that_of_torch() -> None:
    ours = nn.ParameterList(nn.Parameter(draw(*shape).to(CUDA)) for shape in [(70, 33), (5,), (3, 4, 5)])
    theirs = nn.ParameterList(nn.Parameter(parameter.detach().clone()) for parameter in ours)
    optimizer = AdamW(ours, Train(moments="float32", weight_decay=0.1))
    groups = [{"params": [p], "weight_decay": 0.1 if p.ndim > 1 else 0.0} for p in theirs]
    reference = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-8, fused=True)
    for step in range(5):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = draw(*mine.shape, seed=step).to(CUDA)
            other.grad = mine.grad.clone()
        optimizer.step(1e-2)
        reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("again", SOME)
@pytest.mark.parametrize("exact", [True, False])
def test_what_is_made_again_changes_no_bit_on_a_gpu(again: tuple[str, ...], exact: bool) -> None:
    """In the strict mode; in the other, attention's gradient itself is not the same twice."""
    device = choose_device(exact)
    network = build_transformer(SHAPE, 61, 0).to(device)
    batch, found = random_batch([[90, 38], [128]], 128), []
    for some in ((), again):
        settings = Train(model=SHAPE, recompute=list(some), fp8=Fp8(attention="bf16", activations="bf16"))
        arithmetic = build_arithmetic(settings, "emulate")
        use_products(network, arithmetic.products)
        network.zero_grad()
        loss = accumulate_gradient(network, batch, settings, Weights(0.0, 0.3), arithmetic).loss
        found.append([loss, *(p.grad.clone() for p in network.parameters() if p.grad is not None)])
    torch.use_deterministic_algorithms(False)
    assert found[0][0] == found[1][0]
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        assert torch.equal(one, other) if exact else error(one, other) < 0.05


@pytest.mark.parametrize("mode", ["emulate", pytest.param("on", marks=with_units), "auto"])
def test_a_run_killed_and_resumed_gives_the_same_bits(tmp_path: Path, mode: Any) -> None:
    files = write_rows(tmp_path / "rows", rows=11, parts=2, length=128)
    changes: dict[str, Any] = {"model": SHAPE, "fp8": Fp8(mode=mode)}
    run(files, tmp_path / "killed", steps=1, **changes)  # what `auto` measures is of this folder's checkpoint
    torch.cuda.synchronize()
    (tmp_path / "whole").mkdir()
    for path in (tmp_path / "killed").rglob("*"):
        target = tmp_path / "whole" / path.relative_to(tmp_path / "killed")
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(path.read_bytes())
    run(files, tmp_path / "whole", **changes)
    with pytest.raises(Killed):
        run(files, tmp_path / "killed", kill_after(5), **changes)
    run(files, tmp_path / "killed", **changes)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")


@with_units
def test_auto_measures_every_product_and_says_what_it_takes() -> None:
    said: list[str] = []
    shapes = list_shapes(build_transformer(SHAPE, 61, 0), [256], SHAPE.chosen_experts)
    _, in_codes = choose_arithmetic(Train(model=SHAPE), CUDA, shapes, say=said.append)
    assert in_codes is not None and len(said) == 3 * len(shapes)
    assert len(in_codes) == sum(line.endswith("8 bits") for line in said)


def test_quantized_matrices_go_to_a_gpu() -> None:
    tiles = quantize_tiles(draw(5, 300))
    moved = Quantized(tiles.codes.to(CUDA), tiles.scales.to(CUDA))
    assert same(moved.dequantize(), tiles.dequantize())
