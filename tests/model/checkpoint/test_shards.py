import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from dspipe.model.checkpoint.shards import TensorEntry, Weights, divide_entries, write_shards
from dspipe.recipe import DspipeError

TENSORS = {
    "a": torch.arange(6, dtype=torch.bfloat16).view(2, 3),
    "b": torch.arange(3, dtype=torch.float32),
    "c": torch.arange(7, dtype=torch.float32).to(torch.float8_e4m3fn),
    "d": torch.arange(10, dtype=torch.float32).view(5, 2),
}


def entries() -> list[TensorEntry]:
    return [TensorEntry(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in TENSORS.items()]


def write(folder: Path, shard_bytes: int) -> list[str]:
    shards = divide_entries(entries(), shard_bytes)
    write_shards(folder, shards, iter(TENSORS.items()))
    return [shard.file for shard in shards]


@pytest.mark.parametrize("shard_bytes", [1 << 30, 40, 24, 1])
def test_safetensors_reads_what_is_written(shard_bytes: int, tmp_path: Path) -> None:
    files = write(tmp_path, shard_bytes)
    found: dict[str, Tensor] = {}
    for file in files:
        found |= load_file(tmp_path / file)
        with safe_open(tmp_path / file, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name].float(), TENSORS[name].float()) for name in TENSORS)
    assert all(found[name].dtype == TENSORS[name].dtype for name in TENSORS)
    weights = Weights(tmp_path)
    assert all(torch.equal(weights[name].float(), TENSORS[name].float()) for name in weights)


def test_files_hold_as_many_bytes_as_allowed_and_an_index_names_them(tmp_path: Path) -> None:
    assert write(tmp_path, 1 << 30) == ["model.safetensors"]
    (tmp_path / "several").mkdir()
    files = write(tmp_path / "several", 31)
    assert files == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = json.loads((tmp_path / "several" / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 12 + 12 + 7 + 40}
    assert index["weight_map"] == {"a": files[0], "b": files[0], "c": files[0], "d": files[1]}
    assert not list(tmp_path.rglob("*.tmp"))


def test_every_tensor_is_aligned_to_its_type(tmp_path: Path) -> None:
    write(tmp_path, 1 << 30)
    content = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"]
    starts = {name: 8 + length + entry["data_offsets"][0] for name, entry in header.items()}
    assert all(starts[name] % tensor.dtype.itemsize == 0 for name, tensor in TENSORS.items())
    assert len(content) == 8 + length + 71


def test_a_write_that_is_interrupted_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    def interrupted() -> Iterator[tuple[str, Tensor]]:
        yield from list(TENSORS.items())[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path, divide_entries(entries(), 31), interrupted())
    assert [path.name for path in tmp_path.iterdir()] == ["model-00001-of-00002.safetensors"]
    with pytest.raises(DspipeError, match="neither is there"):
        Weights(tmp_path)


def change_index(folder: Path, **places: str | None) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] |= places
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file}
    path.write_text(json.dumps(index))


FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"e": FIRST}, rf"{FIRST}: has no tensor e, which model.safetensors.index.json says is in it"),
        ({"a": SECOND}, rf"{FIRST}: has a tensor a; by model.safetensors.index.json it is {SECOND}"),
        ({"a": None}, rf"{FIRST}: has a tensor a; by model.safetensors.index.json it is nowhere"),
        ({"e": "gone.safetensors"}, "gone.safetensors: is missing"),
        ({"e": "../secret.safetensors"}, "'../secret.safetensors' is no name of a file"),
    ],
)
def test_an_index_and_files_that_disagree_are_refused(
    places: dict[str, str | None], message: str, tmp_path: Path
) -> None:
    write(tmp_path, 31)
    change_index(tmp_path, **places)
    with pytest.raises(DspipeError, match=message):
        Weights(tmp_path)


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, 31)
    (tmp_path / SECOND).write_bytes((tmp_path / SECOND).read_bytes()[:-1])
    with pytest.raises(DspipeError, match=rf"{SECOND}: cannot be read as safetensors"):
        Weights(tmp_path)
    (tmp_path / SECOND).unlink()
    with pytest.raises(DspipeError, match=rf"{SECOND}: is missing"):
        Weights(tmp_path)
    save_file(TENSORS, tmp_path / "model.safetensors")
    with pytest.raises(DspipeError, match="both are there; remove the one that is not meant"):
        Weights(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    with pytest.raises(DspipeError, match="not an index of safetensors"):
        Weights(tmp_path)
