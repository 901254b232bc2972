"""A path → the run there: finished artifacts, those that `[use]` took from elsewhere, work under way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dspipe.commands.lookup import find_stage
from dspipe.plan import PROGRESS
from dspipe.recipe import DspipeError, RecipeError
from dspipe.road import STAGES, WRITER
from dspipe.shards import MANIFEST, Artifact, Header, Journal

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Run:
    """A run as it is found.

    Attributes:
        artifacts: by name, finished; some may lie in other runs. begun: by stage, what its work has as its
            identity, and how many of its tasks are done. troubles: a sentence for each that cannot be read.
    """

    folder: Path
    artifacts: dict[str, Artifact]
    begun: dict[str, tuple[Header, int]]
    troubles: list[str]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def model(self) -> Path | None:
        """The folder of the model, finished or not."""
        found = self.artifacts.get("model")
        folder = found.folder if found else self.folder / "model"
        return folder if found or (folder / METRICS).is_file() else None

    def place(self, artifact: str) -> str | None:
        """The name of the other run that an artifact was taken from; None for the run's own."""
        run = self.artifacts[artifact].folder.resolve().parent
        return None if run == self.folder.resolve() else run.name


def open_run(path: Path) -> Run:
    """Find what there is of a run, by its folder or by that of one of its artifacts.

    Raises:
        RecipeError: no run is there.
    """
    folder = path.parent if is_artifact(path) else path
    artifacts, troubles = dict[str, Artifact](), list[str]()
    if folder.is_dir():
        for name in WRITER:
            try:
                found = find_stage(folder, name)
            except DspipeError as error:
                troubles.append(str(error))
            else:
                artifacts |= {name: found} if found else {}
    run = Run(folder, artifacts, read_begun(folder, troubles) if folder.is_dir() else {}, troubles)
    if not (artifacts or run.begun or run.model or troubles):
        raise RecipeError(f"{path}: no run of dspipe is there; give the folder of one, e.g. shards/smoke")
    return run


def is_artifact(path: Path) -> bool:
    return (path / MANIFEST).is_file() or (path.name in WRITER and (path / METRICS).is_file())


def read_begun(folder: Path, troubles: list[str]) -> dict[str, tuple[Header, int]]:
    """By stage, the identity of its unfinished work and the number of finished tasks."""
    begun = {}
    for name in STAGES:
        place = folder / PROGRESS / name
        try:
            header = Journal(place, folder).header()
        except DspipeError as error:
            troubles.append(str(error))
            continue
        if header is not None:
            begun[name] = header, sum(1 for file in place.glob("*.json") if file.name != "stage.json")
    return begun
