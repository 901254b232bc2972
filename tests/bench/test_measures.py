"""Precision, recall and F, counted by hand."""

from __future__ import annotations

import pytest

from dspipe.bench.measures import (
    Overlap,
    Score,
    average,
    compare,
    count_lines,
    count_shingles,
    count_words,
    find_segments,
    pool,
    score_shingles,
    score_words,
)


def test_words_count_as_often_as_they_occur_and_in_any_order() -> None:
    assert count_words("Tea, tea & 2 cups_of «чай»!") == {"tea": 2, "2": 1, "cups_of": 1, "чай": 1}
    score = score_words(extracted="a B c d", gold="b a a")  # shared a b, extra c d, missing the second a
    assert score == Score(pytest.approx(2 / 4), pytest.approx(2 / 3), pytest.approx(4 / 7))


@pytest.mark.parametrize(
    ("extracted", "gold", "score"),
    [
        ("", "", Score(1, 1, 1)),
        ("x", "", Score(0, 0, 0)),
        ("", "x", Score(0, 0, 0)),
        ("x", "X", Score(1, 1, 1)),
    ],
)
def test_nothing_is_right_only_where_nothing_is_wanted(extracted: str, gold: str, score: Score) -> None:
    assert score_words(extracted, gold) == score


def test_macro_counts_pages_and_micro_counts_words() -> None:
    overlaps = [Overlap(shared=1, extra=1, missing=0), Overlap(shared=8, extra=0, missing=0)]
    macro, micro = average([overlap.score for overlap in overlaps]), pool(overlaps)
    assert macro == Score(pytest.approx(0.75), pytest.approx(1.0), pytest.approx((2 / 3 + 1) / 2))
    assert micro == Score(pytest.approx(0.9), pytest.approx(1.0), pytest.approx(18 / 19))


def test_shingles_are_four_words_in_a_row() -> None:
    assert count_shingles("a b, c d E") == {"a b c d": 1, "b c d E": 1}
    assert count_shingles("a b") == {"a b": 1} and not count_shingles(" … ")
    assert compare(count_shingles("a b c d e"), count_shingles("z b c d e")) == Overlap(1, 1, 1)


def test_shingles_average_precision_and_recall_over_the_pages_that_have_any() -> None:
    pages = [("a b c d", "a b c d e"), ("", "a b c d"), ("a", "")]
    # precision 1 and 0 (the second page has none extracted); recall 1/2 and 0 (the third has none to find)
    assert score_shingles(pages) == Score(pytest.approx(0.5), pytest.approx(0.25), pytest.approx(1 / 3))


def test_lines_count_with_their_indentation() -> None:
    assert count_lines("if x:\n    y  \n\n  \n    y\n") == {"if x:": 1, "    y": 2}
    assert compare(count_lines("if x:\n  y"), count_lines("if x:\n    y")) == Overlap(1, 1, 1)


def test_segments_are_found_whatever_the_white_space() -> None:
    text = "The kettle\n  sings.\tShare this"
    found = find_segments(text, wanted=["kettle sings.", "boils"], unwanted=["Share  this", "Log in"])
    assert found == Overlap(shared=1, extra=1, missing=1)
    assert found.score == Score(0.5, 0.5, 0.5)
