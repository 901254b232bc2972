"""Rows by best fit: the same as with the paper's segment tree, in dspipe's kernel and in the yardstick's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.bench.segment_tree import fit_by_tree
from dspipe.pack.fitting import fit
from tests.reference import segment_tree


@st.composite
def chunks(draw: st.DrawFn) -> tuple[list[int], int]:
    row_length = draw(st.sampled_from([1, 2, 7, 63, 64, 65, 128, 1000, 4095, 4096, 5000]))
    # short ones alone, or any: else rows of many chunks would be rare
    longest = draw(st.sampled_from([max(1, row_length // 8), row_length]))
    return draw(st.lists(st.integers(1, longest), max_size=200)), row_length


@settings(deadline=None)  # the first call compiles
@given(chunks(), st.sampled_from([None, 1, 2, 3, 10]))
def test_rows_are_those_of_the_segment_tree(case: tuple[list[int], int], most: int | None) -> None:
    lengths, row_length = case
    row, rows = fit(np.array(lengths, np.int32), row_length, most)
    assert (row.tolist(), rows) == segment_tree.fit(lengths, row_length, most)


@settings(deadline=None)  # the first call compiles
@given(chunks())
def test_rows_of_the_yardstick_are_the_same(case: tuple[list[int], int]) -> None:
    lengths, row_length = case
    row, rows = fit_by_tree(np.array(lengths, np.int32), row_length)
    assert (row.tolist(), rows) == segment_tree.fit(lengths, row_length)


@pytest.mark.parametrize("row_length", [2048, 32768])
def test_many_rows_are_as_few(row_length: int) -> None:
    random = np.random.default_rng(row_length)
    lengths = np.clip(random.lognormal(6.3, 1.2, 20_000), 1, row_length).astype(np.int32)
    row, rows = fit(lengths, row_length)
    assert (row.tolist(), rows) == segment_tree.fit(lengths.tolist(), row_length)
    assert np.bincount(row, lengths).max() <= row_length


@settings(deadline=None)  # the first call compiles
@given(chunks())
def test_every_chunk_goes_to_the_row_with_the_least_room_that_is_enough(case: tuple[list[int], int]) -> None:
    lengths, row_length = case
    row, rows = segment_tree.fit(lengths, row_length)
    rooms: list[int] = []
    for chunk in sorted(range(len(lengths)), key=lambda chunk: -lengths[chunk]):
        enough = [room for room in rooms if room >= lengths[chunk]]
        if row[chunk] == len(rooms):
            assert not enough
            rooms.append(row_length)
        else:
            assert rooms[row[chunk]] == min(enough)
        rooms[row[chunk]] -= lengths[chunk]
    assert len(rooms) == rows


def test_a_row_takes_no_more_chunks_than_it_may() -> None:
    row, rows = segment_tree.fit([5, 1, 1, 1, 1, 1], 10, most=3)
    assert (row, rows) == ([0, 0, 0, 1, 1, 1], 2)
    assert segment_tree.fit([5, 1, 1, 1, 1, 1], 10) == ([0] * 6, 1)
