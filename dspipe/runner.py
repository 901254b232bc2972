"""Walks the road: skips what is done, resumes what was interrupted, says in a sentence what failed."""

from __future__ import annotations

import errno
import fcntl
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dspipe.plan import PROGRESS, Step, plan
from dspipe.recipe import DspipeError, Recipe, RecipeError
from dspipe.road import ROAD, Stage, check_needs, load_run
from dspipe.shards import (
    MANIFEST,
    Journal,
    Manifest,
    Output,
    open_artifact,
    read_manifest,
    remove_leftovers,
    remove_tree,
    write_file,
)
from dspipe.workers import Pool, Workers

REBUILD = "rebuild"  # the file that remembers a rebuild until it is through
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Outcome:
    """What became of a step: the manifests of its artifacts, and the seconds that this run spent on it."""

    step: Step
    manifests: tuple[Manifest, ...]
    seconds: float


class Watcher:
    """Hears how the work goes, so that the command line can show it. This one is deaf."""

    def begin(self, step: Step) -> None: ...
    def progress(self, done: int, total: int, note: str = "") -> None: ...
    def say(self, stage: str, line: str) -> None: ...
    def end(self, outcome: Outcome) -> None: ...


def walk(
    recipe: Recipe,
    folder: Path,
    stages: Sequence[Stage],
    pool: Pool,
    watcher: Watcher,
    rebuild: str | None = None,
) -> list[Outcome]:
    """Bring `stages` to done, in the order of the road; `folder` is the run's.

    Raises:
        RecipeError: an artifact was made with other settings, or a stage lacks its input.
        DspipeError: a stage failed; what was finished stays.
    """
    with locked(folder):
        steps = plan(recipe, folder, stages, rebuild)  # refuses before anything is deleted
        for step in steps:
            if step.state not in ("used", "done"):
                check_needs(step.stage, getattr(recipe, step.stage.name))
        marker = folder / PROGRESS / REBUILD
        if rebuild is not None:
            steps = begin_rebuild(recipe, folder, steps, rebuild, marker)
        else:
            marker.unlink(missing_ok=True)
        remove_leftovers(folder)
        outcomes = [carry_out(step, recipe, folder, pool, watcher) for step in steps]
        marker.unlink(missing_ok=True)
        return outcomes


def begin_rebuild(recipe: Recipe, folder: Path, steps: list[Step], name: str, marker: Path) -> list[Step]:
    """Delete what is to be made again, but once: the same command, interrupted and repeated, goes on."""
    asked = f"{name} {' '.join(step.header.fingerprint for step in steps)}".encode()
    if marker.is_file() and marker.read_bytes() == asked:
        return plan(recipe, folder, [step.stage for step in steps])
    marker.unlink(missing_ok=True)
    forget(folder, steps, name)
    write_file(marker, asked)  # now that nothing of other settings is left
    return steps


def carry_out(step: Step, recipe: Recipe, folder: Path, pool: Pool, watcher: Watcher) -> Outcome:
    """Run one stage if it is to be run, and turn whatever goes wrong into a sentence."""
    begun = time.monotonic()
    watcher.begin(step)
    if step.state not in ("used", "done"):
        try:
            run_stage(step, recipe, folder, pool, watcher)
        except RecipeError:
            forget_progress(step, folder)
            raise
        except DspipeError:
            raise
        except Exception as error:
            raise explain_failure(step.stage, error) from error
    Journal(folder / PROGRESS / step.stage.name).end()
    places = [locate(recipe, folder, artifact) for artifact in step.stage.writes]
    manifests = tuple(manifest for place in places if (manifest := read_manifest(place)))
    outcome = Outcome(step, manifests, time.monotonic() - begun)
    watcher.end(outcome)
    return outcome


def run_stage(step: Step, recipe: Recipe, folder: Path, pool: Pool, watcher: Watcher) -> None:
    stage, journal = step.stage, Journal(folder / PROGRESS / step.stage.name)
    make_room(step, folder, journal)
    inputs = [open_artifact(locate(recipe, folder, artifact)) for artifact in stage.reads]
    outputs = [Output(folder / artifact, step.header_of(artifact)) for artifact in stage.writes]
    workers = Workers(pool, journal, watcher.progress, partial(watcher.say, stage.name))
    load_run(stage)(getattr(recipe, stage.name), *inputs, *outputs, workers)
    unclosed = [output.name for output in outputs if output.closed is None]
    if unclosed:
        raise DspipeError(
            f"{stage.name}: left {', '.join(unclosed)} unfinished: a fault in dspipe, report it"
        )


def make_room(step: Step, folder: Path, journal: Journal) -> None:
    """Bring journal and artifacts to where work can start, in an order in which a kill anywhere is harmless.

    A journal goes before the files that it describes, and comes before files of its own. Where work is
    continued, the new journal is there before the old manifest goes: one of them always speaks for the files.
    """
    if step.state in ("to do", "to make again"):
        forget_stage(step.stage, folder, find_lasting(step, folder))
    if step.state == "to continue":
        journal.end()
    journal.begin(step.header)
    if step.state == "to continue":
        for artifact in step.stage.writes:
            (folder / artifact / MANIFEST).unlink(missing_ok=True)


def explain_failure(stage: Stage, error: Exception) -> DspipeError:
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (named := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(named[1])  # safetensors tells it so
    if number in NO_ROOM:
        what = "no room left on the disk; free some and run the same command again: finished parts are kept"
    elif isinstance(error, MemoryError):
        what = "out of memory; run again with fewer --workers: finished parts are kept"
    elif number is not None:
        what = f"{error}; run the same command again: finished parts are kept"
    else:
        what = (
            f"{type(error).__name__}: {error}; if making its inputs again with --rebuild does not help, "
            "it is a fault in dspipe: report it with what DSPIPE_TRACEBACK=1 shows"
        )
    return DspipeError(f"{stage.name}: {what}")


def locate(recipe: Recipe, folder: Path, artifact: str) -> Path:
    return Path(recipe.use[artifact]) if artifact in recipe.use else folder / artifact


def forget_progress(step: Step, folder: Path) -> None:
    """Delete what a stage has begun that then refused its settings: with others nobody can resume it.

    A training that has come some way is kept all the same.
    """
    if step.state == "to do" or not step.stage.grows:
        forget_stage(step.stage, folder, find_lasting(step, folder))


def forget(folder: Path, steps: Sequence[Step], name: str) -> None:
    """Delete what a stage and all after it have written, the last first, so that it is made again.

    Of the stage itself what lasts is kept, if it is for other settings that the rest is made again.
    """
    (first,) = (step for step in steps if step.stage.name == name)
    for stage in reversed(ROAD[ROAD.index(first.stage) :]):
        forget_stage(stage, folder, find_lasting(first, folder) if stage is first.stage else ())


def find_lasting(step: Step, folder: Path) -> list[str]:
    """The artifacts of a stage that are what is asked for while others of it are not."""
    made = {artifact: read_manifest(folder / artifact) for artifact in step.stage.writes}
    same = [
        artifact
        for artifact, manifest in made.items()
        if manifest and manifest.fingerprint == step.header_of(artifact).fingerprint
    ]
    lasting = [artifact for artifact in same if artifact in step.lasting]
    return [] if len(same) == len(made) else lasting


def forget_stage(stage: Stage, folder: Path, lasting: Collection[str] = ()) -> None:
    """Journal first, then manifest, then parts: what a kill in between leaves is never taken for done."""
    Journal(folder / PROGRESS / stage.name).end()
    for artifact in stage.writes:
        if artifact in lasting:
            continue
        if not (folder / artifact).is_symlink():
            (folder / artifact / MANIFEST).unlink(missing_ok=True)
        remove_tree(folder / artifact)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock goes with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")  # noqa: SIM115 - it is held while the work goes on
    except OSError as error:
        raise DspipeError(f"{folder}: may not be written ({error.strerror}); give another --shards") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DspipeError(f"{folder}: another dspipe is working here; wait for it, or stop it") from None
        yield
