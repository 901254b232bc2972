"""Manifests → how much of each domain and language there was on the way, and what the mix asked and got."""

from __future__ import annotations

from typing import Any

from dspipe.commands.report.folder import Run
from dspipe.shards import Artifact

Row = dict[str, Any]
KINDS = {"domain": "domains", "language": "languages"}  # as dedup's facts have them, and filter's


def describe_shares(run: Run) -> Row | None:
    """Documents by domain and by language after each stage, and the cells of the mix."""
    mixture = run.artifacts.get("mixture")
    cells = mixture.manifest.facts.get("cells", {}) if mixture else {}
    content: Row = {kind: count_groups(run, kind) for kind in KINDS}
    content["unit"] = "tokens" if any("tokens" in cell for cell in cells.values()) else "bytes"
    content["cells"] = [describe_cell(name, cell, content["unit"]) for name, cell in cells.items()]
    content["mix_domains"] = add_up(content["cells"], 0)
    content["mix_languages"] = add_up([row for row in content["cells"] if "/" in row["cell"]], 1)
    return content if any(content[name] for name in ("domain", "language", "cells")) else None


def count_groups(run: Run, kind: str) -> list[Row]:
    """Documents of each domain or language that were found, passed `filter`, and were kept by `dedup`."""
    found = {
        "found": read_counts(run.artifacts.get("signals"), KINDS[kind]),
        "filtered": read_counts(run.artifacts.get("filtered"), KINDS[kind]),
        "distinct": {
            name: numbers["in"] - numbers["removed"] for name, numbers in read_removed(run, kind).items()
        },
    }
    known = {stage: counts for stage, counts in found.items() if counts}
    names = {
        name: max(counts.get(name, 0) for counts in known.values())
        for counts in known.values()
        for name in counts
    }
    return [
        {"name": name, **{stage: counts.get(name, 0) for stage, counts in known.items()}}
        for name in sorted(names, key=lambda name: (-names[name], name))
    ]


def read_counts(artifact: Artifact | None, key: str) -> dict[str, int]:
    counts: dict[str, int] = artifact.manifest.facts.get(key, {}) if artifact else {}
    return counts


def read_removed(run: Run, kind: str) -> dict[str, dict[str, int]]:
    distinct = run.artifacts.get("distinct")
    removed: dict[str, dict[str, int]] = (
        distinct.manifest.facts.get("removed", {}).get(kind, {}) if distinct else {}
    )
    return removed


def describe_cell(name: str, cell: Row, unit: str) -> Row:
    amount = {"amount": cell.get(unit), "epochs": cell.get("epochs"), "most_epochs": cell.get("most_epochs")}
    return {"cell": name, "asked": cell.get("asked"), "got": cell.get("got", 0.0), **amount}


def add_up(cells: list[Row], part: int) -> list[Row]:
    """Shares asked and got of domains (part 0 of a cell's name) or languages (1), the largest first."""
    sums: dict[str, list[float]] = {}
    for row in cells:
        held = sums.setdefault(row["cell"].split("/", 1)[part], [0.0, 0.0])
        held[0] += row["asked"] or 0.0
        held[1] += row["got"]
    order = sorted(sums.items(), key=lambda item: (-item[1][1], item[0]))
    return [{"name": name, "asked": asked, "got": got} for name, (asked, got) in order]
