"""What a recipe names as earlier runs is checked before any work starts."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from dspipe.dedup.outside import describe_earlier
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup, RecipeError
from dspipe.shards import Header, Output
from tests.support import document, make_artifact, make_workers

DEFAULTS = Dedup()


def make_distinct(folder: Path, settings: Dedup = DEFAULTS) -> str:
    random_ = random.Random(str(folder))
    text = " ".join(f"w{random_.randrange(1000)}" for _ in range(30))
    filtered = make_artifact(folder / "filtered", [[document(text)]])
    inputs = describe_earlier(settings)
    header = Header("dedup", 1, msgspec.to_builtins(settings), f"made in {folder.name}", inputs)
    run(settings, filtered, Output(folder / "distinct", header), make_workers(folder))
    return str(folder / "distinct")


def test_earlier_runs_are_known_by_their_fingerprints(tmp_path: Path) -> None:
    first = make_distinct(tmp_path / "first")
    second = make_distinct(tmp_path / "second", Dedup(against=[first]))
    described = describe_earlier(Dedup(against=[first, second]))
    assert [(entry["file"], entry["sample"]) for entry in described] == [
        ("1", "made in first"),
        ("2", "made in second"),
    ]


def test_a_run_that_another_builds_on_must_be_named_before_it(tmp_path: Path) -> None:
    first = make_distinct(tmp_path / "first")
    second = make_distinct(tmp_path / "second", Dedup(against=[first]))
    for against in ([second], [second, first]):
        with pytest.raises(RecipeError, match=r"not listed before it; list them too: .*first"):
            describe_earlier(Dedup(against=against))


def test_what_is_no_distinct_is_refused(tmp_path: Path) -> None:
    make_artifact(tmp_path / "filtered", [[document("a")]])
    for path in (tmp_path / "filtered", tmp_path / "nothing"):
        with pytest.raises(RecipeError, match="is no finished `distinct`"):
            describe_earlier(Dedup(against=[str(path)]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Dedup(shingle=4), "signed with shingle = 5, this recipe has 4"),
        (Dedup(hashing="datasketch"), "signed with hashing = 'dspipe', this recipe has 'datasketch'"),
        (Dedup(similarity=0.5), r"write bands = 9 and rows = 4 in \[dedup\]"),
    ],
)
def test_signatures_that_cannot_be_compared_are_refused(
    tmp_path: Path, settings: Dedup, message: str
) -> None:
    first = make_distinct(tmp_path / "first")
    with pytest.raises(RecipeError, match=message):
        describe_earlier(msgspec.structs.replace(settings, against=[first]))


def test_another_threshold_may_be_asked_of_the_same_signatures(tmp_path: Path) -> None:
    first = make_distinct(tmp_path / "first")
    assert describe_earlier(Dedup(similarity=0.9, bands=9, rows=4, against=[first]))


def test_rows_that_would_need_millions_of_bands_are_refused_before_any_work() -> None:
    with pytest.raises(RecipeError, match=r"dedup.rows: to catch pairs at similarity 0.5 with rows = 20"):
        describe_earlier(Dedup(similarity=0.5, rows=20))
    with pytest.raises(RecipeError, match=r"rows = 64"):
        describe_earlier(Dedup(similarity=0.01, rows=64))
    assert describe_earlier(Dedup(similarity=0.5, rows=20, bands=10)) == []
