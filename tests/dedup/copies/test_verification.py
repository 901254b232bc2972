"""Pairs are compared exactly, to the last shingle, and only as far as it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.copies import verification
from dspipe.dedup.copies.candidates import SAME_BAND, SAME_TEXT
from dspipe.dedup.copies.verification import LINK, compare_pairs, divide_pairs

SETS = st.sets(st.integers(0, 30), max_size=25)


def compare(
    own: set[int], theirs: set[int], similarity: float, containment: bool, relation: int
) -> list[tuple[Any, ...]]:
    sets = np.array([*sorted(own), *sorted(theirs)], np.uint64)
    links = np.empty(1, LINK)
    one = np.ones(1, np.int64)
    used, compared = compare_pairs(
        9 * one, 3 * one, relation * one, one == 1, 0 * one, len(own) * one, len(own) * one,
        len(theirs) * one, sets, similarity, containment, links,
    )  # fmt: skip
    assert compared == 1
    return links[:used].tolist()


@settings(max_examples=400, deadline=None)
@given(
    SETS, SETS, st.sampled_from([0.01, 0.3, 0.5, 0.75, 0.8, 1.0]), st.booleans(), st.sampled_from([0, 1, 2])
)
def test_a_pair_is_linked_exactly_where_it_is_similar_enough(
    own: set[int], theirs: set[int], similarity: float, containment: bool, relation: int
) -> None:
    both = own | theirs
    without = float(relation == SAME_TEXT)
    jaccard = len(own & theirs) / len(both) if both else without
    contained = len(own & theirs) / len(own) if own else without
    links = compare(own, theirs, similarity, containment, relation)
    if relation < SAME_BAND or (contained if containment else jaccard) >= similarity:
        assert links == [(9, 3, jaccard, contained, relation + 1)]
    else:
        assert links == []


def test_pairs_behind_one_that_is_certain_are_not_compared() -> None:
    sets = np.arange(20, dtype=np.uint64)
    worse, better = np.array([5, 5, 5, 6]), np.array([1, 2, 3, 1])
    certain = np.array([False, True, True, True])
    place, size = np.zeros(4, np.int64), np.full(4, 20)
    links = np.empty(4, LINK)
    relation = np.full(4, SAME_BAND)
    used, compared = compare_pairs(
        worse, better, relation, certain, place, size, place, size, sets, 0.8, False, links
    )
    assert (used, compared) == (3, 3)
    assert [(link["worse"], link["better"]) for link in links[:used]] == [(5, 1), (5, 2), (6, 1)]


def test_pairs_are_divided_between_documents() -> None:
    worse, sizes = np.array([3, 3, 3, 4, 5, 5, 9]), np.array([5, 5, 5, 1, 1, 20, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "SHINGLES_AT_ONCE", 10)
        spans = [(span.start, span.stop) for span in divide_pairs(worse, sizes)]
        assert list(divide_pairs(worse[:1], sizes[:1])) == [slice(0, 1)]
    assert spans == [(0, 3), (3, 6), (6, 7)]
