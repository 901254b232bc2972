"""Two texts, word by word: every word is somewhere, and no text makes it slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.commands.copies import difference
from dspipe.commands.copies.difference import Difference, Segment, compare

LONG = " ".join(f"word{number}" for number in range(5000))

texts = st.lists(
    st.sampled_from(["a", "b", "c", "dd", ".", "水", "\n", "e\u0301", "x" * 90]), max_size=90
).map(" ".join)


def read_words(text: str) -> str:
    return re.sub(r"\s+", "", text)


def join_side(found: Difference, side: str) -> str:
    return "".join(getattr(segment, side) for hunk in found.hunks for segment in hunk.segments)


def changed(found: Difference) -> list[tuple[str, str]]:
    segments = [segment for hunk in found.hunks for segment in hunk.segments if not segment.same]
    return [(segment.kept.strip(), segment.removed.strip()) for segment in segments]


@given(texts, texts)
def test_both_texts_can_be_put_together_again(kept: str, removed: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "CONTEXT", 10**6)
        patch.setattr(difference, "MARGIN", 10**6)  # of long texts the ends alike would be left out
        found = compare(kept, removed, 10**6)
    assert (found.more, found.left) == (0, (0, 0))
    if not found.hunks:
        assert read_words(kept) == read_words(removed)
        return
    assert found.hunks[0].skipped == 0 and len(found.hunks) == 1
    assert read_words(join_side(found, "kept")) == read_words(kept)
    assert read_words(join_side(found, "removed")) == read_words(removed)
    for segment in found.hunks[0].segments:
        assert segment.same == (read_words(segment.kept) == read_words(segment.removed))


@given(texts, texts, st.integers(1, 5))
def test_what_is_shown_and_what_is_skipped_are_the_whole_text(kept: str, removed: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "CONTEXT", 4)
        patch.setattr(difference, "LEAST_SKIPPED", 2)
        patch.setattr(difference, "MARGIN", 5)
        found = compare(kept, removed, most)
    shown = sum(hunk.skipped for hunk in found.hunks) + len(join_side(found, "kept")) + found.skipped
    assert found.more or shown in (len(kept), len(kept.lstrip()))
    assert shown <= len(kept)
    assert len(changed(found)) <= most


def test_a_changed_word_is_shown_with_what_surrounds_it() -> None:
    other = (
        LONG.replace("word2500 ", "other words ").replace("word4000 ", "").replace("word4005", "new word4005")
    )
    found = compare(LONG, other, 10)
    assert changed(found) == [("word2500", "other words"), ("word4000", ""), ("", "new")]
    first, second = found.hunks
    assert [segment.same for segment in second.segments] == [True, False, True, False, True]
    lead = first.segments[0].kept
    assert lead.endswith("word2498 word2499 ") and len(lead) <= 60
    assert first.skipped == LONG.index(lead) and second.skipped > 10_000 and found.skipped > 8_000


def test_texts_of_the_same_words_have_no_difference() -> None:
    assert compare("a b\n\nc", " a  b c ", 5).hunks == []
    assert compare("", "", 5) == Difference([], 0, 0, (0, 0))
    assert compare("", "a", 5).hunks[0].segments == [Segment(False, "", "a")]


def test_words_alike_by_chance_between_long_changes_are_shown_with_them() -> None:
    kept = "Begin. The quick brown fox of the lazy and sleepy dog. End."
    removed = "Begin. Eleven grey horses of a very distant farm. End."
    assert changed(compare(kept, removed, 5)) == [
        ("The quick brown fox of the lazy and sleepy dog", "Eleven grey horses of a very distant farm")
    ]
    assert changed(compare("one two three", "uno two tre", 5)) == [("one", "uno"), ("three", "tre")]


def test_characters_of_scripts_without_spaces_are_compared_one_by_one() -> None:
    assert changed(compare("水壶在炉子上慢慢地唱着歌", "水壶在桌子上慢慢地唱着歌", 5)) == [("炉", "桌")]


def test_a_moved_paragraph_goes_and_comes() -> None:
    words = LONG.split()
    moved = " ".join(words[:100] + words[130:200] + words[100:130] + words[200:])
    assert changed(compare(LONG, moved, 5)) == [
        (" ".join(words[100:130]), ""),
        ("", " ".join(words[100:130])),
    ]


def test_more_differences_than_asked_for_are_counted() -> None:
    other = re.sub("word([0-9]+)00 ", "w ", LONG)
    found = compare(LONG, other, 5)
    assert len(changed(found)) == 5 and found.more == 49 - 5


def test_of_long_texts_only_the_first_part_with_differences_is_compared() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "MOST_CHARACTERS", 5000)
        late = "first " + LONG.replace("word4900", "late")
        found = compare(LONG, late, 5)
        assert changed(found) == [("", "first")] and min(found.left) > 35_000
        found = compare("a " + LONG, "b " + LONG[::-1], 5)
        ((kept, _),) = changed(found)
        assert kept.startswith("a word0 word1") and len(kept) < 1000 and min(found.left) > 35_000


@pytest.mark.parametrize(
    ("kept", "removed"),
    [
        ("a " * 300_000, "a " * 200_000 + "b " * 100_000),
        ("a b " * 150_000, "b a a " * 150_000),
        ("x" * 500_000, "x" * 250_000 + "y" + "x" * 250_000),
        ("水" * 300_000, "水火" * 150_000),
        (" " * 500_000, "\n" * 499_999 + "a"),
        (LONG * 10, LONG[::-1] * 10),
    ],
)
def test_no_text_makes_it_slow(kept: str, removed: str) -> None:
    found = compare(kept, removed, 5)
    assert len(changed(found)) <= 5
