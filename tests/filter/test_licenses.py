"""The longest pattern that fits a licence decides whether its documents stay."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.filter.lists.licenses import find_unlicensed
from dspipe.filter.outside import describe_files
from dspipe.recipe import Filter, Licenses, RecipeError
from tests.reference.licenses import goes


def find(values: list[str | None], allow: list[str], deny: list[str]) -> list[bool]:
    return find_unlicensed(pa.array(values, pa.string()), Licenses(allow=allow, deny=deny)).tolist()


def test_the_longest_pattern_that_fits_decides() -> None:
    values = ["CC-BY-4.0", "cc-by-nc-4.0", "CC-BY-NC-ND", "MIT"]
    assert find(values, ["cc-by*"], ["*-nc*"]) == [False, False, False, False]
    assert find(values, ["cc-by*"], ["cc-by-nc*"]) == [False, True, True, False]
    assert find(values, ["CC-BY-NC-??"], ["cc-*"]) == [True, True, False, False]


def test_allow_wins_a_tie() -> None:
    assert find(["mit"], ["m*"], ["*t"]) == [False]
    assert find(["mit"], ["MIT"], ["mit"]) == [False]


def test_a_licence_that_no_pattern_fits_stays_unless_only_some_are_allowed() -> None:
    assert find(["mit", "gpl-3"], ["mit"], []) == [False, True]
    assert find(["mit", "gpl-3"], [], ["gpl*"]) == [False, True]
    assert find(["mit", "bsd"], ["mit"], ["gpl*"]) == [False, False]
    assert find(["mit", None], [], []) == [False, False]


def test_no_licence_is_the_unknown_one() -> None:
    assert find([None, "mit", ""], [], ["unknown"]) == [True, False, False]
    assert find([None, "mit"], ["*"], ["unkn*"]) == [True, False]
    assert find([None, "mit"], ["mit"], []) == [True, False]


def test_a_pattern_fits_the_whole_text_and_brackets_stand_for_themselves() -> None:
    assert find(["the mit licence", "mit", "m\nt", "m\u00eft"], [], ["m?t"]) == [False, True, True, True]
    assert find(["mit [x]", "mit x"], [], ["mit [x]"]) == [True, False]
    assert find(["a.b", "axb", r"a\b"], [], ["a.b"]) == [True, False, False]


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*b", "*" * 50 + "b", "*?*?*?*?b"])
def test_hostile_licences_take_time_in_proportion(pattern: str) -> None:
    assert find(["a" * 10**6, "a" * 10**6 + "b"], [], [pattern]) == [False, True]


def test_a_pattern_that_is_too_long_is_refused() -> None:
    describe_files(Filter(licenses=Licenses(allow=["?" * 1000])))
    assert find(["a" * 1000, "a"], ["?" * 1000], []) == [False, True]
    with pytest.raises(RecipeError, match=r"filter.licenses.deny: a+… has more than 1000 bytes"):
        describe_files(Filter(licenses=Licenses(deny=["a" * 1001])))


def test_bytes_that_are_no_utf_8_are_passed_over() -> None:
    column: Any = pa.StringArray.from_buffers(
        1, pa.array([0, 6], pa.int32()).buffers()[1], pa.py_buffer(b"cc\xff-by")
    )
    assert find_unlicensed(column, Licenses(deny=["cc*by"])).tolist() == [True]
    assert find_unlicensed(column, Licenses(deny=["cc*nc"])).tolist() == [False]


def test_an_empty_column_and_a_slice_are_judged() -> None:
    assert find([], ["a"], []) == []
    column: Any = pa.array(["mit", "gpl", None, "mit"]).slice(1)
    assert find_unlicensed(column, Licenses(allow=["mit"])).tolist() == [True, True, False]


PATTERNS = st.lists(st.text("ab*?[.", max_size=5), max_size=3)


@given(st.lists(st.none() | st.text("abAB[.\né", max_size=7), max_size=8), PATTERNS, PATTERNS)
def test_masks_equal_their_slow_twin(values: list[str | None], allow: list[str], deny: list[str]) -> None:
    assert find(values, allow, deny) == [goes(value, allow, deny) for value in values]
