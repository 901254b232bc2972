"""Ranges of keys of sorted runs: nothing is lost, nothing comes twice, equal keys stay together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.copies.candidates import BEST, NEAREST, fill_pairs, join_pair, split_pair, unite
from dspipe.dedup.copies.groups import Groups, divide_groups, without
from dspipe.dedup.runs import Run, divide, gather, write_run


def make_keys(kind: str, random: np.random.Generator, count: int) -> Any:
    if kind == "S9":
        rows = random.integers(0, 256, (count, 9), dtype=np.uint8)
        rows[:, :7] = 0
        return rows.reshape(-1).view("S9")
    return random.integers(2**64 - 40_000, 2**64, count, dtype=np.uint64)  # differ where floats do not


@pytest.mark.parametrize("kind", ["u8", "S9"])
def test_ranges_hold_every_key_once_and_equal_keys_together(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(1)
    runs, expected = [], []
    for number, count in enumerate((30_000, 0, 1, 50_000, 777)):
        keys, values = make_keys(kind, random, count), np.arange(count, dtype=np.uint32)
        runs.append(Run(tmp_path, f"run-{number}"))
        write_run(runs[-1], keys, values)
        expected += [(key, number, value) for key, value in zip(keys.tolist(), values.tolist(), strict=True)]
    ranges = divide(runs, 100_000)
    found, seen = [], set()
    for wanted in ranges:
        slices = gather(runs, wanted)
        here = {key for piece in slices for key in piece.keys.tolist()}
        assert not here & seen
        seen |= here
        found += [
            (key, piece.run, value)
            for piece in slices
            for key, value in zip(piece.keys.tolist(), piece.values.tolist(), strict=True)
        ]
        assert sum(len(piece.keys) for piece in slices) * 12 < 400_000
    assert len(ranges) > 5 and sorted(found) == sorted(expected)


def test_many_short_runs_are_divided_as_one_long_one(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    runs = [Run(tmp_path, f"short-{number}") for number in range(60)]
    for run in runs:
        write_run(run, random.integers(0, 1000, 700, dtype=np.uint64), np.arange(700, dtype=np.uint32))
    runs.append(Run(tmp_path, "long"))  # all of it behind the others
    write_run(runs[-1], np.arange(5000, 9000, dtype=np.uint64), np.arange(4000, dtype=np.uint32))
    sizes = [sum(len(piece.keys) for piece in gather(runs, wanted)) for wanted in divide(runs, 100_000)]
    assert sum(sizes) == 46_000 and max(sizes) < 20_000 and len(divide(runs[:-1], 100_000)) > 3


def test_one_key_alone_is_one_range(tmp_path: Path) -> None:
    run = Run(tmp_path, "same")
    write_run(run, np.full(50_000, 7, np.uint64), np.arange(50_000, dtype=np.uint32))
    sizes = [sum(len(piece.keys) for piece in gather([run], wanted)) for wanted in divide([run], 1000)]
    assert sizes == [50_000]
    empty = Run(tmp_path, "empty")
    write_run(empty, np.empty(0, np.uint64), np.empty(0, np.uint32))
    assert divide([empty]) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=40), st.sets(st.integers(0, 40)))
def test_groups_are_those_of_a_dictionary(keys: list[tuple[int, int]], gone: set[int]) -> None:
    expected: dict[tuple[int, int], list[int]] = {}
    for rank, key in enumerate(keys):
        expected.setdefault(key, []).append(rank)
    ranks = np.arange(len(keys))[::-1].copy()
    columns = np.array(keys, np.uint64).reshape(-1, 2)[::-1]
    groups = divide_groups([columns[:, 0].copy(), columns[:, 1].copy()], ranks)
    assert list_groups(groups) == [expected[key] for key in sorted(expected) if len(expected[key]) > 1]
    left = without(groups, np.isin(groups.ranks, list(gone)))
    smaller = [[rank for rank in expected[key] if rank not in gone] for key in sorted(expected)]
    kept = [key for key in sorted(expected) if len(expected[key]) > 1]
    smaller = [[rank for rank in expected[key] if rank not in gone] for key in kept]
    assert list_groups(left) == [group for group in smaller if len(group) > 1]


def list_groups(groups: Groups) -> list[list[int]]:
    return [
        groups.ranks[first:last].tolist()
        for first, last in zip(groups.ends[:-1].tolist(), groups.ends[1:].tolist(), strict=True)
    ]


def test_pairs_of_a_bucket_are_all_of_a_small_one_and_the_best_and_nearest_of_a_large_one() -> None:
    ranks = np.concatenate([np.arange(10, 15), np.arange(100, 140)])
    ends = np.array([0, 5, 45])
    expected = {(worse, better) for worse in range(12, 15) for better in range(10, worse)}
    for place in range(40):
        best = {other for other in range(place) if other < BEST or other >= place - NEAREST}
        expected |= {(100 + place, 100 + other) for other in best}
    for size in (2000, 100, BEST + NEAREST):  # room for all, and for some at a time
        room, found, begin = np.empty((2, size), np.int64), [], 0
        while begin < len(ranks):
            used, begin = fill_pairs(ranks, ends, 12, begin, *room)
            found += list(zip(room[0, :used].tolist(), room[1, :used].tolist(), strict=True))
        assert len(found) == len(set(found)) and set(found) == expected


def test_of_a_pair_with_several_relations_the_first_counts() -> None:
    worse = np.array([5, 5, 4, 5])
    joined = np.array(
        [join_pair(np.array(better), relation) for better, relation in ((1, 2), (1, 0), (3, 1), (2, 1))]
    )
    rank, pairs = unite(worse, joined)
    better, relation = split_pair(pairs)
    assert list(zip(rank.tolist(), better.tolist(), relation.tolist(), strict=True)) == [
        (4, 3, 1), (5, 1, 0), (5, 2, 1),
    ]  # fmt: skip
