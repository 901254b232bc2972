"""`dspipe inspect RECIPE`: which pairs dedup would catch, and the disk that it needs for what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dspipe.dedup.curve import catch
from dspipe.dedup.room import disk_per_document
from dspipe.recipe import Dedup
from dspipe.shards import Counts
from tests.commands.runs import call
from tests.support import document, make_artifact, make_output


def write_recipe(folder: Path, dedup: str, use: str = "") -> Path:
    path = folder / "some.toml"
    path.write_text(f'name = "some"\n{use}\n[dedup]\n{dedup}\n')
    return path


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("inspect", *arguments, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)["dedup"]
    return content


def test_the_settings_of_dedup_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "similarity = 0.8\nshingle = 7")
    shown = inspect(capsys, recipe, "--shards", tmp_path)
    assert (shown["bands"], shown["rows"], shown["permutations"]) == (9, 4, 36)
    assert (shown["shingle"], shown["unit"]) == (7, "words")
    assert list(shown["catches a pair at"]) == [f"{share / 100:.2f}" for share in range(50, 100, 5)]
    assert shown["catches a pair at"]["0.80"] == round(catch(0.8, 9, 4), 4) >= 0.99
    each = sum(disk_per_document(Dedup(shingle=7)).values())
    assert shown["bytes per document"]["all"] == each
    assert (shown["disk"]["documents"], shown["disk"]["bytes"]) == (1_000_000, 1_000_000 * each)
    assert shown["documents counted in"] == "no run yet; for a million" and shown["warnings"] == []
    call("inspect", recipe, "--shards", tmp_path)
    text = capsys.readouterr().out
    assert "  catches a pair at\n    0.50 " in text and "dedup:" not in text


def test_the_documents_of_the_run_are_counted_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, rows = tmp_path / "runs", [document(f"text {number}") for number in range(5)]
    recipe = write_recipe(tmp_path, "")
    make_artifact(shards / "some" / "documents", [rows])
    assert inspect(capsys, recipe, "--shards", shards)["disk"]["documents"] == 5
    make_artifact(shards / "some" / "filtered", [rows[:2], rows[:1]])
    shown = inspect(capsys, recipe, "--shards", shards)
    assert shown["disk"]["documents"] == 3 and shown["documents counted in"].endswith("some/filtered")
    make_artifact(tmp_path / "filtered", [rows[:1]])
    recipe = write_recipe(tmp_path, "", f'[use]\nfiltered = "{tmp_path}/filtered"')
    assert inspect(capsys, recipe, "--shards", shards)["disk"]["documents"] == 1


def test_settings_that_miss_copies_are_told_of_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, "bands = 4\nrows = 8")
    call("inspect", recipe, "--shards", tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "dedup: bands = 4 and rows = 8 catch a pair at similarity 0.8 with probability 0.52 only; "
        "leave both out to have 9 and 4"
    )
    shown = inspect(capsys, write_recipe(tmp_path, 'measure = "containment"'), "--shards", tmp_path)
    assert len(shown["warnings"]) == 1 and "containment of 0.8" in shown["warnings"][0]


def test_a_plan_counts_the_disk_that_dedup_works_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_artifact(tmp_path / "filtered", [[document(f"text {number}") for number in range(10)]])
    recipe = write_recipe(tmp_path, "bands = 10\nrows = 4", f'[use]\nfiltered = "{tmp_path}/filtered"')
    call("run", recipe, "--shards", tmp_path / "runs", "--until", "dedup", "--dry-run", "--json")
    (*_, step) = json.loads(capsys.readouterr().out)
    assert step["stage"] == "dedup"
    assert step["bytes"] == 10 * sum(disk_per_document(Dedup(bands=10, rows=4)).values())


@pytest.mark.parametrize("limits", ["max_cluster = 5", "max_removed = 0.5"])
def test_limits_do_not_make_what_is_there_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: str
) -> None:
    make_artifact(tmp_path / "filtered", [[document(f"text {number}") for number in range(10)]])
    use = f'[use]\nfiltered = "{tmp_path}/filtered"'
    call("run", write_recipe(tmp_path, "", use), "--shards", tmp_path, "--until", "dedup", "--workers", 1)
    capsys.readouterr()
    recipe = write_recipe(tmp_path, limits, use)
    call("run", recipe, "--shards", tmp_path, "--until", "dedup", "--dry-run", "--json")
    (*_, step) = json.loads(capsys.readouterr().out)
    assert step["state"] == "done"


def test_the_network_is_weighed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "large.toml"
    recipe.write_text(
        'name = "large"\n[pack]\nsequence_length = [4096, 32768]\n[train]\nbatch_size = 16\nmicro_batch = 2\n'
        '[train.model]\npreset = "671b"\n'
    )
    call("inspect", recipe, "--json")
    model = json.loads(capsys.readouterr().out)["model"]
    assert model["parameters"]["total"] == 671_026_419_200
    assert model["parameters"]["parts"]["head"] == 129_280 * 7168
    assert sum(model["parameters"]["parts"].values()) == model["parameters"]["total"]
    assert model["operations"]["length"] == 4096
    assert 250e9 < model["operations"]["total"] < 251e9
    assert sum(model["operations"]["parts"].values()) == model["operations"]["total"]
    assert (model["memory"]["rows"], model["memory"]["length"]) == (2, 4096)
    assert model["memory"]["float32"]["weights"] == 4 * (671_026_419_200 + 11_610_068_224)
    assert model["memory"]["with FP8"]["codes"] > 0 == model["memory"]["float32"]["codes"]
    assert model["memory"]["with FP8"]["attention"] < model["memory"]["bfloat16"]["attention"] / 3
    call("inspect", recipe)
    text = capsys.readouterr().out
    assert ["total", "671,026,419,200", "250.5"] in [line.split() for line in text.splitlines()]
    assert "memory, 2 x 4,096 tokens at a time" in text and "2.7 TB" in text


def test_a_recipe_of_one_type_shows_its_memory_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "one.toml"
    recipe.write_text(
        'name = "one"\n[train]\nbatch_size = [[0, 8], [1000, 32]]\ndtype = "float32"\n'
        "sequence_length = [[0, 4096]]\n"
    )
    call("inspect", recipe, "--json")
    memory = json.loads(capsys.readouterr().out)["model"]["memory"]
    assert memory["rows"] == 32 and "bfloat16" not in memory


def test_memory_is_of_rows_and_lengths_that_come_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report's two phases of longer rows: 1920 of 32K, then 480 of 128K."""
    recipe = tmp_path / "long.toml"
    recipe.write_text(
        'name = "long"\n[pack]\nsequence_length = [4096, 32768, 131072]\n[train]\n'
        "batch_size = [[0, 8], [1000, 1920], [100000000, 480]]\n"
        "sequence_length = [[0, 4096], [1000, 32768], [100000000, 131072]]\n"
    )
    call("inspect", recipe, "--json")
    memory = json.loads(capsys.readouterr().out)["model"]["memory"]
    assert (memory["rows"], memory["length"]) == (480, 131072)


def test_a_tokenizer_that_is_there_says_its_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path, "")
    output = make_output(tmp_path / "some" / "tokenizer")
    output.close([], Counts(0, 0), facts={"model_rows": 8192})
    call("inspect", recipe, "--shards", tmp_path, "--json")
    assert json.loads(capsys.readouterr().out)["model"]["vocabulary"] == 8192
