"""A trained model's folder → one that `transformers` loads, and such a folder → a model of ours.

Ours has all tensors in float32 under our names; theirs has `config.json`, which is written last, and the
tokenizer, which goes along as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from dspipe.bpe.files import CONFIGURATION, TOKENIZER, list_files
from dspipe.model.checkpoint.description import CONFIG, Description, describe_model, read_description
from dspipe.model.checkpoint.encoding import (
    SCALE,
    DecodedWeights,
    Dtype,
    check_encoding,
    encode,
    list_entries,
)
from dspipe.model.checkpoint.manifest import read_network
from dspipe.model.checkpoint.names import from_hugging_face, layer_number, list_copies, to_hugging_face
from dspipe.model.checkpoint.shards import (
    INDEX,
    Shard,
    Weights,
    check_tensors,
    divide_entries,
    write_shards,
)
from dspipe.model.transformer import Transformer
from dspipe.recipe import DspipeError, Export, Model
from dspipe.shards import Artifact, Part, record_file, write_file

AVERAGE = "average"  # a folder of the weights' moving average, in a model's folder

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Written:
    """The files of a folder that was written; `tensors` and `numbers` are those of the weights, scales not
    counted.
    """

    parts: list[Part]
    tensors: int
    numbers: int


def describe_tensors(config: Model, vocabulary: int) -> dict[str, Tensor]:
    """All tensors of a network, by our names, without their numbers."""
    with torch.device("meta"):
        return Transformer(config, vocabulary).state_dict()


def open_model(folder: Path, config: Model, vocabulary: int) -> Weights:
    """The weights in a folder of ours, by our names, held to the shape of the network."""
    weights = Weights(folder)
    check_tensors(weights, weights, describe_tensors(config, vocabulary), folder)
    return weights


def write_model(
    folder: Path,
    tensors: Iterator[tuple[str, Tensor]],
    config: Model,
    vocabulary: int,
    shard_bytes: int,
    report: Report,
) -> Written:
    """Write the weights of a folder of ours; `tensors` in any order that `from_hugging_face` gives."""
    entries = [
        list_entries(name, tuple(tensor.shape), "float32")[0]
        for name, tensor in from_hugging_face(describe_theirs(config, vocabulary), config)
    ]
    shards = divide_entries(entries, shard_bytes)
    write_shards(folder, shards, tensors, report)
    return describe_files(record_shards(folder, shards), shards)


def export_model(model: Artifact, target: Path, settings: Export, report: Report) -> Written:
    """Write all files of a folder that `transformers` loads, from an artifact `model`."""
    config, facts = read_network(model.manifest), model.manifest.facts
    rows, positions = int(facts["vocabulary"]), int(facts["sequence_length"])
    return write_hugging_face(model.folder, target, config, rows, positions, settings, report)


def write_hugging_face(
    source: Path,
    target: Path,
    config: Model,
    vocabulary: int,
    max_positions: int,
    settings: Export,
    report: Report,
) -> Written:
    """The same from a folder of ours and what its manifest would say."""
    weights = open_model(find_weights(source, settings), config, vocabulary)
    multi_token = settings.multi_token
    shapes = to_hugging_face(describe_tensors(config, vocabulary), config, multi_token)
    entries = [
        entry for name, tensor in shapes for entry in list_entries(name, tuple(tensor.shape), settings.dtype)
    ]
    shards = divide_entries(entries, settings.shard_bytes)
    write_shards(target, shards, encode_all(weights, config, settings.dtype, multi_token), report)
    copied = copy_tokenizer(source, target)
    marks = find_marks(source)
    content = describe_model(config, vocabulary, max_positions, settings.dtype, multi_token, marks)
    write_file(target / CONFIG, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    parts = [record_file(target, name, 1) for name in (CONFIG, *copied)]
    return describe_files([parts[0], *record_shards(target, shards), *parts[1:]], shards)


def find_weights(folder: Path, settings: Export) -> Path:
    """Where in a folder of ours the weights lie that are asked for."""
    if not settings.average:
        return folder
    if not (folder / AVERAGE).is_dir():
        raise DspipeError(
            f"{folder}: its training kept no average of the weights; train with train.average, or export the "
            "weights themselves"
        )
    return folder / AVERAGE


def encode_all(
    weights: Mapping[str, Tensor], config: Model, dtype: Dtype, multi_token: bool
) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in to_hugging_face(weights, config, multi_token):
        yield from encode(name, tensor, dtype)


def open_hugging_face(folder: Path, multi_token: bool = True) -> tuple[Description, Weights]:
    """The description and the weights in such a folder, held to each other; nothing is read of them yet.

    Raises:
        DspipeError: names the file, and the key or tensor that is wrong, missing or unknown.
    """
    description = read_description(folder / CONFIG, multi_token)
    config, weights = description.model, Weights(folder)
    check_encoding(weights)
    check_number(folder, config, weights)
    theirs = describe_theirs(config, description.vocabulary)
    numbers = [layer_number(name) for name in weights]
    beyond = any(number is not None and number >= config.layers for number in numbers)
    if config.mtp_depth and not beyond:
        raise DspipeError(
            f"{folder}: {CONFIG} has num_nextn_predict_layers = {config.mtp_depth}, but no tensor of layer "
            f"{config.layers} is there (`transformers` drops them); import it with --no-mtp"
        )
    if beyond and multi_token and not config.mtp_depth:
        raise DspipeError(
            f"{folder}: has tensors of layer {config.layers}, but {CONFIG} has num_nextn_predict_layers = 0; "
            "correct it, or import without them by --no-mtp"
        )
    names = [name for name in select_names(weights, config, multi_token) if not name.endswith(SCALE)]
    left_out = list_copies(config).keys() - set(names)  # a folder may do without the copies
    wanted = {name: tensor for name, tensor in theirs.items() if name not in left_out}
    check_tensors(weights, names, wanted, folder)
    return description, weights


def check_number(folder: Path, config: Model, weights: Weights) -> None:
    """Refuse what cannot be, before a network is laid out that a slip has made as large as it likes."""
    matrices = (config.layers - config.dense_layers + config.mtp_depth) * config.experts + config.layers
    if matrices > len(weights):
        raise DspipeError(
            f"{folder}: {CONFIG} has {matrices:,} layers and experts, the files {len(weights):,} tensors"
        )


def describe_theirs(config: Model, vocabulary: int) -> dict[str, Tensor]:
    """All tensors of a network, by their names, without their numbers."""
    return dict(to_hugging_face(describe_tensors(config, vocabulary), config))


def select_names(weights: Weights, config: Model, multi_token: bool) -> Iterator[str]:
    """The tensors that count: without multi-token prediction none of layers past the last."""
    for name in weights:
        number = layer_number(name)
        if multi_token or number is None or number < config.layers:
            yield name


def read_hugging_face(description: Description, weights: Weights) -> Iterator[tuple[str, Tensor]]:
    """All tensors by our names in float32, one after the other."""
    decoded = DecodedWeights(weights)
    for name, original in list_copies(description.model).items():
        if name in weights and not torch.equal(decoded[name], decoded[original]):
            raise DspipeError(
                f"{weights.locate(name)}: {name} is not the same as {original}, which the network has in its "
                "place; import it with --no-mtp"
            )
    for name, tensor in from_hugging_face(decoded, description.model):
        if not tensor.isfinite().all():
            raise DspipeError(f"{weights.folder}: what becomes {name} has a number that is none, or infinite")
        yield name, tensor


def copy_tokenizer(source: Path, target: Path) -> list[str]:
    """Copy the tokenizer's files as they are, and return their names."""
    names = list_files(source)
    for name in names:
        write_file(target / name, (source / name).read_bytes())
    return names


def find_marks(folder: Path) -> dict[str, int | None]:
    """The ids of the tokens that the folder's tokenizer names for begin and end; None where it does not."""
    if not all((folder / name).is_file() for name in (TOKENIZER, CONFIGURATION)):
        return {}
    configuration = read_json(folder / CONFIGURATION)
    added = read_json(folder / TOKENIZER).get("added_tokens") or []
    ids = {token.get("content"): token.get("id") for token in added}
    marks = {}
    for key in ("bos", "eos"):
        token = configuration.get(f"{key}_token")
        marks[key] = ids.get(token.get("content") if isinstance(token, dict) else token)
    return marks


def read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DspipeError(f"{path}: not a readable file of a tokenizer ({error})") from None


def record_shards(folder: Path, shards: list[Shard]) -> list[Part]:
    """The files of weights, with their number of tensors as rows, and the index behind them."""
    parts = [record_file(folder, shard.file, len(shard.entries)) for shard in shards]
    return [*parts, *([record_file(folder, INDEX, 1)] if len(shards) > 1 else [])]


def describe_files(parts: list[Part], shards: list[Shard]) -> Written:
    entries = [entry for shard in shards for entry in shard.entries if not entry.name.endswith(SCALE)]
    return Written(parts, len(entries), sum(math.prod(entry.shape) for entry in entries))
