"""Keys are put in order and found again, whatever numbers they are."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.strings.keys import find_keys, sort_keys

HALVES = st.integers(0, 2**64 - 1) | st.integers(0, 3) | st.integers(2**64 - 3, 2**64 - 1)


def make_columns(keys: list[tuple[int, int]]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    return np.array(keys, np.uint64).reshape(-1, 2).T.copy()


@given(st.lists(st.tuples(HALVES, HALVES), max_size=40))
@settings(deadline=None)
def test_the_order_is_that_of_a_stable_sort(keys: list[tuple[int, int]]) -> None:
    order = sort_keys(*make_columns(keys)).tolist()
    assert order == sorted(range(len(keys)), key=lambda index: keys[index])


def test_keys_made_to_fall_into_one_bucket_are_sorted_all_the_same() -> None:
    keys = [(2**63 + number % 50, number) for number in range(3000, 0, -1)] + [(0, 0), (2**64 - 1, 0)]
    order = sort_keys(*make_columns(keys)).tolist()
    assert order == sorted(range(len(keys)), key=lambda index: keys[index])


@given(st.lists(st.tuples(HALVES, HALVES), max_size=40), st.lists(st.tuples(HALVES, HALVES), max_size=40))
@settings(deadline=None)
def test_keys_are_found_where_they_stand(keys: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    answers = sorted(set(keys))
    asked = keys + others
    places = find_keys(*make_columns(asked), make_columns(answers)).tolist()
    assert places == [answers.index(key) if key in answers else -1 for key in asked]
