"""`dspipe bench mix`: rows made for it, and given ones, are mixed in processes that are watched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dspipe.bench import Options, mix
from dspipe.recipe import RecipeError
from tests.support import read_rows
from tests.test_cli import call


def test_made_rows_are_mixed_to_their_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix, "ROWS", 3000)
    monkeypatch.setattr(mix, "ROWS_IN_PART", 500)
    said: list[str] = []
    figures = mix.run(Options(workers=1, repeat=1), said.append)
    counts = figures["counts"]
    assert (
        counts["in"] + counts["added"]
        == counts["out"] + counts["dropped"]["over-budget"]
        == 3000 + counts["added"]
    )
    assert len(figures["shares"]["cells"]) == len(mix.CELLS)
    assert all(0 <= missing < 200 for missing in figures["shares"]["bytes_short"].values())
    assert (
        figures["rates"]["1 worker"]["rows_per_second"].median > 0 and figures["memory"]["fewer_rows"] == 500
    )
    assert said[0] == "made for this: 3,000 rows in 6 parts" and any(
        "times the memory" in line for line in said
    )


def test_made_rows_are_the_same_each_time_and_have_ids_of_their_own(tmp_path: Path) -> None:
    rows = [read_rows(mix.make_rows(tmp_path / name, 1000)) for name in ("a", "b")]
    assert str(rows[0]) == str(rows[1]) and len({row["id"] for row in rows[0]}) == 1000


def test_given_rows_are_mixed_by_the_command(tmp_path: Path) -> None:
    mix.make_rows(tmp_path / "distinct", 400)
    done = call(
        "bench", "mix", "--data", tmp_path / "distinct" / "part-*", "--repeat", 1, "--workers", 1, "--json"
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["figures"]
    assert figures["rows"] == 400 and set(figures["rates"]) == {"1 worker"}


def test_a_glob_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no file matches"):
        mix.choose_rows(str(tmp_path / "*.parquet"), tmp_path)
