"""The command line: help everywhere, one sentence for what goes wrong, JSON where it prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

from dspipe.cli import dspipe, parse_memory
from dspipe.road import ROAD
from tests.test_runner import make_recipe

RECIPE = """
name = "tiny"
[[extract.sources]]
name = "kettles"
path = "{folder}/source.jsonl"
domain = "web"
[tokenizer]
vocab_size = 300
[pack]
sequence_length = 64
[train]
steps = 2
batch_size = 2
[train.model]
width = 16
layers = 2
heads = 2
experts = 4
chosen_experts = 2
expert_width = 8
dense_width = 16
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    make_recipe(tmp_path)  # writes source.jsonl
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(folder=tmp_path))
    return path


def call(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dspipe", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def test_every_command_has_help_with_an_example() -> None:
    for name, command in dspipe.commands.items():
        text = command.get_help(click.Context(command, info_name=name))
        assert f"dspipe {name}" in text or f".toml {name}" in text, name
        assert command.short_help, name


def test_stages_are_commands_in_the_order_of_the_road() -> None:
    names = [name for name in dspipe.commands if name in [stage.name for stage in ROAD]]
    assert names == [stage.name for stage in ROAD]


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 << 30), ("1.5g", 3 << 29), ("600M", 600 << 20), ("1073741824", 1 << 30), (None, None)],
)
def test_sizes_are_read_as_people_write_them(text: str | None, size: int | None) -> None:
    option, context = click.Option(["--memory"]), click.Context(dspipe)
    assert parse_memory(context, option, text) == size


@pytest.mark.parametrize("text", ["much", "8XB", "-3GiB", "10MB"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_memory(click.Context(dspipe), click.Option(["--memory"]), text)


def test_a_chain_of_stages_runs_them_and_no_more(recipe: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    done = call("-r", recipe, "--shards", shards, "--workers", 1, "filter", "extract")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["extract", "filter"]
    late = call("-r", recipe, "--shards", shards, "mix")
    assert late.returncode == 2 and "its input distinct has not been made" in late.stderr
    assert late.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "absent.toml"], "absent.toml: no such recipe"),
        (["extract"], "name the recipe: dspipe -r RECIPE extract"),
        (["-r", "x.toml", "run", "y.toml"], "write the options behind `run`"),
        (["-r", "x.toml", "extract", "trace"], "'trace' is not one of"),
        (["run", "x.toml", "--until", "dedupe"], "'dedupe' is not one of"),
        (["inspect", "nowhere"], "neither a recipe nor a finished artifact"),
        (["trace", "nowhere", "x"], "no documents there"),
        (["clean", "nowhere"], "no run of dspipe is there"),
        (["run"], "Missing argument 'RECIPE'"),
    ],
)
def test_bad_usage_ends_with_code_2_and_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_json_is_one_document(recipe: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    plan = json.loads(call("run", recipe, "--shards", shards, "--dry-run", "--json").stdout)
    assert [row["stage"] for row in plan] == [stage.name for stage in ROAD] and not shards.exists()
    done = call("run", recipe, "--shards", shards, "--until", "dedup", "--json", "--workers", 1)
    stages: list[dict[str, Any]] = json.loads(done.stdout)
    assert [stage["state"] for stage in stages] == ["to do"] * 3
    counts = stages[0]["artifacts"][0]["counts"]
    assert counts["in"] == counts["out"] == 30
    artifact = json.loads(call("inspect", shards / "tiny" / "filtered", "--json").stdout)
    assert artifact["rejected.parquet"]["schema"]["reasons"].startswith("list<") and artifact["rows"] == 30
    document = artifact["parts"]["rows"][0]["id"]
    way = json.loads(call("trace", shards / "tiny", document[:12], "--json").stdout)
    assert way["extract"]["source_id"] == "0" and way["filter"]["kept"] and way["mix"] == "not done yet"
    assert json.loads(call("doctor", "--json").stdout)["cores"] >= 1
    settings = json.loads(call("inspect", recipe, "--json").stdout)["settings"]
    assert settings["tokenizer.vocab_size"] == 300


def test_clean_takes_what_is_unfinished_and_with_all_the_rest(recipe: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    assert call("run", recipe, "--shards", shards, "--until", "filter", "--workers", 1).returncode == 0
    run = shards / "tiny"
    (run / "distinct").mkdir()
    (run / "distinct" / ".part.1.tmp").write_text("half")
    (run / "notes.txt").write_text("mine")
    assert "removed 1 artifacts (distinct)" in call("clean", run).stdout
    assert (run / "filtered" / "manifest.json").exists() and not (run / "distinct").exists()
    assert call("clean", run, "--all", "--yes").returncode == 0
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_code_130_and_the_same_command_goes_on(
    recipe: Path, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = [
        "run",
        recipe,
        "--shards",
        tmp_path / "shards",
        "--workers",
        1,
        "--set",
        "train.steps=100000",
    ]
    command = [sys.executable, "-m", "dspipe", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=heed
    ) as run:
        metrics = tmp_path / "shards" / "tiny" / "model" / "metrics.jsonl"
        for _ in range(1200):
            if metrics.exists() and metrics.stat().st_size:
                break
            time.sleep(0.1)
        run.send_signal(number)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130 and "interrupted: what was finished is kept" in errors, errors
    assert "Traceback" not in errors
    again = call("run", recipe, "--shards", tmp_path / "shards", "--workers", 1, "--until", "pack")
    assert again.returncode == 0 and again.stdout.count("already done") == 6, again.stderr


def test_nothing_from_a_document_steers_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "source.jsonl").write_text(
        json.dumps(
            {"text": "safe \u001b[31mred\u0007 text " * 20, "url": "https://x.example/\u001b]0;title\u0007"}
        )
        + "\n"
    )
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE.format(folder=tmp_path) + '[filter]\nrules = "none"\n')
    shards = tmp_path / "shards"
    assert call("run", recipe, "--shards", shards, "--until", "filter", "--workers", 1).returncode == 0
    shown = call("inspect", shards / "tiny" / "documents").stdout
    assert "safe" in shown and "\x1b" not in shown and "\x07" not in shown
