"""`dspipe inspect --rule`: what lies on both sides of a threshold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from dspipe.filter.stage import run
from dspipe.recipe import Filter, RecipeError, Threshold
from dspipe.shards import Header, Output
from tests.commands.runs import call
from tests.support import document, make_artifact, make_workers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of documents of 1, 2, … 20 words each, in two parts, where at least 8 words are asked for."""
    texts = [" ".join(["kettle"] * words) + " \x1b\x07" for words in range(1, 21)]
    rows = [document(text, domain="code" if words == 5 else "web") for words, text in enumerate(texts, 1)]
    documents = make_artifact(tmp_path / "documents", [rows[:7], rows[7:]])
    settings = Filter(
        rules="none", thresholds={"short": Threshold(column="words", minimum=8, maximum=18)}, private=[]
    )
    header = Header("filter", 1, msgspec.to_builtins(settings), "test", [])
    signals, filtered = Output(tmp_path / "signals", header), Output(tmp_path / "filtered", header)
    run(settings, documents, signals, filtered, make_workers(tmp_path))
    return tmp_path


def inspect(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("inspect", *arguments, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def test_a_rule_is_shown_with_the_documents_nearest_to_its_bounds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = inspect(capsys, folder / "filtered", "--rule", "short", "--rows", 2)
    assert (shown["column"], shown["documents"]) == ("words", 19)  # the rule is not for code
    low, high = shown["sides"]
    assert (low["minimum"], low["rejects"]) == (8, 6)
    assert [row["value"] for row in low["rejected"]] == [7, 6]
    assert [row["value"] for row in low["kept"]] == [8, 9]
    assert (high["maximum"], high["rejects"]) == (18, 2)
    assert [row["value"] for row in high["rejected"]] == [19, 20]
    assert low["kept"][0]["text"].count("kettle") == 8


def test_another_threshold_can_be_tried(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (side,) = inspect(capsys, folder / "filtered", "--rule", "short", "--at", 11)["sides"]
    assert (side["minimum"], side["rejects"]) == (11, 9)
    (side,) = inspect(capsys, folder / "filtered", "--rule", "short", "--at", 16)["sides"]
    assert (side["maximum"], side["rejects"]) == (16, 4)


def test_a_signal_is_shown_without_a_rule(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = inspect(capsys, folder / "signals", "--rule", "words", "--at", 3, "--rows", 1)
    assert shown["documents"] == 20 and shown["quantiles"]["50 %"] == 10.5
    assert [side["rejects"] for side in shown["sides"]] == [2, 17]
    assert inspect(capsys, folder / "signals", "--rule", "words")["sides"] == []


def test_texts_are_printed_without_what_steers_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("inspect", folder / "filtered", "--rule", "short")
    shown = capsys.readouterr().out
    assert "minimum 8 rejects 6 (31.58 %)" in shown and "rejected 7" in shown and "\x1b" not in shown


def test_what_does_not_go_together_is_refused(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"neither such a rule nor such a signal; rules: .*short"):
        call("inspect", folder / "filtered", "--rule", "shrt")
    with pytest.raises(RecipeError, match="--rule goes with the signals"):
        call("inspect", folder / "documents", "--rule", "short")
    with pytest.raises(click.UsageError, match="--at goes with --rule"):
        call("inspect", folder / "filtered", "--at", "3")
