"""A recipe's network → its parameters, the operations of a token, and the memory of training it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from dspipe.bpe.layout import list_tokens, model_rows
from dspipe.commands.terminal import show_size
from dspipe.model.costs import Operations, count_operations, count_parameters
from dspipe.model.memory import Memory, estimate_memory
from dspipe.recipe import Recipe, Train, resolve_keeping
from dspipe.shards import read_manifest
from dspipe.train.schedule.course import Course

WIDTHS = {"float32": 4, "bfloat16": 2}
CODES = "with FP8"
MEANINGS = {
    "weights": "weights",
    "gradients": "gradients",
    "moments": "moments of AdamW",
    "codes": "weights in 8 bits",
    "attention": "kept for the backward pass: attention",
    "mlps": "  MLPs and experts",
    "residual": "  norms and the residual stream",
    "loss": "  loss, the head's gradient with it",
}
ORDER = (
    "embedding", "attention", "scores", "dense", "routed_experts", "shared_experts", "gates", "norms", "head"
)  # fmt: skip


def describe_network(recipe: Recipe, course: Course, run: Path) -> dict[str, Any]:
    """Numbers by part; operations and memory for the micro-batches that hold most tokens.

    run: the folder of the recipe's artifacts, where the tokenizer may be already.
    """
    settings, model = recipe.train, recipe.train.model
    vocabulary, (rows, length) = count_rows(recipe, run), find_largest(settings, course)
    parameters = count_parameters(model, vocabulary)
    parts = asdict(parameters)
    return {
        "preset": model.preset,
        "vocabulary": vocabulary,
        "parameters": {
            "total": parameters.total,
            "active": parts.pop("active"),
            "multi_token": parts.pop("multi_token"),
            "parts": parts,
        },
        "operations": sum_operations(count_operations(model, vocabulary, length)) | {"length": length},
        "memory": {"rows": rows, "length": length, **list_memory(settings, vocabulary, rows * length)},
    }


def list_memory(settings: Train, vocabulary: int, tokens: int) -> dict[str, Any]:
    """In each type that the training may compute in, and with FP8; `auto` is shown as off and as on."""
    mode, exact = settings.fp8.mode, settings.dtype == "float32"
    ways = {
        dtype: resolve_keeping(settings, width, False)
        for dtype, width in WIDTHS.items()
        if settings.dtype in ("auto", dtype) and mode in ("auto", "off")
    }
    if mode != "off":
        asked = replace(settings, fp8=replace(settings.fp8, mode="on"))
        ways[CODES] = resolve_keeping(asked, WIDTHS["float32" if exact else "bfloat16"], True)
    return {
        way: sum_memory(estimate_memory(settings.model, vocabulary, tokens, keeping))
        for way, keeping in ways.items()
    }


def count_rows(recipe: Recipe, run: Path) -> int:
    """Of the embedding: as the tokenizer has them where there is one yet, else as one of that size will."""
    manifest = read_manifest(Path(recipe.use.get("tokenizer", run / "tokenizer")))
    if manifest is not None and "model_rows" in manifest.facts:
        return int(manifest.facts["model_rows"])
    return model_rows(recipe.tokenizer.vocab_size + len(list_tokens(recipe.tokenizer)[1]))


def find_largest(settings: Train, course: Course) -> tuple[int, int]:
    """Rows and their length, of the micro-batches with most tokens in the course of the training."""
    shapes = [(settings.micro_batch or phase.batch_size, phase.length) for phase in course.phases]
    return max(shapes, key=lambda shape: (shape[0] * shape[1], shape[1]))


def sum_operations(operations: Operations) -> dict[str, Any]:
    parts = asdict(operations)
    return {"total": operations.main, "multi_token": parts.pop("multi_token"), "parts": parts}


def sum_memory(memory: Memory) -> dict[str, Any]:
    return {"total": memory.all, "lasting": memory.lasting, **asdict(memory)}


def show_network(content: dict[str, Any]) -> Iterator[str]:
    """The same for people, as lines of two tables."""
    parameters, operations, memory = (content[key] for key in ("parameters", "operations", "memory"))
    yield f"model: preset {content['preset']}, vocabulary of {content['vocabulary']:,} rows; per token:"
    yield show_row("", "parameters", f"GFLOP, L={operations['length']:,}")
    counts, work = parameters["parts"], operations["parts"]
    for name in sorted({*counts, *work}, key=ORDER.index):
        yield show_row(name, show_count(counts.get(name)), show_billions(work.get(name)))
    yield show_row("total", show_count(parameters["total"]), show_billions(operations["total"]))
    yield show_row("a token meets", show_count(parameters["active"]))
    more = parameters["multi_token"], operations["multi_token"]
    yield show_row("multi-token prediction, beside", show_count(more[0]), show_billions(more[1]))
    dtypes = [way for way in (*WIDTHS, CODES) if way in memory]
    yield show_row(f"memory, {memory['rows']:,} x {memory['length']:,} tokens at a time", *dtypes)
    for name in [field.name for field in fields(Memory)]:
        yield show_row(MEANINGS[name], *(show_size(memory[dtype][name]) for dtype in dtypes))
    yield show_row("total", *(show_size(memory[dtype]["total"]) for dtype in dtypes))


def show_row(name: str, *cells: str) -> str:
    indent = "" if name.startswith("memory") else "  "
    return f"{indent}{name.replace('_', ' '):<{40 - len(indent)}}" + "".join(f"{cell:>24}" for cell in cells)


def show_count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def show_billions(number: int | None) -> str:
    return f"{number / 1e9:.4g}" if number else ""
