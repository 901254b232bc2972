"""The value of a table at a number of tokens, held to exact fractions."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.train.schedule.tables import find_change, find_size, find_value, read_table
from tests.reference.steps import look_up
from tests.train.schedule.tables import Entries, sizes, weights

TOKENS = st.integers(0, 7000)


@given(weights, TOKENS)
def test_a_value_is_that_of_exact_fractions(entries: Entries, tokens: int) -> None:
    assert find_value(read_table(entries), tokens) == pytest.approx(
        float(look_up(entries, tokens)), abs=1e-12
    )


@given(weights)
def test_at_its_tokens_an_entry_holds_to_the_last_bit(entries: Entries) -> None:
    for tokens, value, *_ in entries:
        assert find_value(read_table(entries), tokens) == value


@given(sizes, TOKENS)
def test_a_size_is_rounded_down(entries: Entries, tokens: int) -> None:
    assert find_size(read_table(entries), tokens) == math.floor(look_up(entries, tokens))


@given(sizes, TOKENS)
def test_a_size_stays_until_the_change_that_is_foretold(entries: Entries, tokens: int) -> None:
    table, starts = read_table(entries), [entry[0] for entry in entries]
    change = find_change(table, tokens)
    here = find_size(table, tokens)
    if change is None:
        assert all(find_size(table, later) == here for later in (tokens, starts[-1] + 1, 10**9))
        return
    assert change > tokens
    assert all(find_size(table, later) == here for later in {tokens, (tokens + change) // 2, change - 1})
    assert find_size(table, change) != here or change in starts


def test_a_line_and_half_a_cosine_meet_in_the_middle() -> None:
    for shape in ("linear", "cosine"):
        table = read_table([[0, 3.0], [100, 2.0, shape], [300, 1.0]])
        values = [find_value(table, tokens) for tokens in (0, 99, 100, 200, 300, 301)]
        assert values == pytest.approx([3.0, 3.0, 2.0, 1.5, 1.0, 1.0])
    assert find_value(table, 150) == pytest.approx(2 - (1 - math.sqrt(0.5)) / 2)


def test_half_a_cosine_never_turns_back() -> None:
    table = read_table([[0, 2.2e-4, "cosine"], [4000, 2.2e-5]])
    values = [find_value(table, tokens) for tokens in range(4001)]
    assert all(one >= other for one, other in pairwise(values))


def test_of_entries_from_the_same_tokens_on_the_last_holds() -> None:
    table = read_table([[0, 1, "linear"], [0, 5]])
    assert (find_value(table, 0), find_size(table, 0), find_change(table, 0)) == (5, 5, None)
