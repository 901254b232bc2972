"""Trainings → their final figures in rows, the best of each marked where it can be said which is best.

A loss per token is of the rows that it was measured on and of the tokenizer that made them: of others it
says nothing. Bits per byte stand above the tokenizer, and are nearly comparable on text of the same kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from dspipe.commands.compare.sides import Side

Row = dict[str, Any]
Better = Literal["lower", "higher"] | None

OTHER_ROWS, NEARLY = "†", "≈"


LOSSES = {
    "held_out_loss": "held-out loss",
    "average_loss": "held-out loss, EMA",
    "held_out_mtp_loss": "held-out MTP loss",
    "held_out_fim_loss": "held-out loss, infilled",
}
BYTES = {
    "held_out_bits_per_byte": "bits per byte",
    "average_bits_per_byte": "bits per byte, EMA",
}
TRAINING_LOSSES = {"train_loss": "training loss, last steps", "train_mtp_loss": "training MTP loss"}
VIOLATIONS = {"held_out_max_violation": "MaxVio, held out", "max_violation": "MaxVio, last batches"}
SPEEDS = {"tokens_per_second": "tokens per second", "mfu": "MFU"}
SIZES = {
    "parameters": "parameters",
    "active": "active parameters",
    "steps": "steps",
    "tokens": "tokens",
    "skipped": "skipped steps",
    "seconds": "seconds in steps",
    "memory": "peak memory, GB",
}
UNITS = {"memory": 1e9}


def list_figures(sides: Sequence[Side]) -> list[Row]:
    """A row has a value or None for each run, `best`: the places of the best, `mark`: what to heed."""
    alike, trained_alike = is_same([side.held_out() for side in sides]), is_same_training(sides)
    loss_mark = "" if alike else OTHER_ROWS
    rows = [
        *take_figures(sides, LOSSES, "lower", loss_mark),
        *take_figures(sides, BYTES, "lower", "" if alike else NEARLY),
        *take_figures(sides, TRAINING_LOSSES, "lower", "" if trained_alike else OTHER_ROWS),
        *list_acceptance(sides, "" if alike else NEARLY),
        *take_figures(sides, VIOLATIONS, "lower", ""),
        *take_figures(sides, SPEEDS, "higher", ""),
        *take_figures(sides, SIZES, None, ""),
        *list_domains(sides, "loss", "loss", loss_mark),
        *list_domains(sides, "bits_per_byte", "bits per byte", "" if alike else NEARLY),
    ]
    return [row for row in rows if any(value is not None for value in row["values"])]


def is_same(values: Sequence[str | None]) -> bool:
    """Whether all that are known are one."""
    return len({value for value in values if value is not None}) <= 1


def is_same_training(sides: Sequence[Side]) -> bool:
    return is_same([side.fingerprint("sequences") for side in sides if side.training])


def take_figures(sides: Sequence[Side], names: dict[str, str], better: Better, mark: str) -> Iterator[Row]:
    for name, label in names.items():
        known = [
            {**side.training["facts"], **side.training["figures"]} if side.training else {} for side in sides
        ]
        values = [figures.get(name) for figures in known]
        unit = UNITS.get(name)
        shown = [value / unit if unit and value is not None else value for value in values]
        yield make_row(label, shown, better, mark)


def make_row(figure: str, values: Sequence[float | None], better: Better, mark: str) -> Row:
    """best is empty where nothing can be said: one run alone, all alike, or other rows."""
    known = [value for value in values if value is not None]
    best: list[int] = []
    if better and mark != OTHER_ROWS and len(set(known)) > 1:
        wanted = min(known) if better == "lower" else max(known)
        best = [place for place, value in enumerate(values) if value == wanted]
    return {"figure": figure, "values": list(values), "best": best, "mark": mark}


def list_acceptance(sides: Sequence[Side], mark: str) -> Iterator[Row]:
    shares = [side.training["figures"]["held_out_acceptance"] if side.training else [] for side in sides]
    for depth in range(max(map(len, shares), default=0)):
        values = [share[depth] if depth < len(share) else None for share in shares]
        yield make_row(f"accepted at MTP depth {depth + 1}", values, "higher", mark)


def list_domains(sides: Sequence[Side], key: str, label: str, mark: str) -> Iterator[Row]:
    """A row for each domain and language that a run was evaluated on."""
    found = [read_domains(side) for side in sides]
    names = sorted({name for domains in found for name in domains})
    for name in names:
        values = [domains.get(name, {}).get(key) for domains in found]
        yield make_row(f"{name}: {label}", values, "lower", mark)


def read_domains(side: Side) -> dict[str, Row]:
    evaluations = side.training["evaluations"] if side.training else []
    return {row["name"]: row for row in evaluations[-1]["domains"]} if evaluations else {}


def list_notes(sides: Sequence[Side]) -> list[str]:
    """A sentence for each thing to heed in what is compared."""
    notes = []
    evaluated = [side for side in sides if side.held_out() is not None]
    if not is_same([side.held_out() for side in evaluated]):
        tokenizers = is_same([side.fingerprint("tokenizer") for side in evaluated])
        why = "" if tokenizers else " and with other tokenizers"
        notes.append(
            f"{OTHER_ROWS} on other rows{why}: losses per token cannot be compared, and no best is marked; "
            f"{NEARLY} bits per byte and shares accepted nearly can, as far as the held-out texts are alike."
        )
    elif not is_same_training(sides):
        notes.append(f"{OTHER_ROWS} trained on other rows: training losses cannot be compared.")
    without = [side.name for side in sides if side.training is None]
    if without:
        notes.append(f"no training yet: {', '.join(without)}.")
    unfinished = [side.name for side in sides if side.training and not side.training["finished"]]
    if unfinished:
        notes.append(f"under way, figures as of the last step: {', '.join(unfinished)}.")
    tokens = {side.training["figures"]["tokens"] for side in sides if side.training}
    if len(tokens) > 1:
        notes.append("the runs have not consumed equally many tokens.")
    return notes
