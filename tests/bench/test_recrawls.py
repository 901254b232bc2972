"""Crawls of the same pages one after the other, and what is left of them when they are merged."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path
from random import Random
from types import ModuleType
from xml.etree import ElementTree

import pytest

from dspipe.bench.recrawls import Shares, make_crawls, revisit, touch, write_crawl
from dspipe.bench.recrawls import Visit as Visited
from tests.bench.test_pairs import make_page
from tests.support import read_rows

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks" / "merge_crawls.py"
PAGES = [make_page(number, 60) for number in range(60)]


@pytest.fixture
def merge_crawls() -> ModuleType:
    spec = importlib.util.spec_from_file_location("merge_crawls", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["merge_crawls"] = module
    spec.loader.exec_module(module)
    return module


def test_a_crawl_has_pages_of_the_one_before_and_new_ones() -> None:
    shares = Shares(gone=0.2, touched=0.0, edited=0.0, rewritten=0.0)
    crawls = list(make_crawls(PAGES, 4, shares))
    assert crawls == list(make_crawls(PAGES, 4, shares))
    seen: set[int] = set()
    for before, crawl in zip([[], *crawls], crawls, strict=False):
        addresses, known = {visit.address for visit in crawl}, {visit.address for visit in before}
        assert not (addresses - known) & seen and all(visit.text == PAGES[visit.address] for visit in crawl)
        seen |= addresses
    assert len(crawls[0]) == int(60 / 1.6) and len(crawls[1]) == len(crawls[0])


def test_pages_change_in_the_shares_that_are_asked_for() -> None:
    text = make_page(0)
    seen: Counter[str] = Counter()
    for number in range(2000):
        found = revisit(Visited(0, text), ["other"], Shares(0.1, 0.2, 0.1, 0.1), Random(number))
        words = found.text.split().count("other") if found else 0
        seen["gone" if found is None else "edited" if 0 < words <= 3 else "rewritten" if words else
             "same" if found.text == text else "touched"] += 1  # fmt: skip
    expected = {"gone": 200, "touched": 400, "edited": 200, "rewritten": 200, "same": 1000}
    assert all(abs(seen[name] - count) < 60 for name, count in expected.items()), seen


def test_a_touched_page_has_another_number_or_a_line_more() -> None:
    for seed in range(20):
        touched = touch("seen 100 times", Random(seed))
        assert re.fullmatch(r"seen \d+ times(\n.+ \d{4}-\d\d-\d\d)?", touched)
    assert touch("no number", Random(1)).startswith("no number\n")


def test_a_page_keeps_its_address_and_each_crawl_is_a_source(tmp_path: Path) -> None:
    rows = [
        read_rows(write_crawl([Visited(7, "text")], number, tmp_path / f"{number}"))[0] for number in (0, 1)
    ]
    assert rows[0]["url"] == rows[1]["url"] and rows[0]["id"] != rows[1]["id"]
    assert [row["source"] for row in rows] == ["crawl-0", "crawl-1"] and rows[0]["date"] < rows[1]["date"]


def test_more_crawls_have_more_copies_and_the_table_and_plot_say_so(
    merge_crawls: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, plot = tmp_path / "pages.jsonl", tmp_path / "plot.svg"
    data.write_text("\n".join(json.dumps({"text": page}) for page in PAGES), "utf-8")
    given = ["merge_crawls", "--data", data, "--crawls", 3, "--workers", 1, "--plot", plot]
    monkeypatch.setattr(sys, "argv", [*map(str, given)])
    merge_crawls.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    shares = [float(row[3].rstrip("%")) for row in rows]
    assert shares[0] == 0.0 and 30 < shares[1] < shares[2]
    drawn = ElementTree.parse(plot).getroot()
    assert len([one for one in drawn.iter() if one.tag.endswith("polyline")]) == 3
    assert "crawls merged" in "".join(drawn.itertext())


def test_exact_and_near_copies_are_told_apart(merge_crawls: ModuleType) -> None:
    counts = merge_crawls.Counts(10, 5, 0, {"exact-copy": 3, "near-copy": 2})
    merged = merge_crawls.Merged(2, counts, 1000, 600, frozenset())
    assert merged.show() == "| 2 | 10 | 5 | 50.0% | 30.0% | 20.0% | 40.0% |"


def test_crawls_that_come_in_one_by_one_leave_what_all_together_leave(
    merge_crawls: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "pages.jsonl"
    data.write_text("\n".join(json.dumps({"text": page}) for page in PAGES), "utf-8")
    given = ["merge_crawls", "--data", data, "--crawls", 3, "--workers", 1, "--against"]
    monkeypatch.setattr(sys, "argv", list(map(str, given)))
    merge_crawls.main()
    assert capsys.readouterr().out.splitlines()[-1] == "kept by one of the two ways alone: 0 and 0 (none)"
