"""A training and the memory that there is → rows at a time, and what is made again, so that it fits.

Bytes are those of `dspipe.model.memory`, in closed form, and what lies beside them: the program itself, the
weights' moving average, the copy that a checkpoint is written from, what a product works with. Whatever keeps
the device busy is taken without making anything again; then norms, products and activations are made again
rather than taking fewer rows, which a device would notice; then fewer rows; and what does not fit with a
single row and all made again is refused, with the numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from dspipe.model.costs import count_parameters
from dspipe.model.memory import Memory, estimate_memory, estimate_working
from dspipe.recipe import AGAIN, PRESETS, Keeping, Model, RecipeError, Train, resolve_keeping

ORDER = ("activations", "norms", "projections")  # by what making them again costs, the cheapest first
BUSY = {"cpu": 1 << 12, "cuda": 1 << 14}  # tokens at a time that keep a device busy: more bring little
MOST = {"cpu": 1 << 13, "cuda": 1 << 17}  # beyond this, nothing: a CPU even becomes slower


@dataclass(frozen=True)
class Machine:
    """What a training may use.

    `device`: cpu or cuda. `width`: bytes of the type computed in. `limit`: bytes that may be held, on the
    device; `held`: bytes of these that the program itself takes. `codes`: weights have codes in 8 bits.
    """

    device: str
    width: int
    limit: int
    held: int
    codes: bool = False


@dataclass(frozen=True)
class Fit:
    """Rows at a time by row length, what is made again, and the bytes expected, by part."""

    micro_batch: dict[int, int]
    recompute: tuple[str, ...]
    memory: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.memory.values())


def find_fit(
    settings: Train,
    vocabulary: int,
    batches: Mapping[int, int],
    machine: Machine,
    micro_batch: Mapping[int, int] | None = None,
    reached: Collection[int] | None = None,
) -> Fit:
    """batches: the most rows of a step, by row length. micro_batch: where it stands already. reached: lengths
    that the training comes to, which alone must fit; None: all.

    Raises:
        RecipeError: it does not fit; with the numbers, and what would.
    """
    best: Fit | None = None
    for rows, recompute in list_ways(settings, batches, machine.device, micro_batch):
        best = describe_fit(settings, vocabulary, machine, rows, recompute, reached)
        if best.total <= machine.limit:
            return best
    assert best is not None
    raise RecipeError(explain_misfit(settings, vocabulary, batches, machine, best, micro_batch is not None))


def list_ways(
    settings: Train, batches: Mapping[int, int], device: str, fixed: Mapping[int, int] | None
) -> Iterator[tuple[dict[int, int], tuple[str, ...]]]:
    """Rows at a time and what is made again, in the order in which they are tried."""
    given = None if settings.recompute is None else tuple(settings.recompute)
    needed = tuple(sorted(resolve_keeping(settings, 2, settings.fp8.mode in ("emulate", "on")).again))
    least = needed if given is None else given
    ladder = [least] if given is not None or len(least) == len(AGAIN) else [least, *grow()]
    if fixed is None and settings.micro_batch is not None:
        fixed = {length: min(settings.micro_batch, rows) for length, rows in batches.items()}
    if fixed is not None:
        yield from ((dict(fixed), again) for again in ladder)
        return
    sizes = list(halve(batches, MOST[device]))
    busy = [size for size in sizes if count_tokens(size) >= BUSY[device]] or sizes[:1]
    yield from ((size, least) for size in busy)
    yield from ((busy[-1], again) for again in ladder[1:])
    yield from ((size, ladder[-1]) for size in sizes[len(busy) :])


def grow() -> Iterator[tuple[str, ...]]:
    for count in range(1, len(ORDER) + 1):
        yield ORDER[:count]


def halve(batches: Mapping[int, int], most: int) -> Iterator[dict[int, int]]:
    """Rows at a time of each length: as many tokens as `most`, then half of them, down to one row.

    Rows divide the batch as evenly as they can, so that no micro-batch is much smaller than the others.
    """
    seen: list[dict[int, int]] = []
    tokens = most
    while tokens >= 1:
        rows = {length: split(batch, max(1, tokens // length)) for length, batch in batches.items()}
        if rows not in seen:
            seen.append(rows)
            yield rows
        tokens //= 2


def split(batch: int, most: int) -> int:
    parts = -(-batch // most)
    return -(-batch // parts)


def count_tokens(rows: Mapping[int, int]) -> int:
    return max(length * count for length, count in rows.items())


def describe_fit(
    settings: Train,
    vocabulary: int,
    machine: Machine,
    rows: Mapping[int, int],
    recompute: Sequence[str],
    reached: Collection[int] | None = None,
) -> Fit:
    """The bytes of one way to do it, where the course of the training takes most."""
    asked = replace(settings, recompute=list(recompute))
    keeping = resolve_keeping(asked, machine.width, machine.codes)
    parts = [
        estimate_parts(settings, vocabulary, machine, count * length, keeping)
        for length, count in rows.items()
        if reached is None or length in reached
    ]
    largest = max(parts, key=lambda part: sum(part.values()))
    return Fit(dict(rows), tuple(recompute), largest)


def estimate_parts(
    settings: Train, vocabulary: int, machine: Machine, tokens: int, keeping: Keeping
) -> dict[str, int]:
    """Bytes by part, for micro-batches of so many tokens."""
    memory = estimate_memory(settings.model, vocabulary, tokens, keeping)
    working = estimate_working(settings.model, vocabulary, tokens, keeping)
    # What lies on the device: a checkpoint is written from a copy in the machine's own memory.
    copies = copy_bytes(settings, memory) if machine.device == "cpu" else {}
    return {
        "program": machine.held,
        "weights": memory.weights + memory.codes,
        "gradients": memory.gradients,
        "moments": memory.moments,
        **copies,
        "attention": memory.attention,
        "mlps": memory.mlps,
        "residual": memory.residual,
        "loss": memory.loss,
        "working": working,
    }


def copy_bytes(settings: Train, memory: Memory) -> dict[str, int]:
    """Of the weights' moving average, and of what a checkpoint is written from while training goes on."""
    average = memory.weights if settings.average is not None else 0
    return {"average": average, "checkpoint": memory.weights + memory.moments + average}


def explain_misfit(
    settings: Train, vocabulary: int, batches: Mapping[int, int], machine: Machine, fit: Fit, begun: bool
) -> str:
    """begun: the training is under way, and can only be continued as it is."""
    rows = ", ".join(f"{count} x {length:,}" for length, count in fit.micro_batch.items())
    largest = sorted(fit.memory.items(), key=lambda part: -part[1])[:3]
    parts = ", ".join(f"{name} {show_gigabytes(size)}" for name, size in largest)
    what = f"{count_parameters(settings.model, vocabulary).all / 1e6:,.0f} million parameters"
    needs = f"{what} in micro-batches of {rows} need {show_gigabytes(fit.total)} ({parts})"
    more = "free some, or allow more with --memory" if machine.device == "cpu" else "free some of the GPU's"
    if begun:
        return f"train.model: {needs}, and there are {show_gigabytes(machine.limit)}; {more}, to go on"
    preset = find_preset(settings, vocabulary, batches, machine)
    mend = f'preset = "{preset}" fits' if preset else f"no preset fits: {more}"
    if settings.micro_batch is not None or settings.recompute is not None:
        mend = f"leave out train.micro_batch and train.recompute to have what fits found; {mend}"
    return f"train.model: {needs}, and there are {show_gigabytes(machine.limit)}; {mend}"


def find_preset(settings: Train, vocabulary: int, batches: Mapping[int, int], machine: Machine) -> str | None:
    """The largest smaller one that fits."""
    size = count_parameters(settings.model, vocabulary).all
    for name in reversed(PRESETS):
        model = msgspec.convert({**PRESETS[name], "preset": name}, Model)
        if count_parameters(model, vocabulary).all >= size:
            continue
        asked = replace(settings, model=model, micro_batch=None, recompute=None)
        for rows, again in list_ways(asked, batches, machine.device, None):
            if describe_fit(asked, vocabulary, machine, rows, again).total <= machine.limit:
                return name
    return None


def show_gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"


def describe_budget(fit: Fit, limit: int) -> str:
    """For people, in a line."""
    parts = ", ".join(f"{name} {show_gigabytes(size)}" for name, size in fit.memory.items() if size)
    rows = ", ".join(f"{count} x {length:,}" for length, count in fit.micro_batch.items())
    again = f", made again: {', '.join(fit.recompute)}" if fit.recompute else ""
    total = f"memory about {show_gigabytes(fit.total)} of {show_gigabytes(limit)}"
    return f"micro-batches of {rows} tokens{again}; {total}: {parts}"
