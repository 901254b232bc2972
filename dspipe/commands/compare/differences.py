"""Runs → the settings in which they differ, the artifacts that they have in common, and counts by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from dspipe.commands.compare.sides import Side
from dspipe.recipe import flatten
from dspipe.road import ROAD, WRITER, Stage
from dspipe.shards import Counts

Row = dict[str, Any]

ABSENT = "(absent)"
NOT_MADE = "(not made)"


def list_settings(sides: Sequence[Side]) -> list[Row]:
    """A row for each key that differs among the runs that came to its stage, one for the others too."""
    return [row for stage in ROAD for row in compare_stage(stage, sides)]


def compare_stage(stage: Stage, sides: Sequence[Side]) -> Iterator[Row]:
    headers = [side.header(stage.name, stage.writes[-1]) for side in sides]
    if sum(header is not None for header in headers) < 2:
        return
    tables = [
        None
        if header is None
        else {
            "(version of the stage)": header.version,
            **flatten(header.settings),
            **describe_outside(header.inputs),
        }
        for header in headers
    ]
    for key in dict.fromkeys(key for table in tables if table for key in table):
        values = [NOT_MADE if table is None else show(table.get(key)) for table in tables]
        if len({value for value in values if value != NOT_MADE}) > 1:
            yield {"key": f"{stage.name}.{key}", "values": values}


def describe_outside(inputs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What is read from outside the run, by source: how much, and a digest that tells it from another."""
    import xxhash

    sources: dict[str, list[dict[str, Any]]] = {}
    for entry in inputs:
        if "artifact" not in entry:
            sources.setdefault(str(entry.get("source")), []).append(entry)
    described = {}
    for name, files in sources.items():
        digest = xxhash.xxh3_64_hexdigest(
            repr([(one.get("file"), one.get("sample")) for one in files]).encode()
        )
        size = sum(one.get("bytes") or 0 for one in files)
        described[f"({name})"] = f"{len(files)} files, {size:,} bytes, {digest[:8]}"
    return described


def show(value: Any) -> str:
    if isinstance(value, list | dict):
        return msgspec.json.encode(value).decode("utf-8", "replace")
    return ABSENT if value is None else str(value)


def list_common(sides: Sequence[Side]) -> list[str]:
    """The artifacts that are the very same in all runs."""
    common = []
    for artifact in WRITER:
        fingerprints = {side.fingerprint(artifact) for side in sides}
        if len(fingerprints) == 1 and None not in fingerprints:
            common.append(artifact)
    return common


def list_counts(sides: Sequence[Side]) -> list[Row]:
    """What went in and out of each stage, and what was dropped for which reason."""
    rows = []
    for stage in ROAD:
        made = [side.run.artifacts.get(stage.writes[-1]) for side in sides]
        counts = [artifact.manifest.counts if artifact else None for artifact in made]
        if not any(counts):
            continue
        for name, values in split_counts(counts):
            if name != "added" or any(values):
                rows.append({"stage": stage.name, "count": name, "values": values})
    return rows


def split_counts(counts: Sequence[Counts | None]) -> Iterator[tuple[str, list[int | None]]]:
    yield "in", [one.in_ if one else None for one in counts]
    yield "added", [one.added if one else None for one in counts]
    for reason in dict.fromkeys(reason for one in counts if one for reason in one.dropped):
        yield f"− {reason}", [one.dropped.get(reason, 0) if one else None for one in counts]
    yield "out", [one.out if one else None for one in counts]
