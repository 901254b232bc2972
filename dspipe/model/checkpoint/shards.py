"""Tensors one after the other → files of safetensors with an index, and such files → tensors when asked for.

Names, types and shapes are known before the first number, so that a file's header is written first and every
tensor goes to its place in the file when it comes: of a model of any size, one tensor is in memory. A small
model is one file, `model.safetensors`; what is larger than `shard_bytes` is several and the index that
`transformers` reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dspipe.recipe import DspipeError
from dspipe.shards import replacing, write_file

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TYPES = {  # as the format names them
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
}
TYPE_NAMES = {dtype: name for name, dtype in TYPES.items()}


@dataclass(frozen=True)
class TensorEntry:
    """A tensor but for its numbers; `dtype` is None where it is one that nobody here writes."""

    name: str
    dtype: torch.dtype | None
    shape: tuple[int, ...]
    other: str = ""  # the name of such a type

    @property
    def type_name(self) -> str:
        return TYPE_NAMES[self.dtype] if self.dtype else self.other

    @property
    def bytes(self) -> int:
        assert self.dtype is not None
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Shard:
    """A file to write, and what comes into it."""

    file: str
    entries: list[TensorEntry]


def divide_entries(entries: Iterable[TensorEntry], shard_bytes: int) -> list[Shard]:
    """Into files of at most so many bytes of numbers, in order; a tensor that is larger is alone in one."""
    groups: list[list[TensorEntry]] = [[]]
    size = 0
    for entry in entries:
        if groups[-1] and size + entry.bytes > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(entry)
        size += entry.bytes
    if len(groups) == 1:
        return [Shard(SINGLE, groups[0])]
    count = len(groups)
    return [Shard(f"model-{n:05d}-of-{count:05d}.safetensors", group) for n, group in enumerate(groups, 1)]


def write_shards(
    folder: Path,
    shards: list[Shard],
    tensors: Iterator[tuple[str, Tensor]],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the files in order, the index, where there is one, last of all.

    tensors: those of all shards, in their order. report: is told how many of how many are written.
    """
    total, done = sum(len(shard.entries) for shard in shards), 0
    for shard in shards:
        with replacing(folder / shard.file) as temporary, open(temporary, "wb") as stream:
            offsets = write_header(stream, shard.entries)
            for entry in shard.entries:
                name, tensor = next(tensors)
                assert (name, tensor.dtype, tuple(tensor.shape)) == (entry.name, entry.dtype, entry.shape)
                stream.seek(offsets[name])
                stream.write(tensor.contiguous().view(torch.uint8).numpy().data)
                done += 1
                report(done, total)
    if len(shards) > 1:
        write_file(folder / INDEX, describe_index(shards))


def write_header(stream: BinaryIO, entries: list[TensorEntry]) -> dict[str, int]:
    """Write it, and return where in the file each tensor begins; wide types lie first, so all are aligned."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in sorted(entries, key=lambda entry: -entry.dtype.itemsize if entry.dtype else 0):
        place = [end, end + entry.bytes]
        header[entry.name] = {"dtype": entry.type_name, "shape": entry.shape, "data_offsets": place}
        end = place[1]
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    stream.write(len(content).to_bytes(8, "little") + content)
    return {entry.name: 8 + len(content) + header[entry.name]["data_offsets"][0] for entry in entries}


def describe_index(shards: list[Shard]) -> bytes:
    size = sum(entry.bytes for shard in shards for entry in shard.entries)
    places = {entry.name: shard.file for shard in shards for entry in shard.entries}
    index = {"metadata": {"total_size": size}, "weight_map": places}
    return msgspec.json.format(msgspec.json.encode(index)) + b"\n"


class Weights(Mapping[str, Tensor]):
    """The tensors in the files of a folder, read when asked for.

    Attributes:
        entries: what there is, by name.

    Raises:
        DspipeError: a file is missing or damaged, or the index and the files disagree.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._files, self._places = folder, dict[str, Any](), dict[str, str]()
        self.entries: dict[str, TensorEntry] = {}
        index = read_index(folder)
        with ExitStack() as opened:
            for file in dict.fromkeys(index.values()) if index is not None else [SINGLE]:
                self._files[file] = opened.enter_context(open_file(folder / file))
                self._list_tensors(file, index)
            self._opened = opened.pop_all()
        for name, file in (index or {}).items():
            if name not in self._places:
                raise DspipeError(f"{folder / file}: has no tensor {name}, which {INDEX} says is in it")

    def _list_tensors(self, file: str, index: Mapping[str, str] | None) -> None:
        for name in self._files[file].keys():  # noqa: SIM118, it is no dict
            if index is not None and index.get(name) != file:
                where = index.get(name, "nowhere")
                raise DspipeError(f"{self.folder / file}: has a tensor {name}; by {INDEX} it is {where}")
            part = self._files[file].get_slice(name)
            kind = part.get_dtype()
            self.entries[name] = TensorEntry(name, TYPES.get(kind), tuple(part.get_shape()), kind)
            self._places[name] = file

    @property
    def files(self) -> list[str]:
        return list(self._files)

    def locate(self, name: str) -> Path:
        """The file that a tensor is in."""
        return self.folder / self._places[name]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._places:
            raise KeyError(name)
        tensor: Tensor = self._files[self._places[name]].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def read_index(folder: Path) -> dict[str, str] | None:
    """Which file each tensor is in; None where there is one file alone."""
    path = folder / INDEX
    there = [file for file in (SINGLE, INDEX) if (folder / file).is_file()]
    if len(there) != 1:
        problem = "neither is there" if not there else "both are there; remove the one that is not meant"
        raise DspipeError(f"{folder}: weights are in {SINGLE}, or in files named by {INDEX}, and {problem}")
    if there == [SINGLE]:
        return None
    try:
        places = msgspec.convert(msgspec.json.decode(path.read_bytes())["weight_map"], dict[str, str])
    except (msgspec.MsgspecError, LookupError, TypeError) as error:
        raise DspipeError(f"{path}: not an index of safetensors ({error}); get it anew") from None
    for file in dict.fromkeys(places.values()):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise DspipeError(f"{path}: {file!r} is no name of a file of safetensors beside it")
        if not (folder / file).is_file():
            raise DspipeError(f"{folder / file}: is missing, and {INDEX} says that tensors are in it")
    return places


def open_file(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise DspipeError(f"{path}: cannot be read as safetensors ({error}); get it anew") from None


def check_tensors(weights: Weights, names: Iterable[str], wanted: Mapping[str, Tensor], folder: Path) -> None:
    """Refuse weights that are not those of a network: what is missing, unknown or of another shape.

    names: those of `weights` that count. wanted: a tensor of the right shape for each name.
    """
    found = dict.fromkeys(names)
    for name in found:
        if name not in wanted:
            where = weights.locate(name)
            raise DspipeError(f"{where}: has a tensor {name}, for which the network has no place")
    for name, tensor in wanted.items():
        if name not in found:
            raise DspipeError(f"{folder}: has no tensor {name}, which the network needs")
        if weights.entries[name].shape != tuple(tensor.shape):
            have, need = weights.entries[name].shape, tuple(tensor.shape)
            raise DspipeError(f"{weights.locate(name)}: {name} is {have} instead of {need}")
