"""Windows of documents become rows: nothing is lost, only long documents are cut, one window pads."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.pack.plan import Plan, concatenate, cut_documents, plan_apart, plan_windows, whole
from dspipe.recipe import Pack
from tests.reference.packing import concatenate_slowly

LENGTHS = st.lists(st.integers(1, 100), max_size=40)
WINDOWS = st.lists(LENGTHS, max_size=5)
MODES = st.sampled_from([Pack(), Pack(max_documents=3), Pack(overlap=5), Pack(mode="concatenate")])


def number(windows: list[list[int]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Documents numbered through all windows."""
    ends = list(itertools.accumulate(map(len, windows), initial=0))
    return [
        (np.arange(first, first + len(window)), np.array(window, np.int64))
        for first, window in zip(ends, windows, strict=False)
    ]


def list_rows(plans: list[Plan]) -> list[list[tuple[int, int, int]]]:
    return [
        [tuple(chunk)[:3] for chunk in plan.chunks[a:b].tolist()]
        for plan in plans
        for a, b in itertools.pairwise(plan.bounds.tolist())
    ]


@given(WINDOWS, MODES)
def test_every_token_of_every_document_lies_in_a_row(windows: list[list[int]], settings: Pack) -> None:
    rows = list_rows(list(plan_windows(number(windows), 32, settings)))
    lengths = [length for window in windows for length in window]
    seen: list[Counter[int]] = [Counter() for _ in lengths]
    for document, start, length in itertools.chain(*rows):
        seen[document].update(range(start, start + length))
    for length, tokens in zip(lengths, seen, strict=True):
        assert set(tokens) == set(range(length))
        assert sum(tokens.values()) - length <= (5 * (length // 27 + 1) if settings.overlap else 0)
    assert all(0 < sum(length for *_, length in row) <= 32 for row in rows)
    assert all(len(row) <= (settings.max_documents or 32) for row in rows)


@given(WINDOWS, st.sampled_from([Pack(), Pack(overlap=5)]))
def test_only_documents_that_are_longer_than_a_row_are_cut(windows: list[list[int]], settings: Pack) -> None:
    plans = list(plan_windows(number(windows), 32, settings))
    chunks = Counter(document for document, *_ in itertools.chain(*list_rows(plans)))
    lengths = [length for window in windows for length in window]
    assert {document for document, count in chunks.items() if count > 1} == {
        document for document, length in enumerate(lengths) if length > 32
    }
    assert sum(plan.cut for plan in plans) == sum(length > 32 for length in lengths)


@given(st.integers(1, 200), st.integers(0, 31))
def test_a_further_chunk_begins_with_the_end_of_the_one_before(length: int, overlap: int) -> None:
    chunks = cut_documents(np.array([7]), np.array([length]), 32, overlap)
    ends = chunks["start"] + chunks["length"]
    assert (chunks["document"] == 7).all() and chunks["start"][0] == 0 and ends[-1] == length
    assert (chunks["start"][1:] == ends[:-1] - overlap).all()
    assert (chunks["length"][:-1] == 32).all() and (len(chunks) == 1 or chunks["length"][-1] > overlap)


@given(LENGTHS)
def test_concatenation_cuts_where_rows_end(lengths: list[int]) -> None:
    documents = whole(np.arange(len(lengths)), np.array(lengths, np.int64))
    chunks, row, cut = concatenate(documents, 32)
    found = [(r, *chunk[:3]) for r, chunk in zip(row.tolist(), chunks.tolist(), strict=True)]
    assert found == concatenate_slowly(lengths, 32)
    pieces = Counter(document for _, document, *_ in found)
    assert cut == sum(count > 1 for count in pieces.values())


@given(WINDOWS)
def test_windows_do_not_show_in_concatenated_rows(windows: list[list[int]]) -> None:
    plans = list(plan_windows(number(windows), 32, Pack(mode="concatenate")))
    expected = concatenate_slowly([length for window in windows for length in window], 32)
    assert sorted(list_rows(plans)) == sorted(
        [chunk[1:] for chunk in row] for _, row in itertools.groupby(expected, lambda chunk: chunk[0])
    )


def test_rows_with_room_are_fitted_again_with_the_next_window_some_times() -> None:
    windows = number([[20, 32], [12, 20], [11], [30], [30], [30], [3]])
    rows = [list_rows([plan]) for plan in plan_windows(windows, 32, Pack())]
    plans = [[[document for document, *_ in row] for row in plan] for plan in rows]
    assert plans[0] == [[1]]  # document 0 waits
    assert plans[1] == [[0, 2]]  # and finds its fellow; document 3 waits
    assert plans[2:5] == [[], [], []]  # with document 4, which leaves one token
    assert plans[5] == [[3, 4]]  # for the fourth time
    assert sorted(plans[6]) == [[5], [6], [7], [8]]


def test_only_the_last_window_is_padded_where_lengths_are_as_in_life() -> None:
    random = np.random.default_rng(3)
    windows = number([random.lognormal(4, 1.2, 3000).astype(int).clip(1).tolist() for _ in range(6)])
    for row_length in (256, 2048):
        plans = list(plan_windows(windows, row_length, Pack(window=1)))
        rooms = [plan.rows * row_length - int(plan.chunks["length"].sum()) for plan in plans]
        tokens = sum(int(plan.chunks["length"].sum()) for plan in plans)
        apart = [next(plan_windows([window], row_length, Pack())) for window in windows]
        lost = sum(plan.rows * row_length - int(plan.chunks["length"].sum()) for plan in apart)
        assert sum(rooms[:-1]) <= min(1e-3 * tokens, lost / 4)


def test_rows_are_shuffled_so_that_length_says_nothing_of_the_place() -> None:
    lengths = np.random.default_rng(5).integers(1, 257, 20_000)
    (plan,) = plan_windows([(np.arange(20_000), lengths)], 256, Pack(seed=1))
    longest = np.maximum.reduceat(plan.chunks["length"], plan.bounds[:-1])
    assert abs(np.corrcoef(longest, np.arange(plan.rows))[0, 1]) < 0.03
    (other,) = plan_windows([(np.arange(20_000), lengths)], 256, Pack(seed=2))
    assert not np.array_equal(plan.chunks, other.chunks)
    assert sorted(list_rows([plan])) == sorted(list_rows([other]))


@pytest.mark.parametrize("settings", [Pack(), Pack(mode="concatenate")])
def test_rows_held_out_are_of_one_group_each(settings: Pack) -> None:
    groups = number([[5, 40, 9], [3], [70, 1]])
    plan, group = plan_apart(groups, 32, settings)
    rows = list_rows([plan])
    members = [set(numbers.tolist()) for numbers, _ in groups]
    assert len(rows) == len(group)
    assert all({document for document, *_ in row} <= members[g] for row, g in zip(rows, group, strict=True))
    assert sum(length for row in rows for *_, length in row) == 128
