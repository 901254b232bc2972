"""Patterns without a kernel are cut by the library, through the same door."""

from __future__ import annotations

import numpy as np
import pytest

from dspipe.bpe.pieces.splitter import Splitter
from dspipe.text.arrow import read_only
from tests.bpe.pieces.texts import LIBRARY, cut, cut_by_library, draw_texts, find_ends, frozen, splitter


@pytest.mark.parametrize("pattern", LIBRARY)
def test_texts_are_cut_where_the_library_cuts_them(pattern: str) -> None:
    assert not splitter(pattern).in_kernel
    for text in draw_texts(seed=2, count=200):
        assert cut(pattern, text) == cut_by_library(pattern, text)


@pytest.mark.parametrize("room", [1, 2, 1000])
def test_the_room_for_ends_does_not_change_them(room: int) -> None:
    drawn = ["", *draw_texts(seed=3, count=60), "", "ab " * 500]
    assert find_ends(splitter("o200k"), drawn, room) == find_ends(splitter("o200k"), drawn)


def test_a_byte_that_begins_no_character_is_one_of_class_other() -> None:
    own = Splitter([r"\p{L}+"])
    assert find_ends(own, [b"ab\xffcd\xc3", b"\x80\x80a", b"\xed\xa0\x80x"]) == [[2, 3, 5, 6], [2, 3], [3, 4]]


def test_other_texts_at_the_same_place_are_cut_anew() -> None:
    own, offsets = Splitter([r"\p{L}+"]), read_only(np.array([0, 4]))
    for text, expected in ((b"ab c", [2, 3, 4]), (b"abcd", [4])):
        ends = np.empty(9, np.int64)
        assert own.split(frozen(text), offsets, np.array([0, 0]), ends) == len(expected)
        assert ends[: len(expected)].tolist() == expected
