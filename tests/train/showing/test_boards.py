"""What TensorBoard and Weights & Biases are given, read back by TensorBoard itself."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dspipe.recipe import RecipeError, Train
from dspipe.train.machine.needs import check_machine
from dspipe.train.showing.boards import check_boards, list_domains, list_numbers, open_boards


def read_events(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def show(folder: Path, first: int, last: int, loss: float) -> None:
    for board in open_boards(Train(watch=["tensorboard"]), folder, first - 1):
        for step in range(first, last + 1):
            board.show(step, {"train/loss": loss})
        board.close()


def test_tensorboard_reads_what_was_shown_and_a_resumed_run_goes_on_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    show(tmp_path, 1, 5, 3.0)
    show(tmp_path, 4, 6, 2.0)  # killed after step 5, the checkpoint being of step 3
    assert read_events(tmp_path, "train/loss") == [(1, 3.0), (2, 3.0), (3, 3.0), (4, 2.0), (5, 2.0), (6, 2.0)]


def test_tensorboard_forgets_a_run_that_was_killed_before_its_first_checkpoint(tmp_path: Path) -> None:
    show(tmp_path, 1, 5, 3.0)
    show(tmp_path, 1, 3, 2.0)
    assert read_events(tmp_path, "train/loss") == [(1, 2.0), (2, 2.0), (3, 2.0)]


def test_weights_and_biases_are_told_the_same_and_go_on_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held to its interface by a stand-in, as the package needs a server of its own."""
    told: list[Any] = []

    class Run:
        def log(self, numbers: dict[str, float], step: int) -> None:
            told.append((step, numbers))

        def finish(self) -> None:
            told.append("finished")

    package = ModuleType("wandb")
    package.init = lambda **settings: told.append(settings) or Run()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", package)
    (tmp_path / "run/model").mkdir(parents=True)
    for step in (0, 4):
        (board,) = open_boards(Train(watch=["wandb"], seed=5), tmp_path / "run/model", step)
        board.show(step + 1, {"train/loss": 3.0})
        board.close()
    begun = [entry for entry in told if isinstance(entry, dict)]
    assert begun[0]["id"] == begun[1]["id"] and begun[0]["resume"] == "allow"
    assert begun[0]["name"] == "run" and begun[0]["config"]["seed"] == 5
    assert (1, {"train/loss": 3.0}) in told and (5, {"train/loss": 3.0}) in told and told[-1] == "finished"


def test_what_is_not_installed_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_boards(Train(watch=["tensorboard"]))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_boards(Train())
    with pytest.raises(
        RecipeError, match=r'train\.watch: "wandb" is not installed; pip install .dspipe\[wandb\]'
    ):
        check_machine(Train(watch=["wandb"]))


def test_numbers_of_a_line_are_named_and_the_rest_is_left_out() -> None:
    line = {"step": 3, "loss": 2.5, "mtp_loss": None, "skipped": True, "layers": ["a"], "rows": 4}
    assert list_numbers(line, "train") == {"train/loss": 2.5, "train/skipped": 1.0, "train/rows": 4.0}
    domains = [{"domain": "web", "language": None, "loss": 3}, {"domain": None, "language": "en", "loss": 4}]
    assert list_domains(domains, "x") == {"x/web/-": 3.0, "x/-/en": 4.0}
