"""Cuts are taken out of texts, and nothing else changes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.strings.cuts import CUT, LINE, SUBSTRING, cut_texts
from dspipe.dedup.strings.removal import Cuts, weave_cuts
from tests.dedup.strings.parts import text_column
from tests.reference import strings as twin

Spans = list[tuple[int, int]]


def make_cuts(cuts: list[tuple[int, int, int, int, int]]) -> Cuts:
    return np.array(cuts, CUT)


def list_texts(texts: pa.Array) -> list[bytes | None]:
    left: list[bytes | None] = texts.view(pa.large_binary()).to_pylist()
    return left


def test_cuts_are_taken_out_of_the_rows_they_are_of() -> None:
    cuts = make_cuts([(4, 0, 2, 0, LINE), (5, 1, 2, 0, LINE), (5, 3, 4, 0, LINE), (7, 0, 1, 0, LINE)])
    texts = text_column([b"abcd", b"abcd", b"abcd", None, b"ab"])
    assert list_texts(cut_texts(texts, cuts, first=3)) == [b"abcd", b"cd", b"ac", None, b"b"]
    assert list_texts(cut_texts(texts.slice(2), cuts, first=5)) == [b"ac", None, b"b"]
    assert list_texts(cut_texts(texts, cuts[:0])) == list_texts(texts)


def test_texts_become_large_strings_and_whole_documents_can_go() -> None:
    cut = cut_texts(pa.array(["abc", "d"]), make_cuts([(0, 0, 3, 0, LINE)]))
    assert cut.type == pa.large_string() and cut.to_pylist() == ["", "d"]
    cut.validate(full=True)
    assert cut_texts(pa.array(["abc"]), make_cuts([])).type == pa.large_string()


def make_spans(size: int) -> st.SearchStrategy[Spans]:
    """Spans that may touch but not overlap, of places below a size."""
    edges = st.lists(st.integers(0, size), max_size=10, unique=True).map(sorted)
    return edges.map(lambda found: [pair for pair in pairwise(found) if sum(pair) % 3])


@given(
    rows=st.lists(
        st.binary(max_size=20).flatmap(
            lambda text: st.tuples(st.just(text), make_spans(len(text)), make_spans(20))
        ),
        max_size=5,
    )
)
@settings(deadline=None)
def test_cuts_of_what_lines_leave_are_woven_into_them(rows: list[tuple[bytes, Spans, Spans]]) -> None:
    lines, cuts, expected, left = [], [], [], []
    for row, (text, gone, found) in enumerate(rows):
        own = [(start, end, 7) for start, end in gone]
        rest = twin.remove(text, own)
        inside = [(start, end, 9) for start, end in found if end <= len(rest)]
        lines += [(row, *cut, LINE) for cut in own]
        cuts += [(row, *cut, SUBSTRING) for cut in inside]
        placed = [(row, *cut, SUBSTRING) for cut in twin.place_cuts(len(text), own, inside)]
        expected += sorted([(row, *cut, LINE) for cut in own] + placed)
        left.append(twin.remove(rest, inside))
    woven = weave_cuts(make_cuts(lines), make_cuts(cuts))
    assert woven.tolist() == expected
    assert list_texts(cut_texts(text_column([text for text, *_ in rows]), woven)) == left
