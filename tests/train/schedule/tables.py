"""Random tables over tokens."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Entries = list[list[Any]]

LENGTHS = [16, 32, 64]


def tables(values: st.SearchStrategy[Any], *shapes: str) -> st.SearchStrategy[Entries]:
    """Ascending lists of [tokens, value] or [tokens, value, shape] that begin with 0; the last has none."""
    starts = st.lists(st.integers(1, 6000), unique=True, max_size=4).map(lambda found: [0, *sorted(found)])
    moves = st.sampled_from([None, *shapes])

    def fill(found: list[int]) -> st.SearchStrategy[Entries]:
        entries = [st.tuples(st.just(start), values, moves).map(trim) for start in found[:-1]]
        return st.tuples(*entries, st.tuples(st.just(found[-1]), values).map(list)).map(list)

    return starts.flatmap(fill)


def trim(entry: tuple[Any, ...]) -> list[Any]:
    return [part for part in entry if part is not None]


sizes = tables(st.integers(1, 40), "linear")
lengths = tables(st.sampled_from(LENGTHS))
weights = tables(st.floats(0, 10), "linear", "cosine")
