"""The checksum of a row is that of the slow way, and sees every change."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dspipe.sequences import checksum_keys, checksum_rows
from tests.reference.packing import checksum_slowly

TOKEN = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31, 2**32 - 1]))


def checksum(tokens: list[int], lengths: list[int]) -> int:
    sums = np.zeros(1, np.uint64)
    offsets = np.array([0, len(lengths)], np.int32)
    row = np.array([tokens], np.uint32)
    checksum_rows(row, offsets, np.array(lengths, np.int32), checksum_keys(len(tokens)), sums)
    return int(sums[0])


@given(st.lists(TOKEN, min_size=1, max_size=40), st.lists(st.integers(0, 2**31 - 1), max_size=5))
def test_checksums_are_those_of_the_slow_way(tokens: list[int], lengths: list[int]) -> None:
    assert checksum(tokens, lengths) == checksum_slowly(tokens, lengths)


@given(st.lists(TOKEN, min_size=1, max_size=40), st.data())
def test_a_changed_bit_changes_the_checksum(tokens: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(tokens) - 1))
    changed = list(tokens)
    changed[place] ^= 1 << data.draw(st.integers(0, 31))
    assert checksum(changed, [3]) != checksum(tokens, [3])
    assert checksum(tokens, [2]) != checksum(tokens, [3]) != checksum(tokens, [3, 0])


def test_many_rows_have_each_their_own_sum() -> None:
    tokens = np.random.default_rng(1).integers(0, 2**32, (50, 33), np.uint32)
    offsets = np.arange(51, dtype=np.int32) * 2
    lengths = np.arange(100, dtype=np.int32)
    sums = np.zeros(50, np.uint64)
    checksum_rows(tokens, offsets, lengths, checksum_keys(33), sums)
    expected = [checksum_slowly(row.tolist(), [2 * n, 2 * n + 1]) for n, row in enumerate(tokens)]
    assert sums.tolist() == expected and len(set(expected)) == 50
