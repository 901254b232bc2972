"""The trainings of several runs → charts with a curve for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dspipe.commands.charts.lines import Chart, Curve, draw_lines
from dspipe.commands.compare.sides import Side
from dspipe.commands.report.curves import follow_domain

MOST_DOMAINS = 18  # that have a chart, those with the most targets


def draw_comparison(sides: Sequence[Side]) -> dict[str, list[Chart]]:
    """Charts by group; of a run without a training there is no curve, and every run keeps its colour."""
    groups = {"loss": draw_losses(sides), "domains": draw_domains(sides), "course": draw_course(sides)}
    return {name: [chart for chart in charts if chart is not None] for name, charts in groups.items()}


def draw_losses(sides: Sequence[Side]) -> Iterator[Chart | None]:
    yield draw_lines("Training loss", follow(sides, "loss"), unit="nats per token, smoothed", wide=True)
    yield draw_lines("Held-out loss", follow_evaluated(sides, "loss"), unit="nats per token")
    yield draw_lines("Held-out loss, EMA", follow_evaluated(sides, "loss", True), unit="nats per token")
    yield draw_lines("Bits per byte, held out", follow_evaluated(sides, "bits_per_byte"))
    yield draw_lines("MTP loss in training", follow(sides, "mtp_loss"), unit="nats per token, smoothed")


def follow(sides: Sequence[Side], name: str) -> Iterator[Curve]:
    """A column of the metrics by tokens, smoothed where that is known."""
    for number, side in enumerate(sides):
        held: dict[str, Any] = side.training["curves"].get(name) if side.training else {}
        if held:
            smooth = "smoothed" in held
            x, y = (held["smoothed_tokens"], held["smoothed"]) if smooth else (held["tokens"], held["values"])
            yield Curve(side.name, x, y, style=number)


def follow_evaluated(sides: Sequence[Side], key: str, average: bool = False) -> Iterator[Curve]:
    """Of the evaluations a figure by tokens; nothing where no run has more than one of them."""
    courses = [side.training["evaluations"] if side.training else [] for side in sides]
    if max(map(len, courses)) < 2:
        return
    for number, (side, rows) in enumerate(zip(sides, courses, strict=True)):
        values = [((row["average"] or {}) if average else row).get(key) for row in rows]
        yield Curve(side.name, [row["consumed"] for row in rows], values, dots=True, style=number)


def draw_domains(sides: Sequence[Side]) -> Iterator[Chart | None]:
    """The held-out loss of each domain, in bits per byte where they are known; not of single evaluations."""
    trainings = [side.training["evaluations"] for side in sides if side.training]
    if not any(len(evaluations) > 1 for evaluations in trainings):
        return
    targets: dict[str, int] = {}
    for evaluations in trainings:
        for row in evaluations[-1]["domains"] if evaluations else ():
            targets[row["name"]] = max(targets.get(row["name"], 0), row["targets"] or 0)
    known = any(
        row["bits_per_byte"] is not None
        for evaluations in trainings
        for one in evaluations
        for row in one["domains"]
    )
    key, unit = ("bits_per_byte", "bits per byte") if known else ("loss", "nats per token")
    for name in sorted(targets, key=lambda name: (-targets[name], name))[:MOST_DOMAINS]:
        yield draw_lines(name, follow_domains(sides, name, key), unit=unit)


def follow_domains(sides: Sequence[Side], name: str, key: str) -> Iterator[Curve]:
    for number, side in enumerate(sides):
        curve = follow_domain(side.training["evaluations"] if side.training else [], name, key)
        yield Curve(side.name, curve.x, curve.y, dots=True, style=number)


def draw_course(sides: Sequence[Side]) -> Iterator[Chart | None]:
    yield draw_lines("Learning rate", follow(sides, "lr"), zero=True)
    yield draw_lines("Gradient norm", follow(sides, "grad_norm"), unit="smoothed", log=True)
    yield draw_lines("MaxVio in training", follow(sides, "max_violation"), zero=True)
    yield draw_lines("Batch size", follow(sides, "batch_size"), unit="rows", zero=True)
    yield draw_lines("Throughput", follow(sides, "tokens_per_second"), unit="tokens per second", zero=True)
