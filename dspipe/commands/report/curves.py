"""The tables of a training → its charts and heat maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dspipe.commands.charts.heat import draw_heat
from dspipe.commands.charts.lines import STYLES, Chart, Curve, draw_lines

Row = dict[str, Any]

BILLION = 1e9
SKIPPED = "skipped step"
LATE = 0.5  # of the training: the rest is shown larger


def draw_training(training: Row) -> Row:
    """Charts by group; a chart of what was never measured is left out."""
    curves, evaluations = training["curves"], training["evaluations"]
    marks = training["skipped"]["tokens"]
    groups = {
        "loss": draw_losses(curves, evaluations, marks),
        "held_out": draw_held_out(evaluations),
        "course": draw_course(curves, marks),
        "machine": draw_machine(curves),
    }
    return {name: [chart for chart in charts if chart is not None] for name, charts in groups.items()}


def make_curve(curves: Row, name: str, label: str, smoothed: bool = False, **more: Any) -> list[Curve]:
    """A curve as it was measured, or smoothed with what was measured faint behind it."""
    held = curves.get(name)
    if held is None:
        return []
    raw = Curve(label, held["tokens"], held["values"], **more)
    if not smoothed or "smoothed" not in held:
        return [raw]
    return [
        Curve(f"{label}, each step", held["tokens"], held["values"], faint=True, **more),
        Curve(label, held["smoothed_tokens"], held["smoothed"], **more),
    ]


def make_evaluated(
    evaluations: Sequence[Row], label: str, key: str, average: bool = False, **more: Any
) -> Curve:
    rows = [(row["consumed"], (row["average"] or {}) if average else row) for row in evaluations]
    return Curve(label, [tokens for tokens, _ in rows], [row.get(key) for _, row in rows], dots=True, **more)


def draw_losses(curves: Row, evaluations: Sequence[Row], marks: Sequence[float]) -> Iterator[Chart | None]:
    drawn = [
        *make_curve(curves, "loss", "train", True, style=0),
        *make_curve(curves, "mtp_loss", "train, MTP", True, style=2),
        make_evaluated(evaluations, "held out", "loss", style=1),
        make_evaluated(evaluations, "held out, EMA", "loss", True, style=3),
        make_evaluated(evaluations, "held out, MTP", "mtp_loss", style=4),
        make_evaluated(evaluations, "held out, infilled", "fim_loss", style=5),
    ]
    yield draw_lines("Loss", drawn, unit="nats per token", marks=marks, marks_name=SKIPPED, wide=True)
    late = [cut_early(curve, find_end(drawn) * LATE) for curve in drawn]
    yield draw_lines("Loss, the second half", late, unit="nats per token", from_zero=False)


def find_end(curves: Sequence[Curve]) -> float:
    return max((curve.x[-1] for curve in curves if curve.x), default=0.0)


def cut_early(curve: Curve, start: float) -> Curve:
    kept = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if x >= start]
    return Curve(curve.name, [x for x, _ in kept], [y for _, y in kept], curve.faint, curve.dots, curve.style)


def draw_held_out(evaluations: Sequence[Row]) -> Iterator[Chart | None]:
    """Nothing of a single evaluation, which is a table."""
    if len(evaluations) < 2:
        return
    yield draw_lines(
        "Bits per byte, held out",
        [
            make_evaluated(evaluations, "weights", "bits_per_byte", style=1),
            make_evaluated(evaluations, "EMA", "bits_per_byte", True, style=3),
        ],
    )
    names = list_largest(evaluations)
    for key, title, unit in (
        ("loss", "Held-out loss by domain", "nats per token"),
        ("bits_per_byte", "Bits per byte by domain", ""),
    ):
        yield draw_lines(title, [follow_domain(evaluations, name, key) for name in names], unit=unit)
    depths = max((len(row["acceptance"]) for row in evaluations), default=0)
    accepted = [
        Curve(
            f"depth {depth + 1}",
            [row["consumed"] for row in evaluations],
            [row["acceptance"][depth] if depth < len(row["acceptance"]) else None for row in evaluations],
            dots=True,
        )
        for depth in range(depths)
    ]
    yield draw_lines("MTP: share accepted", accepted, zero=True)


def list_largest(evaluations: Sequence[Row]) -> list[str]:
    """The domains and languages with the most targets at last, as many as can be told apart."""
    rows = evaluations[-1]["domains"] if evaluations else []
    return [row["name"] for row in sorted(rows, key=lambda row: -(row["targets"] or 0))[:STYLES]]


def follow_domain(evaluations: Sequence[Row], name: str, key: str) -> Curve:
    values = [
        next((domain[key] for domain in row["domains"] if domain["name"] == name), None)
        for row in evaluations
    ]
    return Curve(name, [row["consumed"] for row in evaluations], values, dots=True)


def draw_course(curves: Row, marks: Sequence[float]) -> Iterator[Chart | None]:
    yield draw_lines("Learning rate", make_curve(curves, "lr", "learning rate"), zero=True)
    yield draw_lines(
        "Gradient norm", make_curve(curves, "grad_norm", "norm before clipping", True, style=0),
        log=True, marks=marks, marks_name=SKIPPED,
    )  # fmt: skip
    yield draw_lines(
        "MaxVio in training", make_curve(curves, "max_violation", "mean of layers", True, style=0), zero=True
    )
    yield draw_lines("Balance loss", make_curve(curves, "balance_loss", "balance loss", True, style=0))
    yield draw_lines("Batch size", make_curve(curves, "batch_size", "rows"), unit="rows", zero=True)
    yield draw_lines("Row length", make_curve(curves, "sequence_length", "tokens"), unit="tokens", zero=True)
    for name, title in (
        ("bias_speed", "Bias speed γ"), ("mtp_weight", "MTP weight λ"), ("balance_weight", "Balance weight α")
    ):  # fmt: skip
        values = curves.get(name, {}).get("values", [])
        if len(set(values)) > 1:  # one that never changes is among the settings
            yield draw_lines(title, make_curve(curves, name, title), zero=True)


def draw_machine(curves: Row) -> Iterator[Chart | None]:
    speed = make_curve(curves, "tokens_per_second", "tokens per second", True, style=0)
    yield draw_lines("Throughput", speed, unit="tokens per second", zero=True)
    yield draw_lines("MFU", make_curve(curves, "mfu", "share of the peak", True, style=0), zero=True)
    memory = [
        Curve(curve.name, curve.x, [None if y is None else y / BILLION for y in curve.y])
        for curve in make_curve(curves, "memory", "peak so far")
    ]
    yield draw_lines("Memory", memory, unit="GB", zero=True)
    waited = make_curve(curves, "waited", "for the loader", True, style=0)
    yield draw_lines("Waiting", waited, unit="seconds of a step", zero=True)


def draw_loads(training: Row) -> list[Row]:
    """A picture for each layer: experts downwards, time to the right, and words for who cannot see it."""
    loads, evaluations = training["loads"], training["evaluations"]
    if loads is None:
        return []
    last = evaluations[-1] if evaluations else {"layers": [], "max_violation_by_layer": []}
    violations = dict(zip(last["layers"], last["max_violation_by_layer"], strict=False))
    pictures = []
    for name, ratios in zip(loads["layers"], loads["ratios"], strict=False):
        at_last = ratios[:, -1]
        pictures.append(
            {
                "name": name,
                "max_violation": violations.get(name),
                "picture": draw_heat(ratios),
                "experts": len(at_last),
                "most": float(at_last.max()),
                "most_expert": int(at_last.argmax()),
                "least": float(at_last.min()),
                "least_expert": int(at_last.argmin()),
                "idle": int((at_last == 0).sum()),
            }
        )
    return pictures
