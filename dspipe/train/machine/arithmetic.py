"""The settings of a training → how its network multiplies, and what it keeps for the backward pass.

    off       in the type that is computed in
    emulate   from 8-bit codes, in float32, on any machine
    on        by a GPU's 8-bit units
    auto      each product by units or not, as is faster here; measured once, when the training begins

What `auto` comes to is chosen before the first step and holds from then on (`choices.py`): a training that is
killed and resumed multiplies as it began, also on another machine.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dspipe.fp8.native import find_obstacle
from dspipe.model.experts.layer import Experts
from dspipe.model.keeping import Format, Keeper
from dspipe.model.products.fp8 import Fp8Products, PackedFormat, TileFormat
from dspipe.model.products.linear import Linear
from dspipe.model.products.plain import KINDS, PLAIN, Products, Shape, Source, Weight
from dspipe.model.products.units import Emulation, NativeUnits, Units
from dspipe.recipe import DspipeError, Train, resolve_keeping
from dspipe.train.machine.device import choose_dtype
from dspipe.train.machine.needs import check_units

Chosen = tuple[tuple[str, Shape], ...]  # products, by what they are for

ROUNDS = 5  # of which the median counts


@dataclass(frozen=True)
class Timing:
    """Seconds that one product of a run takes, quantization included; infinite where units refuse it."""

    kind: str
    shape: Shape
    plain: float
    codes: float

    def describe(self) -> str:
        faster = "8 bits" if self.codes < self.plain else "plain"
        ways = f"{self.plain * 1e6:,.0f} µs plain, {self.codes * 1e6:,.0f} µs in 8 bits → {faster}"
        return f"{self.kind} {self.shape.describe()}: {ways}"


@dataclass(frozen=True)
class Arithmetic:
    """mode: what it came to: off, emulate or on."""

    mode: str
    products: Products
    again: frozenset[str] = frozenset()
    formats: dict[str, Format] = field(default_factory=dict)

    def keep(self) -> Keeper:
        """What to run a forward pass in, if a backward pass follows."""
        return Keeper(self.again, self.formats)


PLAINLY = Arithmetic("off", PLAIN)


def choose_arithmetic(
    settings: Train,
    device: torch.device,
    shapes: Sequence[Shape],
    in_codes: Chosen | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Arithmetic, Chosen | None]:
    """shapes: all that the run multiplies; in_codes: what `auto` came to when the training began.

    Returns the latter as it is from now on.

    Raises:
        RecipeError: `on`, where there are no units.
        DspipeError: the training was begun with units, and there are none.
    """
    mode = settings.fp8.mode
    check_units(settings)
    if mode != "auto":
        return build_arithmetic(settings, mode), None
    if in_codes is None:
        in_codes = tuple(choose_products(settings, device, shapes, say))
    obstacle = find_obstacle(device)
    if in_codes and obstacle:
        raise DspipeError(
            f'train.fp8.mode: "auto" has begun this training with 8-bit units, and {obstacle}; go on '
            "on such a machine, or train again with --rebuild train"
        )
    if not in_codes:
        return build_arithmetic(settings, "off"), in_codes
    taken = frozenset(in_codes)
    return build_arithmetic(settings, "on", lambda kind, shape: (kind, shape) in taken), in_codes


def choose_products(
    settings: Train, device: torch.device, shapes: Sequence[Shape], say: Callable[[str], None]
) -> Iterator[tuple[str, Shape]]:
    """Those that are faster in 8 bits; none where there are no units, or float32 is asked for."""
    dtype = choose_dtype(device, settings)
    if find_obstacle(device) is None and dtype == torch.bfloat16:
        for timing in time_products(settings, NativeUnits(), shapes, device, dtype):
            say(timing.describe())
            if timing.codes < timing.plain:
                yield timing.kind, timing.shape


def build_arithmetic(
    settings: Train, mode: str, choose: Callable[[str, Shape], bool] = lambda kind, shape: True
) -> Arithmetic:
    """choose: which products are made in codes, where the settings have them so."""
    keeping = resolve_keeping(settings, 2, mode != "off")
    if mode == "off":
        return Arithmetic("off", PLAIN, keeping.again)
    formats: dict[str, Format] = {}
    if keeping.codes_of_attention:
        formats["attention"] = PackedFormat()
    if keeping.codes_of_activations:
        formats["activations"] = TileFormat()
    units: Units = Emulation() if mode == "emulate" else NativeUnits()
    return Arithmetic(mode, Fp8Products(settings.fp8, keeping, units, choose), keeping.again, formats)


def list_shapes(network: nn.Module, tokens: Sequence[int], chosen: int) -> list[Shape]:
    """Every shape that a run multiplies, for micro-batches of so many tokens; chosen: experts of a token."""
    found: dict[Shape, None] = {}
    for module in network.modules():
        if isinstance(module, Linear):
            outputs, inputs = module.weight.shape
            found |= {Shape(count, outputs, inputs): None for count in tokens}
        if isinstance(module, Experts):
            for weight in (module.gate_up, module.down):
                experts, outputs, inputs = weight.shape
                found |= {Shape(count * chosen, outputs, inputs, experts): None for count in tokens}
    return list(found)


def time_products(
    settings: Train, units: Units, shapes: Sequence[Shape], device: torch.device, dtype: torch.dtype
) -> Iterator[Timing]:
    """Every product by units and as `Products` makes it, side by side, in turns."""
    keeping = resolve_keeping(settings, dtype.itemsize, True)
    fp8 = Fp8Products(settings.fp8, keeping, units, lambda kind, shape: True)
    for shape in shapes:
        for kind in KINDS:
            if getattr(settings.fp8, kind) == "fp8":
                runs = [prepare_run(products, kind, shape, device, dtype) for products in (PLAIN, fp8)]
                rounds = [[time_run(run, device) for run in runs] for _ in range(ROUNDS + 1)][1:]
                plain, codes = (statistics.median(times) for times in zip(*rounds, strict=True))
                yield Timing(kind, shape, plain, codes)


def prepare_run(
    products: Products, kind: str, shape: Shape, device: torch.device, dtype: torch.dtype
) -> Callable[[], Tensor]:
    """One product, its operands quantized and all, on random numbers."""
    x, grad = (
        torch.randn(shape.rows, side, device=device, dtype=dtype) for side in (shape.inputs, shape.outputs)
    )
    sides = (shape.outputs, shape.inputs)
    tensor = torch.randn(*((shape.experts, *sides) if shape.experts else sides), device=device)
    weight = Weight(tensor, products.prepare(tensor))
    ends_E = None
    if shape.experts:
        ends_E = (torch.arange(1, shape.experts + 1, device=device) * shape.rows // shape.experts).int()

    def run() -> Tensor:
        if kind == "fprop":
            return products.multiply(products.take(x, Source.HIDDEN, dtype), weight, ends_E)
        taken = products.take(grad, Source.GRADIENT, dtype)
        if kind == "dgrad":
            return products.multiply_back(taken, weight, ends_E)
        return products.sum_outer(taken, kept, ends_E)

    kept: Any = products.take(x, Source.HIDDEN, dtype)
    if kind == "wgrad":  # as it comes out of what was kept
        kept = products.restore(products.save(kept), Source.HIDDEN, dtype)
    return run


def time_run(run: Callable[[], Tensor], device: torch.device) -> float:
    """Seconds until the outcome is there; infinite where it cannot be had."""
    started = time.perf_counter()
    try:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    except RuntimeError:  # a shape that the library has no kernel for
        return math.inf
    return time.perf_counter() - started
