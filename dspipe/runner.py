"""Walks the road: skips what is done, refuses what has drifted, resumes what was interrupted.

An artifact's fingerprint is a function of its stage's settings and version and of the fingerprints of its
inputs, so the state of the whole road is known before any work starts.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import xxhash

from dspipe.recipe import DspipeError, Recipe, RecipeError, flatten
from dspipe.road import ROAD, STAGES, WRITER, Stage, describe_outside, load_run
from dspipe.shards import (
    MANIFEST,
    Header,
    Journal,
    Manifest,
    Output,
    open_artifact,
    read_manifest,
    remove_leftovers,
)
from dspipe.workers import Pool, Workers

State = Literal["used", "done", "to do", "to resume", "to continue", "to make again"]
Difference = tuple[str, Any, Any]  # key, made with, asked for

PROGRESS = ".progress"
ABSENT = "(absent)"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Step:
    """One stage as this run finds it."""

    stage: Stage
    header: Header
    state: State


@dataclass(frozen=True)
class Outcome:
    """What became of a step: the manifests of its artifacts, and the seconds that this run spent on it."""

    step: Step
    manifests: tuple[Manifest, ...]
    seconds: float


class Watcher:
    """Hears how the work goes, so that the command line can show it. This one is deaf."""

    def begin(self, step: Step) -> None: ...
    def progress(self, done: int, total: int) -> None: ...
    def end(self, outcome: Outcome) -> None: ...


def stages_until(recipe: Recipe, last: str) -> list[Stage]:
    """The stages that a run up to `last` needs: not those whose work the recipe takes from another run."""
    needed: list[Stage] = []
    wanted = set(STAGES[last].writes)
    for stage in reversed(ROAD[: ROAD.index(STAGES[last]) + 1]):
        if wanted & set(stage.writes):
            needed.insert(0, stage)
            wanted |= set() if is_used(recipe, stage) else set(stage.reads)
    return needed


def walk(
    recipe: Recipe, folder: Path, stages: Sequence[Stage], pool: Pool, watcher: Watcher
) -> list[Outcome]:
    """Bring `stages` to done, in the order of the road; `folder` is the run's.

    Raises:
        RecipeError: an artifact was made with other settings, or a stage lacks its input.
        DspipeError: a stage failed; what was finished stays.
    """
    with locked(folder):
        steps = plan(recipe, folder, stages)
        remove_leftovers(folder)
        return [carry_out(step, recipe, folder, pool, watcher) for step in steps]


def plan(recipe: Recipe, folder: Path, stages: Sequence[Stage]) -> list[Step]:
    """Find the state of each stage; refuse before any work if one has drifted or lacks an input."""
    known = used_fingerprints(recipe)
    steps: list[Step] = []
    for stage in ROAD:
        if is_used(recipe, stage):
            if stage in stages:
                steps.append(
                    Step(stage, Header(stage.name, stage.version, {}, known[stage.writes[-1]], []), "used")
                )
        elif stage in stages:
            steps.append(find_step(recipe, stage, folder, known))
            known |= dict.fromkeys(stage.writes, steps[-1].header.fingerprint)
        else:
            known |= earlier_fingerprints(recipe, stage, folder)
    return steps


def is_used(recipe: Recipe, stage: Stage) -> bool:
    """Whether `[use]` gives all that later stages read of this stage."""
    read = [artifact for artifact in stage.writes if any(artifact in other.reads for other in ROAD)]
    return any(artifact in recipe.use for artifact in stage.writes) and all(
        artifact in recipe.use for artifact in read
    )


def used_fingerprints(recipe: Recipe) -> dict[str, str]:
    """Open what `[use]` names, and refuse what is not there or is something else."""
    fingerprints = {}
    for artifact, path in recipe.use.items():
        if artifact not in WRITER:
            raise RecipeError(f"use.{artifact}: there is no such artifact; there are: {', '.join(WRITER)}")
        manifest = read_manifest(Path(path))
        if manifest is None:
            raise RecipeError(
                f"use.{artifact}: no finished artifact in {path}; run the recipe that makes it first"
            )
        if manifest.artifact != artifact:
            raise RecipeError(
                f"use.{artifact}: {path} holds {manifest.artifact}; name a folder of {artifact}"
            )
        fingerprints[artifact] = manifest.fingerprint
    return fingerprints


def earlier_fingerprints(recipe: Recipe, stage: Stage, folder: Path) -> dict[str, str]:
    """What a stage that is not asked for has left; refused if the recipe has changed since."""
    fingerprints = {}
    for artifact in stage.writes:
        manifest = read_manifest(folder / artifact)
        if manifest is None:
            continue
        asked = Header(
            stage.name, stage.version, identity(recipe, stage), manifest.fingerprint, manifest.inputs
        )
        differences = [d for d in compare(manifest, asked) if not has_grown(stage, d)]
        if differences:
            raise drift(stage, folder, differences)
        fingerprints[artifact] = manifest.fingerprint
    return fingerprints


def find_step(recipe: Recipe, stage: Stage, folder: Path, known: dict[str, str]) -> Step:
    for artifact in stage.reads:
        if artifact not in known:
            raise RecipeError(
                f"{stage.name}: its input {artifact} has not been made; run {WRITER[artifact].name} first, "
                f"or `dspipe run RECIPE --until {stage.name}`"
            )
    header = make_header(recipe, stage, known)
    return Step(stage, header, find_state(stage, header, folder))


def identity(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """The stage's settings as they count for its bytes: where sources lie does not, what they hold does."""
    settings: dict[str, Any] = msgspec.to_builtins(getattr(recipe, stage.name))
    for source in settings.get("sources", []):
        del source["path"]
    return settings


def make_header(recipe: Recipe, stage: Stage, known: dict[str, str]) -> Header:
    settings = identity(recipe, stage)
    inputs = [{"artifact": artifact, "fingerprint": known[artifact]} for artifact in stage.reads]
    inputs += describe_outside(stage, getattr(recipe, stage.name))
    fixed = {key: value for key, value in settings.items() if key not in stage.grows}
    content = msgspec.json.encode([stage.name, stage.version, fixed, inputs], order="deterministic")
    grown = "".join(f"+{settings[key]}" for key in stage.grows)
    return Header(stage.name, stage.version, settings, xxhash.xxh3_128_hexdigest(content) + grown, inputs)


def find_state(stage: Stage, header: Header, folder: Path) -> State:
    journal = Journal(folder / PROGRESS / stage.name)
    manifests = [read_manifest(folder / artifact) for artifact in stage.writes]
    made = manifests[0] if all(manifests) else journal.header()
    if made is None:
        return "to do"
    differences = compare(made, header)
    if not all(has_grown(stage, difference) for difference in differences):
        raise drift(stage, folder, differences)
    if not isinstance(made, Manifest):
        return "to resume"
    if not differences:
        for artifact in stage.writes:
            open_artifact(folder / artifact)
        return "done"
    return "to continue" if stage.grows else "to make again"


def compare(made: Manifest | Header, asked: Header) -> list[Difference]:
    """What differs between the identity that an artifact was made with and the one asked for."""
    pairs = [
        ({"version of the stage": made.version}, {"version of the stage": asked.version}),
        (flatten(made.settings), flatten(asked.settings)),
        (named_inputs(made.inputs), named_inputs(asked.inputs)),
    ]
    return [
        (key, old.get(key, ABSENT), new.get(key, ABSENT))
        for old, new in pairs
        for key in dict.fromkeys((*old, *new))
        if old.get(key, ABSENT) != new.get(key, ABSENT)
    ]


def named_inputs(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """{"input web/a.warc.gz": digest, …}: one entry for each input, by name."""
    return {
        f"input {entry.get('artifact') or '/'.join((entry['source'], entry['file']))}": entry.get(
            "fingerprint"
        )
        or f"{entry['bytes']} bytes {entry['sample']}"
        for entry in inputs
    }


def has_grown(stage: Stage, difference: Difference) -> bool:
    """Whether a difference is only that more is asked for: more steps, or an input that was continued."""
    key, old, new = difference
    if key in stage.grows:
        return isinstance(old, int) and isinstance(new, int) and new > old
    same = [str(value).partition("+") for value in (old, new)]
    return key.startswith("input ") and same[0][0] == same[1][0] and bool(same[0][1] and same[1][1])


def drift(stage: Stage, folder: Path, differences: list[Difference]) -> RecipeError:
    shown = "; ".join(f"{stage.name}.{key}: {show(old)} → {show(new)}" for key, old, new in differences[:8])
    more = f"; and {len(differences) - 8} more" if len(differences) > 8 else ""
    return RecipeError(
        f"{folder}: {stage.name} was made with other settings ({shown}{more}); "
        f"add --rebuild {stage.name} to make it and all after it again, or give the recipe another name"
    )


def show(value: Any) -> str:
    text = msgspec.json.encode(value).decode() if not isinstance(value, str) else value
    return text if len(text) <= 60 else text[:57] + "…"


def carry_out(step: Step, recipe: Recipe, folder: Path, pool: Pool, watcher: Watcher) -> Outcome:
    """Run one stage if it is to be run, and turn what can go wrong with a disk or memory into a sentence."""
    begun = time.monotonic()
    watcher.begin(step)
    if step.state not in ("used", "done"):
        try:
            run_stage(step, recipe, folder, pool, watcher)
        except RecipeError:
            forget_progress(step, folder)
            raise
        except OSError as error:
            raise explain_failure(step.stage, error) from error
        except MemoryError:
            raise DspipeError(
                f"{step.stage.name}: out of memory; run again with fewer --workers: finished parts are kept"
            ) from None
    Journal(folder / PROGRESS / step.stage.name).end()
    places = [locate(recipe, folder, artifact) for artifact in step.stage.writes]
    manifests = tuple(manifest for place in places if (manifest := read_manifest(place)))
    outcome = Outcome(step, manifests, time.monotonic() - begun)
    watcher.end(outcome)
    return outcome


def run_stage(step: Step, recipe: Recipe, folder: Path, pool: Pool, watcher: Watcher) -> None:
    stage, journal = step.stage, Journal(folder / PROGRESS / step.stage.name)
    for artifact in stage.writes:
        if step.state == "to continue":
            (folder / artifact / MANIFEST).unlink(missing_ok=True)
        elif step.state != "to resume":
            shutil.rmtree(folder / artifact, ignore_errors=True)
    journal.begin(step.header)
    inputs = [open_artifact(locate(recipe, folder, artifact)) for artifact in stage.reads]
    outputs = [Output(folder / artifact, step.header) for artifact in stage.writes]
    workers = Workers(pool, journal, watcher.progress)
    load_run(stage)(getattr(recipe, stage.name), *inputs, *outputs, workers)
    unclosed = [output.name for output in outputs if output.closed is None]
    if unclosed:
        raise DspipeError(
            f"{stage.name}: left {', '.join(unclosed)} unfinished; this is a fault in dspipe, report it"
        )


def explain_failure(stage: Stage, error: OSError) -> DspipeError:
    if error.errno in NO_ROOM:
        return DspipeError(
            f"{stage.name}: no room left on the disk; free some and run the same command again: "
            "finished parts are kept"
        )
    return DspipeError(f"{stage.name}: {error}; finished parts are kept, run the same command again")


def locate(recipe: Recipe, folder: Path, artifact: str) -> Path:
    return Path(recipe.use[artifact]) if artifact in recipe.use else folder / artifact


def forget_progress(step: Step, folder: Path) -> None:
    """Delete what a stage has begun that then refused its settings: they must change, so nobody could resume it.

    A training that has come some way is kept all the same.
    """
    if step.state == "to do" or not step.stage.grows:
        for artifact in step.stage.writes:
            shutil.rmtree(folder / artifact, ignore_errors=True)
        Journal(folder / PROGRESS / step.stage.name).end()


def forget(folder: Path, name: str) -> None:
    """Delete what a stage and all after it have written, so that it is made again."""
    with locked(folder):
        for stage in ROAD[ROAD.index(STAGES[name]) :]:
            Journal(folder / PROGRESS / stage.name).end()
            for artifact in stage.writes:
                (folder / artifact / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(folder / artifact, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a second run out of the same folder; the lock goes with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DspipeError(
                    f"{folder}: another dspipe is working here; wait for it, or stop it"
                ) from None
            yield
    except PermissionError as error:
        raise DspipeError(f"{folder}: may not be written ({error.strerror}); give another --shards") from None
