"""How a training multiplies: what each mode comes to, what `auto` measures, what a folder remembers of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from dspipe.model.products.fp8 import Fp8Products, PackedFormat, TileFormat
from dspipe.model.products.linear import Linear
from dspipe.model.products.plain import KINDS, PLAIN, Shape
from dspipe.model.products.units import Emulation, NativeUnits
from dspipe.recipe import DspipeError, Fp8, RecipeError, Train
from dspipe.train.machine import arithmetic
from dspipe.train.machine.arithmetic import (
    Arithmetic,
    Timing,
    build_arithmetic,
    choose_arithmetic,
    list_shapes,
    time_products,
)
from dspipe.train.machine.choices import Choices, read_choices, write_choices
from tests.reference.networks import small_network

CPU = torch.device("cpu")
SHAPE, OTHER = Shape(8, 16, 32), Shape(24, 16, 32, 4)
QUICK, SLOW = Timing("fprop", SHAPE, 2e-5, 1e-5), Timing("wgrad", OTHER, 1e-5, 2e-5)


def ask(**settings: Any) -> Train:
    return Train(dtype="bfloat16", fp8=Fp8(**settings))


def choose(
    folder: Path, settings: Train, say: Callable[[str], Any] = lambda line: None, training: str = "this"
) -> Arithmetic:
    """As a training does that begins or goes on in a folder."""
    choices = read_choices(folder, training) or Choices(training)
    found, in_codes = choose_arithmetic(settings, CPU, [SHAPE, OTHER], choices.in_codes, say)
    write_choices(folder, replace(choices, in_codes=in_codes))
    return found


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> list[Timing]:
    """As if there were units here, with these times."""
    timings = [QUICK, SLOW]
    monkeypatch.setattr(arithmetic, "find_obstacle", lambda device: None)
    monkeypatch.setattr(arithmetic, "time_products", lambda *arguments: iter(timings))
    return timings


def test_auto_and_off_come_to_the_same_where_there_are_no_units(tmp_path: Path) -> None:
    said: list[str] = []
    for mode in ("auto", "off"):
        found = choose(tmp_path, ask(mode=mode), said.append)
        assert found.mode == "off" and found.products is PLAIN
        assert not found.again and not found.formats
    assert not said
    assert choose(tmp_path, Train(recompute=["norms"])).again == {"norms"}


def test_on_is_refused_without_units_and_told_what_to_take(tmp_path: Path) -> None:
    message = r'train\.fp8\.mode: "on" wants 8-bit units, and there is no GPU; "emulate" .* "auto"'
    with pytest.raises(RecipeError, match=message):
        choose(tmp_path, ask(mode="on"))


def test_emulate_keeps_everything_in_few_bits_unless_told_otherwise(tmp_path: Path) -> None:
    found = choose(tmp_path, ask(mode="emulate"))
    assert isinstance(found.products, Fp8Products) and isinstance(found.products.units, Emulation)
    assert found.again == {"norms", "projections", "activations"}
    assert isinstance(found.formats["attention"], PackedFormat)
    assert isinstance(found.formats["activations"], TileFormat)
    assert not choose(tmp_path, ask(mode="emulate", attention="bf16", activations="bf16")).formats


def test_what_stays_plain_in_wgrad_is_kept_so_unless_told_otherwise() -> None:
    plain = {"wgrad": "bf16"}
    for settings, codes in (({}, True), (plain, False), (plain | {"inputs": "fp8"}, True)):
        products = build_arithmetic(ask(mode="emulate", **settings), "emulate").products
        assert isinstance(products, Fp8Products) and products.keeping.codes_of_inputs == codes


def test_every_shape_of_a_network_is_listed_once() -> None:
    shapes = list_shapes(small_network(), [64, 128], 3)
    assert len(shapes) == len(set(shapes)) and {shape.rows for shape in shapes} == {64, 128, 192, 384}
    assert {shape[1:] for shape in shapes if shape.experts} == {(14, 21, 8), (21, 7, 8)}
    layers = [module for module in small_network().modules() if isinstance(module, Linear)]
    assert {shape[1:3] for shape in shapes if not shape.experts} == {
        tuple(layer.weight.shape) for layer in layers
    }


def test_every_kind_of_every_shape_is_timed_but_those_that_stay_plain() -> None:
    settings = ask(mode="on", dgrad="bf16")
    timings = list(time_products(settings, Emulation(), [SHAPE, OTHER], CPU, torch.bfloat16))
    assert [(timing.kind, timing.shape) for timing in timings] == [
        (kind, shape) for shape in (SHAPE, OTHER) for kind in KINDS if kind != "dgrad"
    ]
    assert all(0 < timing.plain < 1 and 0 < timing.codes < 1 for timing in timings)


def test_a_shape_that_units_refuse_stays_plain() -> None:
    class Refusal(Emulation):
        def multiply(self, *arguments: Any) -> Any:
            raise RuntimeError("no kernel")

    timings = list(time_products(ask(mode="on"), Refusal(), [SHAPE], CPU, torch.bfloat16))
    assert [timing.codes for timing in timings] == [math.inf] * 3
    assert timings[0].describe().endswith("inf µs in 8 bits → plain")


def test_the_faster_is_taken_and_the_table_says_so(tmp_path: Path, units: list[Timing]) -> None:
    said: list[str] = []
    found = choose(tmp_path, ask(mode="auto"), said.append)
    assert said == [
        "fprop 8 x 16 x 32: 20 µs plain, 10 µs in 8 bits → 8 bits",
        "wgrad 24 x 16 x 32 of 4 experts: 10 µs plain, 20 µs in 8 bits → plain",
    ]
    assert found.mode == "on" and isinstance(found.products, Fp8Products)
    assert isinstance(found.products.units, NativeUnits)
    assert found.products.is_in_codes("fprop", SHAPE) and not found.products.is_in_codes("wgrad", OTHER)
    assert not found.products.is_in_codes("fprop", Shape(9, 16, 32))  # which nobody has measured
    assert not found.formats and not found.again  # for speed, unless told to spare memory
    assert list(choose(tmp_path, ask(mode="auto", attention="e5m6")).formats) == ["attention"]


def test_where_nothing_is_faster_all_is_as_without(tmp_path: Path, units: list[Timing]) -> None:
    units[:] = [SLOW]
    assert choose(tmp_path, ask(mode="auto")).products is PLAIN


def test_float32_is_not_exchanged_for_8_bits(tmp_path: Path, units: list[Timing]) -> None:
    assert choose(tmp_path, Train(dtype="float32")).products is PLAIN


def test_a_training_goes_on_as_it_began_another_measures_anew(tmp_path: Path, units: list[Timing]) -> None:
    choose(tmp_path, ask(mode="auto"))
    units[:] = [SLOW]
    assert choose(tmp_path, ask(mode="auto"), pytest.fail).mode == "on"
    assert choose(tmp_path, ask(mode="auto"), training="other").mode == "off"
    units[:] = [QUICK]
    assert choose(tmp_path, ask(mode="auto"), training="other").mode == "off"


def test_a_training_that_began_without_units_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose(tmp_path, ask(mode="auto")).mode == "off"
    monkeypatch.setattr(arithmetic, "find_obstacle", lambda device: None)
    assert choose(tmp_path, ask(mode="auto")).mode == "off"


def test_a_training_that_began_with_units_is_refused_without(
    tmp_path: Path, units: list[Timing], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(tmp_path, ask(mode="auto"))
    monkeypatch.setattr(arithmetic, "find_obstacle", lambda device: "there is no GPU")
    message = r"train\.fp8\.mode: .* and there is no GPU; go on on such a machine"
    with pytest.raises(DspipeError, match=message):
        choose(tmp_path, ask(mode="auto"))


def test_the_settings_of_a_kind_hold_over_the_choice() -> None:
    products = build_arithmetic(ask(mode="on", wgrad="bf16"), "on").products
    assert isinstance(products, Fp8Products)
    assert products.is_in_codes("fprop", SHAPE) and not products.is_in_codes("wgrad", SHAPE)
