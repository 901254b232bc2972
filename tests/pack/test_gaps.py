"""Exchanges of chunks are those of the slow way, lose nothing, and leave fewer rows with less room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.pack.fitting import fit
from dspipe.pack.gaps import exchange, fit_closely
from tests.reference.packing import exchange_slowly

LENGTHS = st.lists(st.integers(1, 40), max_size=120)


@given(st.lists(st.lists(st.integers(1, 13), min_size=1, max_size=3), min_size=1, max_size=30), st.data())
def test_exchanges_are_those_of_the_slow_way(rows: list[list[int]], data: st.DataObject) -> None:
    full = [number for number, row in enumerate(rows) if sum(row) == 39]
    spare = data.draw(st.lists(st.sampled_from(full), unique=True)) if full else []
    lengths = np.array([length for row in rows for length in row], np.int32)
    row = np.repeat(np.arange(len(rows)), [len(row) for row in rows]).astype(np.int32)
    room = 39 - np.array([sum(row) for row in rows])
    moved, stuck = exchange(lengths, row, room, np.sort(np.array(spare, np.int64)))
    others = [number for number in range(len(rows)) if number not in spare]
    turns = sorted(others, key=lambda number: sum(rows[number]) == 39) + sorted(spare)
    slow = [list(rows[number]) for number in turns]
    left = exchange_slowly(slow, 39, len(others))
    assert [sorted(lengths[moved == number]) for number in turns] == [sorted(row) for row in slow]
    assert sorted(stuck) == sorted(n for n, r in zip(turns[: len(others)], left, strict=False) if r)


@given(LENGTHS, st.sampled_from([None, 1, 2, 3, 7]))
def test_rows_hold_all_chunks_and_are_no_more_than_best_fit_makes(
    lengths: list[int], most: int | None
) -> None:
    chunks = np.array(lengths, np.int32)
    row, rows = fit_closely(chunks, 40, most)
    filled, held = np.bincount(row, chunks, rows), np.bincount(row, minlength=rows)
    assert len(filled) == rows <= fit(chunks, 40, most)[1]
    assert (filled <= 40).all() and (held >= 1).all() and held.max(initial=0) <= (most or 120)


@pytest.mark.parametrize("row_length", [2048, 4096])
def test_most_of_the_room_is_closed_where_there_are_no_short_documents(row_length: int) -> None:
    random = np.random.default_rng(1)
    chunks = random.choice((90 + random.lognormal(5.5, 1.2, 4000)).astype(int), 60_000) % row_length + 1
    chunks = chunks[chunks > 90].astype(np.int32)
    padding = [
        rows * row_length - chunks.sum()
        for _, rows in (fit(chunks, row_length), fit_closely(chunks, row_length))
    ]
    assert padding[1] < padding[0] / 2
