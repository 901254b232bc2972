"""A trained network and packed rows → what each way to round its activations, gradients and weights loses.

    python benchmarks/rounding.py RUN WEIGHTS [--preset smoke] [--rows 4] [--plot docs]

RUN holds `sequences` and `tokenizer`, WEIGHTS is a file of `benchmarks/parity.py --save`. One forward and
backward pass over real rows in bfloat16; of every product with a weight its input, the gradient of its output
and the weight are rounded in each way, and what is lost is the norm of the difference over that of the
tensor.

Then one token of the gradients, and one channel of the inputs, is made ten times as large, a hundred times,
and so on, and what all others lose is measured: such outliers are there in large networks, not in one so
small. Last, what sums in registers of 14 bits lose along K.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from drawing import draw_dots
from safetensors.torch import load_file
from torch import Tensor, nn

from dspipe.batch import PackedBatch
from dspipe.bench.machine import describe_machine
from dspipe.fp8.formats import E4M3, E5M2, LARGEST, decode, encode, find_scales
from dspipe.fp8.gemm import accumulate
from dspipe.fp8.tiles import Quantized, pack_tiles, quantize_tiles
from dspipe.model.products.linear import Linear, use_products
from dspipe.model.products.plain import PLAIN, Source
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import PRESETS, Fp8, Model, Train
from dspipe.shards import open_artifact, write_file
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.machine.arithmetic import build_arithmetic
from dspipe.train.schedule.course import Weights
from dspipe.train.schedule.phases import plan_phases
from dspipe.train.step import accumulate_gradient

FACTORS = (1, 10, 100, 1_000, 10_000, 100_000)
PACKAGES = ("torch", "numpy")
WAYS = ("1 x 128", "128 x 128", "whole tensor")
KINDS = {
    Source.HIDDEN: "outputs of norms",
    Source.ATTENTION: "outputs of attention",
    Source.ACTIVATION: "outputs of SwiGLU",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="What each way to round loses.")
    parser.add_argument("run", type=Path, help="the folder that holds sequences and tokenizer")
    parser.add_argument("weights", type=Path, help="a file of trained weights")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/rounding.jsonl"))
    parser.add_argument("--plot", type=Path, help="a folder for the plots")
    options = parser.parse_args()
    network, batch = load(options)
    steps = measure_steps(network, batch)
    tensors = collect_tensors(network, batch)
    rounding = {name: measure_all(some) for name, some in tensors.items()}
    line = {
        "bench": "rounding",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(PACKAGES),
        "preset": options.preset,
        "steps": steps,
        "rounding": rounding,
        "outliers": {
            "gradients, one token": measure_outliers(tensors["gradients of outputs"]),
            "outputs of norms, one channel": measure_channels(tensors["outputs of norms"]),
        },
        "registers": measure_registers(),
    }
    write_file(options.results, json.dumps(line).encode() + b"\n")
    for table in show(line):
        print(table)
    if options.plot:
        write_file(options.plot / "rounding.svg", draw_rounding(rounding).encode())
        gradients = line["outliers"]["gradients, one token"]
        write_file(options.plot / "outliers.svg", draw_outliers(gradients).encode())
        write_file(options.plot / "registers.svg", draw_registers(line["registers"]).encode())


def load(options: argparse.Namespace) -> tuple[Transformer, PackedBatch]:
    """The trained network, and rows that it was trained on."""
    sequences, tokenizer = (open_artifact(options.run / name) for name in ("sequences", "tokenizer"))
    entries, rows = (int(tokenizer.manifest.facts[key]) for key in ("vocabulary", "model_rows"))
    config = Model(**PRESETS[options.preset])
    network = build_transformer(config, rows, 0)
    network.load_state_dict(load_file(options.weights))
    parts = list_parts(sequences)
    phases = plan_phases(options.rows, None, list(parts))
    return network, RowLoader(parts, phases, 7, entries).batch(1)


def measure_steps(network: Transformer, batch: PackedBatch) -> dict[str, dict[str, float]]:
    """How far each weight's gradient is from that of other arithmetic, relative: median and most over
    weights.

    Routing is as it comes: where rounding decides between two experts, their gradients are others.
    """
    ways = {
        "float32": ("off", "float32"), "bf16": ("off", "bfloat16"), "fp8": ("emulate", "bfloat16"),
    }  # fmt: skip
    found = {name: find_gradients(network, batch, *way) for name, way in ways.items()}
    pairs = (("bf16", "float32"), ("fp8", "bf16"), ("fp8", "float32"))
    return {f"{one} from {other}": compare(found[one], found[other]) for one, other in pairs}


def find_gradients(network: Transformer, batch: PackedBatch, mode: str, dtype: Any) -> dict[str, Tensor]:
    settings = Train(model=network.config, dtype=dtype, fp8=Fp8(mode="emulate"))
    arithmetic = build_arithmetic(settings, mode)
    use_products(network, arithmetic.products)
    network.zero_grad()
    accumulate_gradient(network, batch, settings, Weights(0.0, 0.3, 1e-4), arithmetic)
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    use_products(network, PLAIN)
    network.zero_grad()
    return gradients


def compare(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, float]:
    off = {name: float((one[name] - grad).norm() / grad.norm()) for name, grad in other.items()}
    layers = {name: value for name, value in off.items() if "gate" not in name.split(".")}
    return {
        "median": statistics.median(layers.values()), "most": max(layers.values()),
        "most, gates too": max(off.values()),
    }  # fmt: skip


def collect_tensors(network: Transformer, batch: PackedBatch) -> dict[str, list[Tensor]]:
    """By kind, the operands of all layers' products, as matrices of tokens by channels."""
    found: dict[str, list[Tensor]] = defaultdict(list)

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, Linear)
        found[KINDS[layer.source]].append(inputs[0].detach().flatten(0, -2).float())
        output.register_hook(
            lambda grad: found["gradients of outputs"].append(grad.detach().flatten(0, -2).float())
        )

    for module in network.modules():
        if isinstance(module, Linear):
            found["weights"].append(module.weight.detach())
            module.register_forward_hook(watch)
    settings = Train(model=network.config, dtype="bfloat16")
    accumulate_gradient(network, batch, settings, Weights(0.0, 0.3, 1e-4))
    return found


def measure_outliers(tensors: list[Tensor]) -> dict[str, dict[str, float]]:
    """By factor and way, what the other tokens (rows) lose when one is so many times as large."""
    ways = [(way, dtype, name) for way in WAYS for dtype, name in ((E4M3, "E4M3"), (E5M2, "E5M2"))]
    found: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        row = found[f"{factor:,} times"] = {}
        for way, dtype, name in ways:
            lost = []
            for x in tensors:
                spoilt = x.clone()
                place = len(x) // 3
                spoilt[place] *= factor
                others = torch.arange(len(x)) != place
                back = round_in(spoilt, way, dtype, False)[others]
                lost.append(float((back - x[others]).norm() / x[others].norm()))
            row[f"{way}, {name}"] = statistics.median(lost)
    return found


def measure_channels(tensors: list[Tensor]) -> dict[str, dict[str, float]]:
    """The same for one channel, of inputs so wide that there is another tile beside its own."""
    wide = [torch.cat([x, x.flip(1)], 1) for x in tensors if x.shape[1] >= 128]
    found: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        row = found[f"{factor:,} times"] = {}
        for way in WAYS:
            lost = []
            for x in wide:
                spoilt = x.clone()
                spoilt[:, 5] *= factor
                others = torch.arange(x.shape[1]) != 5
                back = round_in(spoilt, way, E4M3, False)[:, others]
                lost.append(float((back - x[:, others]).norm() / x[:, others].norm()))
            row[f"{way}, E4M3"] = statistics.median(lost)
    return found


def measure_all(tensors: list[Tensor]) -> dict[str, dict[str, float]]:
    """By way, format and kind of scale, the median over tensors of what is lost, and of what becomes zero."""
    found = {}
    for way in WAYS:
        for dtype, format in ((E4M3, "E4M3"), (E5M2, "E5M2")):
            for power in (False, True):
                name = f"{way}, {format}, {'powers of two' if power else 'float32'}"
                found[name] = summarize([(x, round_in(x, way, dtype, power)) for x in tensors])
    found["1 x 128, E5M6, powers of two"] = summarize([(x, pack_tiles(x).unpack()) for x in tensors])
    found["no scale, E4M3"] = summarize([(x, decode(encode(x, torch.ones(())))) for x in tensors])
    return found


def round_in(x: Tensor, way: str, dtype: torch.dtype, power: bool) -> Tensor:
    if way == "1 x 128":
        return quantize_tiles(x, power, dtype).dequantize()
    if way == "whole tensor":
        scale = find_scales(x.abs().amax(), LARGEST[dtype], power)
        return encode(x, scale, dtype).float() * scale
    rows, columns = x.shape
    padded = nn.functional.pad(x, (0, -columns % 128, 0, -rows % 128))
    blocks = padded.view(padded.shape[0] // 128, 128, -1, 128)
    scales = find_scales(blocks.abs().amax((1, 3), keepdim=True), LARGEST[dtype], power)
    back = encode(blocks, scales, dtype).float() * scales
    return back.view(padded.shape)[:rows, :columns]


def summarize(pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    lost = [float((back - x).norm() / x.norm()) for x, back in pairs]
    zeros = [float(((back == 0) & (x != 0)).float().mean()) for x, back in pairs]
    return {"lost": statistics.median(lost), "zeros": statistics.median(zeros)}


def measure_registers() -> dict[str, dict[str, float]]:
    """The largest relative error of sums of products of numbers from 0 to 1, by depth."""
    generator, found = torch.Generator().manual_seed(0), dict[str, dict[str, float]]()
    for depth in (128, 512, 1024, 2048, 4096, 8192):
        a, b = (
            Quantized(torch.rand(32, depth, generator=generator).to(E4M3), torch.ones(32, -(-depth // 128)))
            for _ in range(2)
        )
        exact = a.codes.double() @ b.codes.double().T
        ways: dict[str, tuple[Any, int | None]] = {
            "products aligned": ("products", None), "and the sum": ("sum", None),
            "products aligned, promoted": ("products", 128), "and the sum, promoted": ("sum", 128),
        }  # fmt: skip
        found[f"K = {depth:,}"] = {
            name: float(((accumulate(a, b, register, promotion) - exact) / exact).abs().max())
            for name, (register, promotion) in ways.items()
        }
    return found


def show(line: dict[str, Any]) -> Iterator[str]:
    rounding = line["rounding"]
    ways = list(next(iter(rounding.values())))
    yield from show_table({way: {kind: rounding[kind][way]["lost"] for kind in rounding} for way in ways})
    yield "\nof which become zero:\n"
    yield from show_table({way: {kind: rounding[kind][way]["zeros"] for kind in rounding} for way in ways})
    tables = (*line["outliers"].items(), ("registers", line["registers"]), ("steps", line["steps"]))
    for name, table in tables:
        yield f"\n{name}:\n"
        yield from show_table(table)


def show_table(rows: dict[str, dict[str, float]]) -> Iterator[str]:
    """In percent."""
    columns = list(next(iter(rows.values())))
    yield f"| | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}"
    for name, row in rows.items():
        yield f"| {name} | " + " | ".join(f"{100 * row[column]:.3g}" for column in columns) + " |"


def draw_rounding(rounding: dict[str, dict[str, dict[str, float]]]) -> str:
    rows = {
        kind: {
            way.removesuffix(", float32"): figures[way]["lost"]
            for way in (
                "1 x 128, E4M3, float32", "1 x 128, E4M3, powers of two", "1 x 128, E5M2, float32",
                "128 x 128, E4M3, float32", "whole tensor, E4M3, float32", "1 x 128, E5M6, powers of two",
            )
        }
        for kind, figures in rounding.items()
    }  # fmt: skip
    return draw_dots("What rounding loses", "relative error", rows)


def draw_outliers(outliers: dict[str, dict[str, float]]) -> str:
    return draw_dots(
        "What an outlier costs the others", "relative error of the other tokens' gradients", outliers
    )


def draw_registers(registers: dict[str, dict[str, float]]) -> str:
    return draw_dots("What registers of 14 bits lose", "largest relative error of a sum", registers)


if __name__ == "__main__":
    main()
