"""What `dspipe inspect` says of a training's course."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.runs import call

BILLION = 10**9


def write(folder: Path, train: str, pack: str = "") -> Path:
    recipe = folder / "some.toml"
    recipe.write_text(f'name = "some"\n[pack]\nsequence_length = [4096, 32768]\n{pack}\n[train]\n{train}\n')
    return recipe


def inspect(capsys: pytest.CaptureFixture[str], recipe: Path) -> dict[str, Any]:
    call("inspect", recipe, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["course"]
    return found


def test_deepseek_v3s_course_is_shown_at_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write(tmp_path, 'schedule = "deepseek-v3"\ntokens = 14_800_000_000_000\nbatch_size = 15360')
    course = inspect(capsys, recipe)
    assert (course["steps"], course["warmup_steps"]) == (242_785, 2000)
    ramp, whole = course["phases"]
    assert (ramp["from_step"], ramp["slots"], ramp["rows"], ramp["to_rows"]) == (1, 0, 3072, 15359)
    assert whole["rows"] == whole["to_rows"] == 15360 and 469 * BILLION <= whole["slots"] < 469.1 * BILLION
    points = course["quantities"]
    assert points["learning_rate"][1][1] == 2.2e-4 and points["learning_rate"][-1][1] == 7.3e-6
    assert len(points["learning_rate"]) > 16
    assert [value for _, value in points["bias_speed"]] == [0.001, 0.0, 0.0]
    assert [value for _, value in points["mtp_weight"]] == [0.3, 0.1, 0.1]
    call("inspect", recipe)
    text = capsys.readouterr().out
    assert "course: schedule deepseek-v3, 242,785 steps" in text
    assert "3,072 → 15,359" in text and "2.2e-05 at 14.3T, 7.3e-06 at 14.63T" in text
    assert "α, weight of balance: 0.0001 throughout" in text


def test_a_plot_has_the_shape_of_its_quantity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step of 4096 slots a column; the rate is whole for half of them, then half of that."""
    rates = "learning_rate = [[0, 0.2], [122880, 0.1]]"
    call("inspect", write(tmp_path, f"batch_size = 1\nsteps = 60\nwarmup_steps = 0\n{rates}"))
    lines = capsys.readouterr().out.splitlines()
    (start,) = (number for number, line in enumerate(lines) if line.startswith("  learning rate: 0.2 at 0"))
    rows = [line.partition("│")[2] for line in lines[start + 1 : start + 5]]
    assert rows == ["█" * 30 + " " * 30] * 2 + ["█" * 60] * 2


def test_phases_after_the_last_step_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lengths = "sequence_length = [[0, 4096], [16384, 32768], [1000000, 4096]]"
    course = inspect(capsys, write(tmp_path, f"batch_size = 2\nsteps = 3\nmicro_batch = 1\n{lengths}"))
    assert [(phase["from_step"], phase["length"]) for phase in course["phases"]] == [(1, 4096), (3, 32768)]
    assert course["quantities"]["sequence_length"] == [[0, 4096], [16384, 32768]]
    assert course["slots"] == 2 * (2 * 4096 + 32768)


def test_what_counts_for_nothing_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = "[train.model]\nmtp_depth = 0\ngate = 'softmax'"
    found = inspect(capsys, write(tmp_path, f"steps = 1\n{model}"))["quantities"]
    assert sorted(found) == ["balance_weight", "batch_size", "learning_rate", "sequence_length"]
    assert found["balance_weight"] == [[0, 0.001]]
