"""A run → the road in numbers: what each stage took in, added, dropped and put out, and if it adds up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dspipe.commands.charts.flow import Account
from dspipe.commands.report.folder import Run
from dspipe.road import ROAD, Stage
from dspipe.shards import Artifact

Row = dict[str, Any]

UNITS = {"extract": "records", "train": "rows of tokens", "export": "tensors"}
DOCUMENTS = ("extract", "filter", "dedup", "mix", "pack")  # the stages that a document goes through, in order
TABLES = ("documents", "filtered", "distinct", "mixture")  # artifacts whose rows are what came out


def describe_road(run: Run) -> Row:
    """A row for each finished stage; `breaks` has a sentence for each sum that does not hold."""
    stages = [describe_stage(run, stage) for stage in ROAD if main_artifact(stage) in run.artifacts]
    return {
        "stages": stages,
        "begun": [{"stage": name, "tasks": tasks} for name, (_, tasks) in run.begun.items()],
        "seconds": round(sum(row["seconds"] for row in stages if row["taken_from"] is None), 3),
        "breaks": list(find_breaks(run)),
    }


def main_artifact(stage: Stage) -> str:
    """The artifact whose counts are those of the stage."""
    return stage.writes[-1]


def describe_stage(run: Run, stage: Stage) -> Row:
    artifact = run.artifacts[main_artifact(stage)]
    manifest, counts = artifact.manifest, artifact.manifest.counts
    return {
        "stage": stage.name,
        "artifact": manifest.artifact,
        "taken_from": run.place(manifest.artifact),
        "unit": UNITS.get(stage.name, "documents"),
        "in": counts.in_,
        "added": counts.added,
        "out": counts.out,
        "dropped": counts.dropped,
        "adds_up": counts.reconcile(),
        "started": manifest.started,
        "seconds": manifest.seconds,
        "bytes": artifact.bytes,
        "parts": len(manifest.parts),
        "version": manifest.version,
        "fingerprint": manifest.fingerprint,
    }


def find_breaks(run: Run) -> Iterator[str]:
    """Sums that do not hold: within a stage, from one to the next, and between a manifest and its parts."""
    before: Artifact | None = None
    for stage in ROAD:
        artifact = run.artifacts.get(main_artifact(stage))
        if artifact is None:
            before = None if stage.name in DOCUMENTS else before
            continue
        counts = artifact.manifest.counts
        dropped = sum(counts.dropped.values())
        if not counts.reconcile():
            yield (
                f"{stage.name}: {counts.in_:,} in + {counts.added:,} added are not {counts.out:,} out + "
                f"{dropped:,} dropped"
            )
        if artifact.manifest.artifact in TABLES and artifact.rows != counts.out:
            yield f"{stage.name}: its parts have {artifact.rows:,} rows, and {counts.out:,} came out"
        if stage.name not in DOCUMENTS:
            continue
        if before is not None and before.manifest.counts.out != counts.in_:
            gave = before.manifest.counts.out
            yield f"{stage.name}: {counts.in_:,} in, but {before.manifest.stage} gave {gave:,}"
        before = artifact


def list_accounts(stages: list[Row]) -> list[Account]:
    """The stages that a document goes through, as far as they follow one another."""
    rows = {row["stage"]: row for row in stages}
    return [
        Account(name, row["in"], row["added"], row["out"], sum(row["dropped"].values()))
        for name in DOCUMENTS
        if (row := rows.get(name)) is not None
    ]
