"""`dspipe bench`: the sample scaled, the command from end to end on a few pages, seconds summed up."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from dspipe.bench import Options
from dspipe.bench.crawl import SAMPLE, edit_words, find_crawl, iterate_pages, scale_sample
from dspipe.bench.extract import measure_stage
from dspipe.bench.timing import Spread, divide, round_figures, take_turns
from tests.test_cli import call

ROOT = Path(__file__).parent.parent.parent


def write_few(path: Path, most: int = 12) -> Path:
    """The first members of the sample."""
    data = (ROOT / SAMPLE.replace("*", "-00000")).read_bytes()
    ends = [place for place in range(len(data)) if data.startswith(b"\x1f\x8b\x08", place)]
    path.write_bytes(data[: ends[most]])
    return path


def test_a_copy_of_a_page_has_other_words_and_the_same_tags() -> None:
    page = '<p title="a b">one two <b>three</b> four &amp; five<script>var six = 7;</script> чай</p>' * 20
    edited = edit_words(page.encode(), random.Random(1)).decode()
    assert edited != page and edited == edit_words(page.encode(), random.Random(1)).decode()
    assert edited.count('<p title="a b">') == edited.count("&amp;") == edited.count("var six = 7;") == 20
    words = {"one", "two", "three", "four", "five", "чай"}
    plain = re.sub("<script>.*?</script>|<[^>]*>|&amp;", " ", edited)
    assert set(plain.split()) == words


def test_the_scaled_sample_is_readable_and_each_page_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    small = write_few(tmp_path / "few.warc.gz")
    once = find_crawl(str(small))
    crawl = scale_sample(tmp_path / "data", 3 * once.bytes, str(small))
    assert crawl.pages == 3 * once.pages and 2.5 * once.bytes < crawl.bytes < 3.5 * once.bytes
    records = [record for file in crawl.files for record in iterate_pages(file)]
    assert len({record.headers["WARC-Target-URI"] for record in records}) == crawl.pages


def test_the_command_ends_with_one_line_of_json(tmp_path: Path) -> None:
    data = write_few(tmp_path / "few.warc.gz")
    done = call("bench", "extract", "--data", data, "--repeat", 1, "--workers", 1)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    report = json.loads(last)
    assert report["bench"] == "extract" and report["machine"]["packages"]["fastwarc"] and report["date"]
    figures = report["figures"]
    counts = figures["stage"]["counts"]
    assert counts["in"] == counts["out"] + sum(counts["dropped"].values()) == 12
    assert figures["stage"]["ratio"]["least"] > 0 and figures["pages"]["ratio"]["median"] > 0
    assert figures["memory"]["growth"] > 0 and figures["data"]["pages"] > 0
    assert any(line.startswith("bare loop ") for line in lines)


def test_two_workers_are_compared_with_one_and_with_their_own_start(tmp_path: Path) -> None:
    crawl = find_crawl(str(write_few(tmp_path / "few.warc.gz")))
    said: list[str] = []
    figures = measure_stage(crawl, tmp_path, Options(workers=2, repeat=1), said.append)
    assert [name for name in figures["rates"] if name.startswith("dspipe")] == [
        "dspipe, no worker",
        "dspipe, 1 worker",
        "dspipe, 2 workers to start",
        "dspipe, 2 workers",
    ]
    assert figures["speedup"].least > 0 and "2 workers are" in said[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["few.warc.gz"]


def test_benches_are_listed_and_a_wrong_name_is_refused() -> None:
    assert call("bench").stdout.startswith("extract ")
    assert "extract" in json.loads(call("bench", "--json").stdout)
    wrong = call("bench", "nothing")
    assert wrong.returncode == 2 and "name one of: extract" in wrong.stderr
    none = call("bench", "extract", "--data", "nowhere/*.warc.gz")
    assert none.returncode == 2 and "no file matches" in none.stderr


def test_work_takes_turns_after_a_round_that_does_not_count() -> None:
    done: list[str] = []
    seconds = take_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 2)
    assert done == ["a", "b"] * 3 and [len(taken) for taken in seconds.values()] == [2, 2]


def test_ratios_are_of_the_same_round() -> None:
    assert divide([2.0, 4.0, 6.0], [1.0, 4.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert round_figures({"x": Spread(1.23456, 1.0, 2.0), "y": [1, 0.000123456]}) == {
        "x": {"median": 1.235, "least": 1.0, "most": 2.0},
        "y": [1, 0.0001235],
    }
