"""A recipe and a run's folder → what is to be done: the state of each stage; what has drifted is refused.

An artifact's fingerprint is a function of its stage's settings and version and its inputs' fingerprints, so
all of this is known before any work starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import xxhash

from dspipe.recipe import Recipe, RecipeError, flatten
from dspipe.road import ROAD, STAGES, WRITER, Stage, describe_outside, settle_settings
from dspipe.shards import Header, Journal, Manifest, open_artifact, read_manifest

State = Literal["used", "done", "to do", "to resume", "to continue", "to make again"]
Difference = tuple[str, Any, Any]  # key, made with, asked for

PROGRESS = ".progress"
ABSENT = "(absent)"


@dataclass(frozen=True)
class Step:
    """One stage as this run finds it."""

    stage: Stage
    header: Header
    state: State
    lasting: Mapping[str, Header] = field(
        default_factory=dict
    )  # of artifacts that have an identity of their own

    def header_of(self, artifact: str) -> Header:
        return self.lasting.get(artifact, self.header)


def stages_until(recipe: Recipe, last: str) -> list[Stage]:
    """The stages that a run up to `last` needs: not those whose work the recipe takes from another run."""
    needed: list[Stage] = []
    wanted = set(STAGES[last].writes)
    for stage in reversed(ROAD[: ROAD.index(STAGES[last]) + 1]):
        if wanted & set(stage.writes):
            needed.insert(0, stage)
            wanted |= set() if is_used(recipe, stage) else set(stage.reads)
    return needed


def plan(recipe: Recipe, folder: Path, stages: Sequence[Stage], rebuild: str | None = None) -> list[Step]:
    """Find the state of each stage; nothing is changed on disk.

    Raises:
        RecipeError: an artifact was made with other settings, a stage lacks its input, or `[use]` is wrong.
    """
    if rebuild is not None and STAGES[rebuild] not in stages:
        raise RecipeError(f"--rebuild {rebuild}: this run does not come to {rebuild}; let it go further")
    rebuilt = ROAD[ROAD.index(STAGES[rebuild]) :] if rebuild else ()
    check_rebuild(recipe, folder, rebuilt)
    known = used_fingerprints(recipe)
    steps: list[Step] = []
    for stage in ROAD:
        if is_used(recipe, stage):
            header = Header(stage.name, stage.version, {}, "", [])
            steps += [Step(stage, header, "used")] if stage in stages else []
        elif stage in stages:
            header = make_header(recipe, stage, known)
            lasting = {artifact: narrow(header, stage, artifact) for artifact in stage.lasting}
            state = "to make again" if stage in rebuilt else find_state(stage, header, lasting, folder)
            step = Step(stage, header, state, lasting)
            steps.append(step)
            known |= {artifact: step.header_of(artifact).fingerprint for artifact in stage.writes}
        elif stage not in rebuilt:
            known |= earlier_fingerprints(recipe, stage, folder, known)
    return steps


def check_rebuild(recipe: Recipe, folder: Path, rebuilt: Sequence[Stage]) -> None:
    """Refuse a rebuild that would delete what the recipe needs, or what dspipe does not delete."""
    doomed = [folder / artifact for stage in rebuilt for artifact in stage.writes]
    for path in doomed:
        if path.is_symlink():
            raise RecipeError(
                f"{path}: is a link, which dspipe does not follow to delete; remove it yourself"
            )
    needed = [*recipe.use.values(), recipe.mix.tokenizer, recipe.train.start]
    for path in (Path(name).resolve() for name in needed if name is not None):
        if any(path.is_relative_to(place.resolve()) for place in doomed):
            raise RecipeError(
                f"{path}: the recipe reads what this rebuild would delete; copy it elsewhere first"
            )
    if rebuilt and is_used(recipe, rebuilt[0]):
        raise RecipeError(f"--rebuild {rebuilt[0].name}: its work is taken from [use]; rebuild a later stage")


def is_used(recipe: Recipe, stage: Stage) -> bool:
    """Whether `[use]` gives all that later stages read of this stage."""
    read = [artifact for artifact in stage.writes if any(artifact in other.reads for other in ROAD)]
    return bool(read) and all(artifact in recipe.use for artifact in read)


def used_fingerprints(recipe: Recipe) -> dict[str, str]:
    """Open what `[use]` names, and refuse what is not there, is something else, or would not be read."""
    readable = list(dict.fromkeys(artifact for stage in ROAD for artifact in stage.reads))
    fingerprints = {}
    for artifact, path in recipe.use.items():
        if artifact not in readable:
            raise RecipeError(f"use.{artifact}: no stage reads that; there are: {', '.join(readable)}")
        manifest = read_manifest(Path(path))
        if manifest is None:
            raise RecipeError(f"use.{artifact}: no finished artifact in {path}; run its recipe first")
        if manifest.artifact != artifact:
            raise RecipeError(
                f"use.{artifact}: {path} holds {manifest.artifact}; name a folder of {artifact}"
            )
        check_companions(recipe, artifact, manifest)
        fingerprints[artifact] = manifest.fingerprint
    return fingerprints


def check_companions(recipe: Recipe, artifact: str, manifest: Manifest) -> None:
    """Rows of tokens go with the tokenizer they were made with; refuse the one without the other."""
    made_with = {entry.get("artifact") for entry in manifest.inputs}
    if "tokenizer" in made_with and "tokenizer" not in recipe.use:
        raise RecipeError(
            f"use.{artifact}: it goes with the tokenizer it was made with; name that too, as use.tokenizer"
        )


def earlier_fingerprints(recipe: Recipe, stage: Stage, folder: Path, known: dict[str, str]) -> dict[str, str]:
    """What a stage that is not asked for has left; refused if the recipe or an input has changed since."""
    fingerprints = {}
    for artifact in stage.writes:
        manifest = read_manifest(folder / artifact)
        if manifest is None:
            continue
        inputs = [
            {**entry, "fingerprint": known.get(entry["artifact"], entry["fingerprint"])}
            if "artifact" in entry
            else entry
            for entry in manifest.inputs
        ]
        settings = identity(recipe, stage)
        asked = narrow(Header(stage.name, stage.version, settings, "", inputs), stage, artifact)
        differences = compare(manifest, asked)
        if differences and all(has_grown(stage, difference) for difference in differences):
            shown = describe(stage, differences)
            raise RecipeError(
                f"{stage.name}: more is asked for than was made ({shown}); run {stage.name} too"
            )
        if differences:
            raise drift(stage, folder, differences)
        fingerprints[artifact] = manifest.fingerprint
    return fingerprints


def identity(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """The stage's settings as they count for its bytes: where sources lie does not, what they hold does."""
    # By way of JSON, so that all is as it is when a manifest is read: lists, where there are tuples
    settings: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settle_settings(stage, recipe)))
    for source in settings.get("sources", []):
        del source["path"]
    for key in stage.neutral:
        del settings[key]
    return settings


def make_header(recipe: Recipe, stage: Stage, known: dict[str, str]) -> Header:
    """The identity that the stage's artifacts are to have."""
    for artifact in stage.reads:
        if artifact not in known:
            raise RecipeError(
                f"{stage.name}: its input {artifact} has not been made; run {WRITER[artifact].name} first, "
                f"or `dspipe run RECIPE --until {stage.name}`"
            )
    settings = identity(recipe, stage)
    inputs = [{"artifact": artifact, "fingerprint": known[artifact]} for artifact in stage.reads]
    inputs += describe_outside(stage, getattr(recipe, stage.name))
    fixed = {key: value for key, value in settings.items() if key not in (stage.grows, *stage.late)}
    grown = f"+{settings[stage.grows]}" if stage.grows else ""
    fingerprint = hash_identity(stage.name, stage.version, fixed, inputs) + grown
    return Header(stage.name, stage.version, settings, fingerprint, inputs)


def narrow(header: Header, stage: Stage, artifact: str) -> Header:
    """The identity of one artifact of a stage: of a lasting one, without what does not matter to it.

    What such a setting names outside the run is left out with it.
    """
    if artifact not in stage.lasting:
        return header
    keys = stage.lasting[artifact]
    settings = {key: header.settings[key] for key in keys}
    inputs = [entry for entry in header.inputs if "artifact" in entry or entry["source"] in keys]
    fingerprint = hash_identity(artifact, header.version, settings, inputs)
    return Header(header.stage, header.version, settings, fingerprint, inputs)


def hash_identity(name: str, version: int, settings: dict[str, Any], inputs: list[dict[str, Any]]) -> str:
    content = msgspec.json.encode([name, version, settings, inputs], order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)


def find_state(stage: Stage, header: Header, lasting: Mapping[str, Header], folder: Path) -> State:
    """Compare what is there with what is asked for: the fingerprint decides, the settings explain."""
    manifests = {artifact: read_manifest(folder / artifact) for artifact in stage.writes}
    made: Manifest | Header | None = next(
        manifest for artifact, manifest in manifests.items() if artifact not in lasting
    )
    if not all(manifests.values()):
        made = Journal(folder / PROGRESS / stage.name).header()
    if made is None:
        return "to do"
    if made.fingerprint == header.fingerprint and isinstance(made, Manifest):
        for artifact in stage.writes:
            open_artifact(folder / artifact)
        same = all(made.settings.get(key) == header.settings.get(key) for key in stage.late)
        return "done" if same else "to continue"
    if made.fingerprint == header.fingerprint:
        return "to resume"
    differences = compare(made, header)
    if not all(has_grown(stage, difference) for difference in differences):
        raise drift(stage, folder, differences)
    if any(key not in (stage.grows, *stage.late) for key, _, _ in differences):
        return "to make again"
    return "to continue" if isinstance(made, Manifest) else "to resume"


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
    if key in stage.late:
        return True
    if key == stage.grows:
        return isinstance(old, int) and isinstance(new, int) and new > old
    same = [str(value).partition("+") for value in (old, new)]
    return key.startswith("input ") and same[0][0] == same[1][0] and bool(same[0][1] and same[1][1])


def drift(stage: Stage, folder: Path, differences: list[Difference]) -> RecipeError:
    return RecipeError(
        f"{folder}: {stage.name} was made with other settings ({describe(stage, differences)}); "
        f"add --rebuild {stage.name} to make it and all after it again, or give the recipe another name"
    )


def describe(stage: Stage, differences: list[Difference], most: int = 8) -> str:
    shown = [f"{stage.name}.{key}: {show(old)} → {show(new)}" for key, old, new in differences[:most]]
    more = [f"and {len(differences) - most} more"] if len(differences) > most else []
    return "; ".join(shown + more)


def show(value: Any) -> str:
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "…"
