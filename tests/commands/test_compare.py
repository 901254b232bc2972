"""`dspipe compare`: what differs between runs, which is best where that can be said, and where it cannot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest

from dspipe.recipe import RecipeError
from tests.commands.report.pages import Walk
from tests.commands.report.runs import EVIL, make_evaluation, make_run, make_training, write_lines
from tests.commands.runs import call


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs over the same rows, of which the second has the lower held-out losses."""
    folder = tmp_path_factory.mktemp("pair")
    first = make_run(folder / "first", 60)
    shutil.copytree(first, folder / "second")
    shutil.rmtree(folder / "second" / "model")
    make_training(folder / "second" / "model", 60, gain=0.1)
    return first, folder / "second"


@pytest.fixture
def two(tmp_path: Path, pair: tuple[Path, Path]) -> tuple[Path, Path]:
    """Copies of them, to be changed."""
    for run in pair:
        shutil.copytree(run, tmp_path / run.name)
    return tmp_path / "first", tmp_path / "second"


def compare(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    capsys.readouterr()
    call("compare", *arguments, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def figures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["figure"]: row for row in content["figures"]}


def change_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_best_of_each_row_is_marked(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    content = compare(capsys, *pair)
    rows = figures(content)
    assert [run["name"] for run in content["runs"]] == ["first", "second"] and content["notes"] == []
    for name in (
        "held-out loss",
        "held-out loss, EMA",
        "bits per byte",
        "math/en: loss",
        "web/no: bits per byte",
    ):
        assert rows[name]["best"] == [1] and rows[name]["mark"] == "", name
    first, second = rows["held-out loss"]["values"]
    assert second == pytest.approx(first - 0.1)
    assert rows["training loss, last steps"]["best"] == []  # they are equal
    assert rows["tokens"]["values"] == [122_880, 122_880] and rows["tokens"]["best"] == []
    assert "sequences" in content["common"] and content["settings"] == []


def test_settings_that_differ_are_listed_by_stage(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change_manifest(
        two[0] / "mixture", settings={"domains": {"web": 0.6, "code": 0.4}, "bytes": 10}, fingerprint="a"
    )
    change_manifest(
        two[1] / "mixture", settings={"domains": {"web": 0.9, "math": 0.1}, "bytes": 10}, version=2
    )
    content = compare(capsys, *two)
    assert {row["key"]: row["values"] for row in content["settings"]} == {
        "mix.(version of the stage)": ["1", "2"],
        "mix.domains.web": ["0.6", "0.9"],
        "mix.domains.code": ["0.4", "(absent)"],
        "mix.domains.math": ["(absent)", "0.1"],
    }
    assert "mixture" not in content["common"] and "distinct" in content["common"]


def test_other_input_is_a_difference(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [{"source": "web", "file": "web.warc.gz", "bytes": 100, "sample": "1"}]
    change_manifest(two[0] / "documents", inputs=inputs)
    (row,) = compare(capsys, *two)["settings"]
    assert row["key"] == "extract.(web)" and row["values"][0].startswith("1 files, 100 bytes, ")
    assert row["values"][0] != row["values"][1]


def test_counts_stand_side_by_side(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    change_manifest(two[1] / "filtered", counts={"in": 18, "out": 14, "added": 0, "dropped": {"short": 4}})
    rows = {(row["stage"], row["count"]): row["values"] for row in compare(capsys, *two)["counts"]}
    assert rows["filter", "− words"] == [4, 0] and rows["filter", "− short"] == [0, 4]
    assert rows["mix", "added"] == [1, 1] and ("filter", "added") not in rows


def test_losses_on_other_rows_are_not_compared(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another digest of the held-out file and another fingerprint: no loss is best, bits per byte nearly."""
    manifest = json.loads((two[1] / "sequences" / "manifest.json").read_text())
    beside = [part | {"xxh3": "another"} for part in manifest["beside"]]
    change_manifest(two[1] / "sequences", beside=beside, fingerprint="another")
    content = compare(capsys, *two)
    rows = figures(content)
    assert (rows["held-out loss"]["best"], rows["held-out loss"]["mark"]) == ([], "†")
    assert (rows["code: loss"]["best"], rows["code: loss"]["mark"]) == ([], "†")
    assert (rows["bits per byte"]["best"], rows["bits per byte"]["mark"]) == ([1], "≈")
    assert rows["training loss, last steps"]["mark"] == "†"
    (note,) = content["notes"]
    assert note.startswith("† on other rows: losses per token cannot be compared")
    change_manifest(two[1] / "tokenizer", fingerprint="another")
    assert "and with other tokenizers" in compare(capsys, *two)["notes"][0]


def test_the_same_held_out_rows_of_other_mixes_are_compared(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change_manifest(two[1] / "sequences", fingerprint="another")
    content = compare(capsys, *two)
    rows = figures(content)
    assert (rows["held-out loss"]["best"], rows["held-out loss"]["mark"]) == ([1], "")
    assert (
        rows["training loss, last steps"]["mark"] == "†" and rows["training loss, last steps"]["best"] == []
    )
    assert content["notes"] == ["† trained on other rows: training losses cannot be compared."]


def test_runs_without_a_training_compare_what_there_is(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(two[1] / "model")
    content = compare(capsys, *two)
    assert figures(content)["steps"]["values"] == [60, None]
    assert content["notes"] == ["no training yet: second."]
    shutil.rmtree(two[0] / "model")
    content = compare(capsys, *two, "--out", two[0] / "page.html")
    assert content["figures"] == [] and content["counts"]
    assert Walk((two[0] / "page.html").read_text("utf-8")).faults == []


def test_other_lengths_and_evaluations_of_trainings_under_way_are_said(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(two[1] / "model")
    make_training(two[1] / "model", 40, finished=False)
    content = compare(capsys, *two)
    assert content["notes"] == [
        "under way, figures as of the last step: second.", "the runs have not consumed equally many tokens."
    ]  # fmt: skip
    write_lines(two[1] / "model" / "evaluations.jsonl", [make_evaluation(40, 40) | {"sequence_length": 64}])
    assert figures(compare(capsys, *two))["held-out loss"]["mark"] == "†"


def test_the_terminal_shows_tables_and_is_not_steered(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    call("compare", *pair)
    shown = capsys.readouterr().out
    assert all(sign not in shown for sign in ("\x1b", "\u202e", "\x00"))
    lines = shown.splitlines()
    (loss,) = [line.split() for line in lines if line.startswith("held-out loss  ")]
    assert loss[-1].endswith("*") and not loss[-2].endswith("*")
    assert any(line.split() == ["mix", "−", "over-budget", "7", "7"] for line in lines)


def test_the_page_lays_curves_over_one_another(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("compare", *pair, "--out", tmp_path / "page.html")
    source = (tmp_path / "page.html").read_text("utf-8")
    page = Walk(source)
    assert page.faults == [] and "★" in page.text and str(tmp_path / "page.html") in capsys.readouterr().out
    charts = {values["aria-label"] for tag, values in page.elements if values.get("role") == "img"}
    for title in ("Training loss", "Held-out loss", "Bits per byte, held out", "web/en", "code"):
        (label,) = (label for label in charts if label.startswith(f"{title} by tokens"))
        assert "first " in label and "second " in label
    assert EVIL not in source and "<img" not in source


def test_runs_of_one_name_are_told_apart_by_their_folders(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, run in enumerate(two):
        (run.parent / str(number)).mkdir()
        shutil.move(run, run.parent / str(number) / "same")
    places = [run.parent / str(number) / "same" for number, run in enumerate(two)]
    assert [run["name"] for run in compare(capsys, *places)["runs"]] == ["0/same", "1/same"]
    twice = compare(capsys, places[0], places[0] / "model")
    assert [run["name"] for run in twice["runs"]] == ["same (1)", "same (2)"]


def test_what_is_no_run_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no run of dspipe is there"):
        call("compare", pair[0], tmp_path / "nothing")
    with pytest.raises(click.UsageError, match="at least two runs"):
        call("compare", pair[0])
