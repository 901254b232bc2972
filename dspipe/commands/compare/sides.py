"""Paths of runs → what is compared, each with a name that tells it from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dspipe.commands.report.folder import Run, open_run
from dspipe.commands.report.training import describe_training
from dspipe.shards import Header, Manifest


@dataclass(frozen=True)
class Side:
    """A run among others; `training` as the report describes it, None where there is no step yet."""

    name: str
    run: Run
    training: dict[str, Any] | None

    def header(self, stage: str, artifact: str) -> Manifest | Header | None:
        """The identity of a stage's work, finished or under way."""
        found = self.run.artifacts.get(artifact)
        return found.manifest if found else self.run.begun.get(stage, (None,))[0]

    def fingerprint(self, artifact: str) -> str | None:
        """Of an artifact of the run, or of the one that its model is made of where that is not at hand."""
        found = self.run.artifacts.get(artifact)
        if found is not None:
            return found.manifest.fingerprint
        header = self.header("train", "model")
        inputs = header.inputs if header else []
        return next((one["fingerprint"] for one in inputs if one.get("artifact") == artifact), None)

    def held_out(self) -> str | None:
        """What tells the rows that the model was last evaluated on: the digest of their file, if at hand."""
        if self.training is None or not self.training["evaluations"]:
            return None
        length = self.training["evaluations"][-1]["sequence_length"]
        sequences = self.run.artifacts.get("sequences")
        beside = sequences.manifest.beside if sequences else []
        digests = [part.xxh3 for part in beside if part.file == f"validation/L{length}.arrow"]
        return digests[0] if digests else self.fingerprint("sequences")


def open_sides(paths: Sequence[Path]) -> list[Side]:
    """Find the runs, and what their trainings have come to."""
    runs = [open_run(path) for path in paths]
    names = name_runs([run.folder.resolve() for run in runs])
    return [
        Side(name, run, describe_training(run, loads=False)) for name, run in zip(names, runs, strict=True)
    ]


def name_runs(folders: Sequence[Path]) -> list[str]:
    """As much of the end of each path as tells all apart; the same folder twice is numbered.

    >>> name_runs([Path("/shards/a"), Path("/shards/b")]), name_runs([Path("/old/a"), Path("/new/a")])
    (['a', 'b'], ['old/a', 'new/a'])
    """
    longest = max(len(folder.parts) for folder in folders)
    for depth in range(1, longest + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [f"{folder.name} ({number})" for number, folder in enumerate(folders, 1)]
