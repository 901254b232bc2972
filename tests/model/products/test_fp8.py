"""Products in FP8: all three kinds are those of the codes, for layers and experts; each can be left plain."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dspipe.fp8.tiles import quantize_tiles
from dspipe.model.experts.routed import route, sort_by_expert
from dspipe.model.products import fp8 as module
from dspipe.model.products.fp8 import Fp8Products
from dspipe.model.products.linear import Linear, use_products
from dspipe.model.products.plain import PLAIN, Shape, Source
from dspipe.model.products.units import Emulation
from dspipe.recipe import Fp8, Train, resolve_keeping
from tests.reference import fp8_products as slow


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator)
    return torch.where(torch.rand(shape, generator=generator) < 0.003, 300 * x, x)


def make_products(**settings: Any) -> Fp8Products:
    asked = Train(fp8=Fp8(mode="emulate", **settings))
    return Fp8Products(asked.fp8, resolve_keeping(asked, 4, True), Emulation(), lambda kind, shape: True)


def make_layer(width: int, outputs: int, source: Source = Source.HIDDEN, **settings: Any) -> Linear:
    layer = Linear(width, outputs, source)
    nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(5))
    use_products(layer, make_products(**settings))
    return layer


def run_layer(layer: Linear, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the gradients by x and the weight."""
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    found = torch.autograd.grad(y, [leaf, layer.weight], grad)
    return y.detach(), *found


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-30))


SHAPES = [(1, 1, 1), (5, 7, 3), (128, 128, 128), (130, 257, 129), (300, 96, 200), (1000, 70, 66)]


@pytest.mark.parametrize("shape", SHAPES)
def test_output_and_gradients_are_those_of_the_codes_to_a_millionth(shape: tuple[int, int, int]) -> None:
    rows, inputs, outputs = shape
    layer, x, grad = make_layer(inputs, outputs), draw(rows, inputs), draw(rows, outputs, seed=1) * 1e-6
    weight = layer.weight.detach()
    found = run_layer(layer, x, grad)
    expected = slow.multiply(x, weight), *slow.differentiate(x, weight, grad)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == torch.float32 and error(mine, theirs) <= 1e-6


def test_rows_of_any_dimensions_are_the_rows_of_one_matrix() -> None:
    layer, x, grad = make_layer(150, 40), draw(3, 2, 50, 150), draw(3, 2, 50, 40, seed=1)
    found = run_layer(layer, x, grad)
    flat = run_layer(layer, x.flatten(0, 2), grad.flatten(0, 2))
    assert torch.equal(found[0].flatten(0, 2), flat[0]) and torch.equal(found[1].flatten(0, 2), flat[1])
    assert torch.equal(found[2], flat[2])


def test_in_bfloat16_the_same_codes_are_rounded_at_the_end() -> None:
    layer, x, grad = make_layer(200, 136), draw(100, 200), draw(100, 136, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        y, x_grad, weight_grad = run_layer(layer, x, grad.bfloat16())
    weight, x, grad = layer.weight.detach(), x.bfloat16(), grad.bfloat16()
    expected = slow.multiply(x, weight), *slow.differentiate(x, weight, grad)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, expected[0].float().bfloat16()) or error(y, expected[0]) < 2**-9
    assert error(x_grad, expected[1]) < 2**-9
    assert weight_grad.dtype == torch.float32 and error(weight_grad, expected[2]) <= 1e-6


@pytest.mark.parametrize("kind", range(3))
def test_each_kind_can_be_left_as_it_is_without(kind: int) -> None:
    names = "fprop", "dgrad", "wgrad"
    layer, x, grad = (
        make_layer(200, 130, inputs="bf16", **{names[kind]: "bf16"}),
        draw(70, 200),
        draw(70, 130),
    )
    found = run_layer(layer, x, grad)
    use_products(layer, PLAIN)
    plain = run_layer(layer, x, grad)
    assert [torch.equal(one, other) for one, other in zip(found, plain, strict=True)] == [
        place == kind for place in range(3)
    ]


def test_a_weight_is_quantized_when_it_has_changed_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, seen = make_layer(30, 20), list[Tensor]()
    quantize = module.quantize_weight

    def count(weight: Tensor) -> Any:
        seen.append(weight)
        return quantize(weight)

    monkeypatch.setattr(module, "quantize_weight", count)
    x, grad = draw(6, 30), draw(6, 20)
    first = run_layer(layer, x, grad)
    run_layer(layer, x, grad)
    assert len(seen) == 1
    with torch.no_grad():
        layer.weight.mul_(3.0)
    changed = run_layer(layer, x, grad)
    assert len(seen) == 2 and not torch.equal(first[0], changed[0])
    layer.products.refresh(layer.weight)
    run_layer(layer, x, grad)
    assert len(seen) == 3
    layer.products.refresh(nn.Parameter(draw(3, 3)))  # of no product: no one asked for its codes
    assert len(seen) == 3


SCALES = [("report", (2, 4, 6)), ("float32", ()), ("power", range(1, 7))]


def test_nothing_is_quantized_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("quantize_weight", "quantize_tiles", "quantize_columns"):
        monkeypatch.setattr(module, name, lambda *arguments: pytest.fail("quantized"))
    plain = {kind: "bf16" for kind in ("fprop", "dgrad", "wgrad")}
    layer = make_layer(30, 20, **plain)
    run_layer(layer, draw(6, 30), draw(6, 20))
    with torch.no_grad():
        make_layer(30, 20, fprop="bf16", dgrad="bf16")(draw(6, 30))


@pytest.mark.parametrize(("scales", "powers"), SCALES)
def test_scales_are_powers_of_two_where_the_report_has_them(scales: str, powers: Any) -> None:
    products = make_products(scales=scales)
    for source in Source:
        operand = products.take(draw(9, 300), source, torch.float32)
        fractions = torch.frexp(operand.tiles.scales)[0]
        assert bool((fractions == 0.5).all()) == (source.value in powers)


def test_inputs_are_kept_as_the_codes_that_were_multiplied_or_as_they_were() -> None:
    x = draw(9, 300).bfloat16()
    ways: list[tuple[dict[str, Any], Source, int]] = [
        ({}, Source.HIDDEN, 2), ({"inputs": "bf16"}, Source.HIDDEN, 1), ({}, Source.ATTENTION, 1)
    ]  # fmt: skip
    for settings, source, kept in ways:
        products = make_products(**settings)
        operand = products.take(x, source, torch.bfloat16)
        saved = products.save(operand)
        assert len(saved) == kept
        back = products.restore(saved, source, torch.bfloat16)
        assert torch.equal(back.tiles.codes.float(), operand.tiles.codes.float())
        assert torch.equal(back.tiles.scales, operand.tiles.scales)


ROUTES = {
    "any": [[0, 2], [1, 3], [2, 1], [2, 0], [3, 2], [1, 0], [0, 3]],
    "one expert gets nothing": [[0, 2], [0, 3], [2, 3], [3, 0]],
    "all go to one": [[1]] * 200,
    "many": torch.randint(0, 4, (500, 1), generator=torch.Generator().manual_seed(1)).tolist(),
}


@pytest.mark.parametrize("name", ROUTES)
def test_experts_are_those_of_a_loop_over_them(name: str) -> None:
    experts = torch.tensor(ROUTES[name])
    x, grad, gates = (
        draw(len(experts), 150),
        draw(len(experts), 150, seed=1) * 1e-5,
        draw(*experts.shape, seed=2).abs(),
    )
    weights = draw(4, 2 * 70, 150, seed=3), draw(4, 150, 70, seed=4)
    leaves = [part.clone().requires_grad_() for part in (x, gates, *weights)]
    y = route(leaves[0], leaves[1], (leaves[2], leaves[3]), sort_by_expert(experts, 4), make_products())
    found = dict(zip(("x", "gates", "gate_up", "down"), torch.autograd.grad(y, leaves, grad), strict=True))
    expected = slow.run_experts(x, gates, experts, *weights, grad)
    assert error(y.detach(), expected["y"]) <= 1e-6
    # Where a sum of float32 lies on the edge between two codes, its last digit decides.
    for part, mine in found.items():
        assert error(mine, expected[part]) <= 2e-3, part


def test_tiles_of_tokens_do_not_straddle_experts() -> None:
    """Tokens of one expert are a million times as large: those of the other would vanish in a shared tile."""
    experts = torch.tensor([[0], [1]] * 40)
    x, grad = draw(80, 64), draw(80, 64, seed=1)
    x[1::2] *= 1e6
    grad[1::2] *= 1e6
    weights = [draw(2, 128, 64, seed=3).requires_grad_(), draw(2, 64, 64, seed=4).requires_grad_()]
    gates, dispatch = torch.ones(80, 1), sort_by_expert(experts, 2)

    def differentiate(products: Any) -> Tensor:
        y = route(x, gates, (weights[0], weights[1]), dispatch, products)
        return torch.autograd.grad(y, weights, grad)[1]

    plain, codes = differentiate(PLAIN), differentiate(make_products())
    assert error(codes[0], plain[0]) < 0.1


def test_zeros_are_exact_and_give_zeros() -> None:
    layer = make_layer(140, 130)
    for x, grad in ((torch.zeros(9, 140), draw(9, 130)), (draw(9, 140), torch.zeros(9, 130))):
        y, x_grad, weight_grad = run_layer(layer, x, grad)
        assert not weight_grad.any() and (y.any() == x.any()) and (x_grad.any() == grad.any())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_does_not_become_one(value: float) -> None:
    layer, x, grad = make_layer(140, 130), draw(9, 140), draw(9, 130)
    x[4, 130] = value
    y, _, weight_grad = run_layer(layer, x, grad)
    assert y[4].isnan().all() and y[:4].isfinite().all() and weight_grad[:, 128:].isnan().all()
    grad[3, 2] = value
    _, x_grad, _ = run_layer(layer, draw(9, 140), grad)
    assert x_grad[3].isnan().all() and x_grad[4:].isfinite().all()


def test_the_choice_is_asked_for_every_kind_and_shape() -> None:
    asked = set()

    def choose(kind: str, shape: Shape) -> bool:
        asked.add((kind, shape))
        return kind != "dgrad"

    products = make_products()
    products.choose = choose
    layer = make_layer(30, 20)
    use_products(layer, products)
    found = run_layer(layer, draw(6, 30), draw(6, 20))
    use_products(layer, PLAIN)
    plain = run_layer(layer, draw(6, 30), draw(6, 20))
    assert torch.equal(found[1], plain[1]) and not torch.equal(found[0], plain[0])
    weights = draw(4, 10, 30).requires_grad_(), draw(4, 30, 5).requires_grad_()
    dispatch = sort_by_expert(torch.tensor(ROUTES["any"]), 4)
    route(draw(7, 30), torch.ones(7, 2), weights, dispatch, products).sum().backward()
    kinds = "fprop", "dgrad", "wgrad"
    shapes = Shape(6, 20, 30), Shape(14, 10, 30, 4), Shape(14, 30, 5, 4)
    # nothing asks for a gradient by the experts' input
    assert asked == {(kind, shape) for kind in kinds for shape in shapes}


def test_codes_of_tiles_give_swiglu_its_inputs_back() -> None:
    products, hidden = make_products(), draw(9, 300).bfloat16()
    back = products.widen(products.narrow(hidden), torch.bfloat16)
    assert torch.equal(back, quantize_tiles(hidden).dequantize().bfloat16())
    plain = make_products(activations="bf16")
    assert plain.narrow(hidden)[0] is hidden and plain.widen((hidden,), torch.bfloat16) is hidden
