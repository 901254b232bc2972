"""The rows of best-fit decreasing are those of the slow way, and lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.pack.fitting import fit
from tests.reference.packing import fit_slowly

LENGTHS = st.lists(st.integers(1, 40), max_size=80)


@given(LENGTHS, st.sampled_from([None, 1, 2, 3, 7]))
def test_chunks_go_to_the_rows_of_best_fit_decreasing_done_slowly(
    lengths: list[int], most: int | None
) -> None:
    row, count = fit(np.array(lengths, np.int32), 40, most)
    assert row.tolist() == fit_slowly(lengths, 40, most)
    assert count == len(set(row.tolist()))


@pytest.mark.parametrize("row_length", [63, 64, 65, 4095, 4096, 4097, 300_000])
def test_the_least_room_is_found_in_rows_of_any_length(row_length: int) -> None:
    lengths = np.random.default_rng(row_length).integers(1, row_length + 1, 400).astype(np.int32)
    row, _ = fit(lengths, row_length)
    assert row.tolist() == fit_slowly(lengths.tolist(), row_length)


@given(LENGTHS, st.sampled_from([None, 2]))
def test_no_row_is_fuller_than_it_may_be_and_none_is_empty(lengths: list[int], most: int | None) -> None:
    row, count = fit(np.array(lengths, np.int32), 40, most)
    filled = np.bincount(row, lengths, count)
    assert (filled <= 40).all() and (filled > 0).all() and len(filled) == count
    assert np.bincount(row).max(initial=0) <= (most or 80)


def test_equal_chunks_keep_their_order() -> None:
    assert fit(np.array([5, 5, 5, 5], np.int32), 10)[0].tolist() == [0, 0, 1, 1]
