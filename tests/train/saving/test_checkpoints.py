import threading
import time
from pathlib import Path

import pytest
import torch

import dspipe.train.saving.checkpoints as checkpoints
from dspipe.recipe import DspipeError
from dspipe.train.saving.checkpoints import Checkpoints, list_steps, locate


def open_checkpoints(
    folder: Path, last: int = 1, every: int | None = None, training: str = "a"
) -> Checkpoints:
    return Checkpoints(folder, training, last, every)


def save(store: Checkpoints, *steps: int) -> None:
    for step in steps:
        store.save({"x": torch.full((3,), float(step))}, step)
    store.settle()


def test_the_newest_comes_back_bit_for_bit(tmp_path: Path) -> None:
    store = open_checkpoints(tmp_path)
    state = {
        "a": torch.randn(7, 3), "b": torch.randn(5).bfloat16(), "c": torch.tensor(3), "d": torch.zeros(0, 2),
        "e": torch.randn(4, 6).T,
    }  # fmt: skip
    store.save(state, 12)
    store.close()
    loaded = open_checkpoints(tmp_path).load()
    assert loaded is not None and loaded.keys() == state.keys()
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype and torch.equal(loaded[name], tensor)


@pytest.mark.parametrize(
    ("last", "every", "kept"),
    [
        (1, None, [7]),
        (3, None, [5, 6, 7]),
        (1, 3, [3, 6, 7]),
        (2, 2, [2, 4, 6, 7]),
        (9, None, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_the_last_and_every_so_many_are_kept(
    last: int, every: int | None, kept: list[int], tmp_path: Path
) -> None:
    store = open_checkpoints(tmp_path, last, every)
    save(store, *range(1, 8))
    assert list_steps(tmp_path) == kept
    store.close()


def test_the_state_is_that_of_when_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written while the next step changes the tensors."""
    waiting, write = threading.Event(), checkpoints.save_file

    def write_late(*arguments: object) -> None:
        assert waiting.wait(10)
        write(*arguments)

    monkeypatch.setattr(checkpoints, "save_file", write_late)
    store, tensor = open_checkpoints(tmp_path), torch.ones(3)
    store.save({"x": tensor}, 1)
    assert not list_steps(tmp_path)
    tensor.zero_()
    waiting.set()
    store.close()
    loaded = open_checkpoints(tmp_path).load()
    assert loaded is not None and loaded["x"].tolist() == [1, 1, 1]


def test_what_went_wrong_while_it_was_written_is_raised_when_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    store = open_checkpoints(tmp_path)
    save(store, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", fail)
        store.save({"x": torch.ones(1)}, 2)
        with pytest.raises(OSError, match="No space left"):
            store.save({"x": torch.ones(1)}, 3)
    assert list_steps(tmp_path) == [1] and not list(tmp_path.glob(".*"))
    save(store, 3)
    assert list_steps(tmp_path) == [3]
    store.close()


def test_lines_are_on_the_disk_before_the_checkpoint_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    (tmp_path / "metrics.jsonl").touch()
    monkeypatch.setattr(checkpoints, "sync", lambda path: order.append(path.name))
    monkeypatch.setattr(checkpoints, "write_tensors", lambda path, *rest: order.append(path.name))
    store = Checkpoints(tmp_path / "checkpoint", "a", 1, None, [tmp_path / "metrics.jsonl", tmp_path / "no"])
    store.save({}, 4)
    store.close()
    assert order == ["metrics.jsonl", "step-000000004.safetensors"]


def test_a_damaged_one_is_refused_and_an_older_one_named(tmp_path: Path) -> None:
    store = open_checkpoints(tmp_path, last=2)
    save(store, 3, 5)
    store.close()
    locate(tmp_path, 5).write_bytes(b"no")
    with pytest.raises(DspipeError, match=r"step-000000005.* delete it to go on from step 3, or train again"):
        open_checkpoints(tmp_path).load()
    locate(tmp_path, 5).unlink()
    loaded = open_checkpoints(tmp_path).load()
    assert loaded is not None and loaded["x"].tolist() == [3, 3, 3]


def test_one_of_another_training_is_refused_and_none_is_none(tmp_path: Path) -> None:
    assert open_checkpoints(tmp_path / "empty").load() is None
    store = open_checkpoints(tmp_path)
    save(store, 1)
    store.close()
    with pytest.raises(DspipeError, match="is of another training"):
        open_checkpoints(tmp_path, training="b").load()


def test_saving_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    monkeypatch.setattr(checkpoints, "write_tensors", lambda *arguments: (time.sleep(0.2), written.set()))
    store = open_checkpoints(tmp_path)
    store.save({"x": torch.ones(1)}, 1)
    assert not written.is_set()
    store.close()
    assert written.is_set()
