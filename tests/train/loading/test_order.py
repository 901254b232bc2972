"""The order of rows is a permutation for every count, and looks like one that was drawn."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from dspipe.train.loading.order import decipher, encipher, invert, make_keys, permute
from tests.reference.orders import permute_slowly


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    return permute(seed, epoch, count, np.arange(count))


def is_even(statistic: float, freedom: int) -> bool:
    """Whether a chi-square statistic is neither too large nor too small to be chance, once in a million."""
    return bool(1e-6 < chi2.cdf(statistic, freedom) < 1 - 1e-6)


def test_every_row_comes_once_for_every_count() -> None:
    for count in range(1, 601):
        for seed, epoch in ((1, 0), (2**63 - 1, 2**40)):
            rows = order(seed, epoch, count)
            assert np.array_equal(np.sort(rows), np.arange(count))
            assert np.array_equal(invert(seed, epoch, count, rows), np.arange(count))


@pytest.mark.parametrize("count", [2**16, 2**16 + 1, 2**18 - 1, 200_003])
def test_every_row_comes_once_for_larger_counts(count: int) -> None:
    rows = order(7, 1, count)
    assert np.array_equal(np.sort(rows), np.arange(count))
    assert np.array_equal(invert(7, 1, count, rows), np.arange(count))


@pytest.mark.parametrize("count", [10**8, 10**12, 2**40, 2**40 + 1, 2**62 - 1, 2**62])
def test_any_place_of_an_order_of_any_size_is_found(count: int) -> None:
    places = np.concatenate([np.arange(1000), count - 1 - np.arange(1000), count // 3 + np.arange(1000)])
    rows = permute(1, 0, count, places)
    assert rows.dtype == np.int64
    assert rows.min() >= 0 and rows.max() < count
    assert len(np.unique(rows)) == len(places)
    assert np.array_equal(invert(1, 0, count, rows), places)
    counted = np.bincount((rows / count * 10).astype(int), minlength=10)
    assert is_even(float(((counted - 300) ** 2 / 300).sum()), 9)


def test_a_place_does_not_depend_on_what_else_is_asked() -> None:
    whole = order(1, 0, 1000)
    assert [int(permute(1, 0, 1000, np.array([place]))[0]) for place in range(0, 1000, 37)] == [
        *whole[::37].tolist()
    ]
    assert permute(1, 0, 1000, np.array([], np.int64)).tolist() == []


def test_seeds_epochs_and_counts_have_orders_of_their_own() -> None:
    orders = [order(1, 0, 999), order(2, 0, 999), order(1, 1, 999), order(1, 0, 1000)[:999]]
    for one, other in permutations(orders, 2):
        assert (one == other).sum() < 12  # 1 is expected
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.16  # five deviations


def test_the_order_stays_what_it_is() -> None:
    """Another one would give the steps of a resumed run other rows."""
    assert order(1, 0, 8).tolist() == [5, 6, 0, 1, 2, 4, 3, 7]


def test_the_cipher_undoes_itself_whatever_the_sides() -> None:
    for sides in ((1, 1), (2, 1), (3, 2), (7, 7), (10**6, 10**6 - 1), (2**31, 2**31)):
        wide, narrow = np.uint64(sides[0]), np.uint64(sides[1])
        numbers = np.arange(min(sides[0] * sides[1], 500), dtype=np.uint64)
        keys = make_keys(3, 1, 10)
        coded, found = numbers.copy(), np.array([wide, narrow])
        encipher(coded, keys, found, wide * narrow)
        assert len(np.unique(coded)) == len(numbers)
        assert coded.max() < wide * narrow
        decipher(coded, keys, found, wide * narrow)
        assert np.array_equal(coded, numbers)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_the_orders_of_few_rows_are_equally_frequent(count: int) -> None:
    seen = Counter(tuple(order(seed, seed % 3, count)) for seed in range(3000))
    orders = list(permutations(range(count)))
    expected = 3000 / len(orders)
    assert set(seen) == set(orders)
    assert is_even(sum((seen[one] - expected) ** 2 / expected for one in orders), len(orders) - 1)


@pytest.mark.parametrize("count", [5, 16, 17, 64])
def test_every_row_is_equally_frequent_at_every_place(count: int) -> None:
    trials = 1000
    seen = np.zeros((count, count))
    for seed in range(trials):
        seen[np.arange(count), order(seed, 0, count)] += 1
    expected = trials / count
    assert is_even(float(((seen - expected) ** 2 / expected).sum()), (count - 1) ** 2)


@pytest.mark.parametrize("count", [5, 16, 31])
def test_every_pair_of_rows_is_equally_frequent_at_neighbouring_places(count: int) -> None:
    trials = 1000
    seen = np.zeros((count, count))
    for seed in range(trials):
        rows = order(seed, 0, count)
        np.add.at(seen, (rows[:-1], rows[1:]), 1)
    expected = trials * (count - 1) / (count * (count - 1))
    pairs = seen[~np.eye(count, dtype=bool)]
    # each order has count - 1 pairs that are not independent, which narrows the statistic a little
    assert is_even(float(((pairs - expected) ** 2 / expected).sum()), count * (count - 1) - 1)


@pytest.mark.parametrize("count", [4096, 100_000, 2**17 + 1])
def test_rows_at_neighbouring_places_have_nothing_to_do_with_each_other(count: int) -> None:
    for seed in range(3):
        rows = order(seed, 0, count).astype(float)
        for lag in (1, 2, 3, 64):
            assert abs(np.corrcoef(rows[:-lag], rows[lag:])[0, 1]) < 5 / np.sqrt(count)
        assert abs(np.corrcoef(rows, np.arange(count))[0, 1]) < 5 / np.sqrt(count)
        rising = (np.diff(rows) > 0).sum()  # of a random order: (count - 1) / 2, variance (count + 1) / 12
        assert abs(rising - (count - 1) / 2) < 5 * np.sqrt((count + 1) / 12)


def test_a_random_order_has_as_many_cycles_and_fixed_points_as_expected() -> None:
    """About ln(count) cycles and one fixed point: what a too simple mixing gets wrong."""
    count, trials = 256, 400
    fixed, cycles = 0, 0
    for seed in range(trials):
        rows = order(seed, 0, count)
        fixed += int((rows == np.arange(count)).sum())
        cycles += count_cycles(rows.tolist())
    assert abs(fixed / trials - 1) < 5 / np.sqrt(trials)
    expected = (1 / np.arange(1, count + 1)).sum()
    assert abs(cycles / trials - expected) < 5 * np.sqrt(expected / trials)


def count_cycles(rows: list[int]) -> int:
    seen, cycles = set[int](), 0
    for start in range(len(rows)):
        if start not in seen:
            cycles += 1
        while start not in seen:
            seen.add(start)
            start = rows[start]
    return cycles


@given(st.integers(1, 2**62), st.integers(0, 2**63 - 1), st.integers(0, 99), st.data())
def test_the_order_is_that_of_the_slow_way(count: int, seed: int, epoch: int, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, count - 1))
    keys = make_keys(seed, epoch, count).tolist()
    found = permute(seed, epoch, count, np.array([position]))
    assert found.tolist() == [permute_slowly(keys, count, position)]
