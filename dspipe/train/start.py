"""`train.start`: the folder of a trained or imported model → the weights that a training begins with.

What the weights are is a part of the training's identity, by the checksums of their files: another model in
the same folder is drift. Plans ask for that, so torch is imported late here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import xxhash

from dspipe.model.checkpoint.manifest import read_network
from dspipe.recipe import DspipeError, Model, RecipeError, Train
from dspipe.shards import Artifact, Part, open_artifact, read_manifest, record_file

if TYPE_CHECKING:
    from dspipe.model.transformer import Transformer

WEIGHTS = ".safetensors"
FREE = (
    "preset",
    "mtp_input",
    "initial_deviation",
)  # names, readings and initial values: no weight knows them


def describe_start(settings: Train) -> list[dict[str, Any]]:
    """What the training depends on outside the run, for its fingerprint.

    Raises:
        RecipeError: there is no model in the folder, or one of another network.
    """
    if settings.start is None:
        return []
    artifact = open_start(Path(settings.start))
    check_model(artifact, settings.model)
    parts = [part for part in artifact.manifest.parts if is_weights(part)]
    yarn = read_network(artifact.manifest).yarn  # if in force, it is so from the first step on
    digest = xxhash.xxh3_64_hexdigest(msgspec.json.encode([parts, yarn] if yarn else parts))
    size = sum(part.bytes for part in parts)
    return [{"source": "start", "file": "model", "bytes": size, "sample": digest}]


def is_weights(part: Part) -> bool:
    """Not the average, which lies in a folder of its own."""
    return part.file.endswith(WEIGHTS) and "/" not in part.file


def open_start(folder: Path) -> Artifact:
    manifest = read_manifest(folder)
    if manifest is not None and manifest.artifact == "model":
        return open_artifact(folder)
    if (folder / "config.json").is_file():
        raise RecipeError(f"train.start: {folder} is Hugging Face's; first: dspipe convert {folder} FOLDER")
    raise RecipeError(f"train.start: no finished model in {folder}; name the folder of a trained model")


def check_model(artifact: Artifact, asked: Model) -> None:
    """Refuse another network; YaRN alone may be new, because rows become longer that way."""
    made = read_network(artifact.manifest)
    for key in Model.__struct_fields__:
        old, new = getattr(made, key), getattr(asked, key)
        if old != new and key not in FREE and not (key == "yarn" and old is None):
            shown = msgspec.json.encode(old).decode()
            raise RecipeError(
                f"train.model.{key}: is not that of train.start, {shown} in {artifact.folder}; give the same"
            )


def load_start(network: Transformer, settings: Train, vocabulary: int) -> None:
    """Give the network the weights, and the biases, of `settings.start`; without one nothing is changed.

    Raises:
        DspipeError: the vocabulary is another, or a file is not what its manifest says.
    """
    if settings.start is None:
        return
    from dspipe.model.checkpoint.folders import open_model

    artifact = open_start(Path(settings.start))
    rows = int(artifact.manifest.facts["vocabulary"])
    if rows != vocabulary:
        raise RecipeError(
            f"train.start: {artifact.folder} has {rows:,} rows for tokens, and the tokenizer wants "
            f"{vocabulary:,}; pack with the tokenizer of that model"
        )
    for part in artifact.manifest.parts:
        if is_weights(part) and record_file(artifact.folder, part.file, part.rows) != part:
            raise DspipeError(f"{artifact.folder / part.file}: is not what was written; make it again")
    weights = open_model(artifact.folder, settings.model, vocabulary)
    for name, tensor in network.state_dict().items():
        tensor.copy_(weights[name])
