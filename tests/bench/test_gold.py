"""Gold files: what they may hold, and what a bench makes of one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dspipe.bench import gold
from dspipe.bench.extractors import find_settings
from dspipe.recipe import RecipeError

MENU = '<nav class="menu"><ul><li><a href="/">Home</a></li><li><a href="/a">About</a></li></ul></nav>'
SENTENCES = [f"A kettle of {size} litres sings when its water boils, every single time." for size in range(9)]
ARTICLE = "<h1>Kettles</h1>" + "".join(f"<p>{sentence}</p>" for sentence in SENTENCES)
PAGE = f"<html><body>{MENU}<main><article>{ARTICLE}</article></main></body></html>"
TEXT = "Kettles " + " ".join(SENTENCES)


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_whole_texts_are_measured_by_words_and_shingles(tmp_path: Path) -> None:
    said: list[str] = []
    path = write(tmp_path / "gold.jsonl", {"html": PAGE, "text": TEXT}, {"html": PAGE, "text": TEXT})
    figures = gold.measure(path, 1, said.append)
    ours = figures["extractors"]["dspipe main"]
    assert ours["words"] == ours["words, pooled"] == {"precision": 1.0, "recall": 1.0, "f": 1.0}
    assert ours["lines"]["f"] < ours["shingles"]["f"] == 1.0 and ours["pages_per_second"] > 0
    assert figures["extractors"]["resiliparse, all text"]["words"]["precision"] < 1
    assert figures["pages"] == 2 and any(line.startswith("dspipe main") for line in said)


def test_segments_are_measured_as_found_or_not(tmp_path: Path) -> None:
    page = base64.b64encode(PAGE.encode("utf-16")).decode()
    path = write(tmp_path / "gold.jsonl", {"html_base64": page, "with": ["sings when"], "without": ["About"]})
    extractors = gold.measure(path, 1, lambda line: None)["extractors"]
    assert extractors["dspipe main"]["segments"] == {"precision": 1.0, "recall": 1.0, "f": 1.0}
    assert extractors["resiliparse, all text"]["segments"]["precision"] == 0.5


def test_the_grid_holds_every_combination_once() -> None:
    assert len(find_settings()) == 16


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([{"html": PAGE}], "line 1: give what is wanted"),
        ([{"html": PAGE, "text": ""}, {"text": "x"}], "line 2: give the page"),
        ([{"html": PAGE, "text": 5}], "line 1: Expected `str | null`"),
        ([{"html_base64": "?", "text": "x"}], "line 1: Only base64"),
        ([{"html": PAGE, "text": "x"}, {"html": PAGE, "with": ["x"]}], "give every page its `text`"),
        ([], "give every page its `text`"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    tmp_path: Path, lines: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(RecipeError, match=sentence.replace("|", r"\|").replace("?", r"\?")):
        gold.read_gold(write(tmp_path / "gold.jsonl", *lines))


def test_a_gold_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="check --gold"):
        gold.read_gold(tmp_path / "absent.jsonl")
