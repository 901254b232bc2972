"""Bounds found by halving give the draws that sorting all of them gives."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.mix.bounds import find_bounds
from dspipe.mix.cells import Group, cell_of
from dspipe.mix.draws import AMOUNT, DOCUMENT, DRAWN, DRAWS, SIZE, SUMS, count_all, make_bounds, sum_draws
from dspipe.mix.survey import Survey
from dspipe.recipe import Epochs, Mix
from tests.mix.cells import write_survey
from tests.reference.draws import Document, draw_cell, list_draws

GROUPS: list[Group] = [("web", "en", "a"), ("web", "en", "b"), ("web", "no", "a"), ("code", "", "b")]
CAPS = {"a": 2.5, "b": 0.75}

# many hashes that differ in their last bits alone: keys are then equal, and hashes decide
hashes = st.one_of(
    st.integers(0, 2**64 - 1), st.integers(0, 40).map(lambda number: number % 4 << 62 | number)
)
weights = st.sampled_from([1.0, 1.0, 0.5, 3.0, 2.0**-100, 2.0**100, float(np.float32(1.2345678))])
documents = st.lists(
    st.tuples(st.sampled_from(GROUPS), hashes, st.integers(0, 40), weights), min_size=1, max_size=30,
    unique_by=lambda document: document[1],
)  # fmt: skip


def count_by_document(survey: Survey, budgets: dict[tuple[str, str], int], few: int) -> list[int]:
    """How often each document is drawn, in the order of the parts."""
    bounds = find_bounds(survey, np.array([budgets[cell] for cell in survey.cells]), few)
    return [count for rows, _, (own,) in survey.read_parts(bounds) for count in count_all(rows, own).tolist()]


@settings(max_examples=150, deadline=None)
@given(documents, st.integers(0, 200), st.integers(0, 200), st.integers(1, 3))
def test_draws_are_those_of_sorting_all(
    drawn: list[tuple[Group, int, int, float]], most: int, more: int, parts: int
) -> None:
    asked = Mix(bytes=1, max_epochs=Epochs(sources=CAPS))
    known = [(group, Document(h, amount, weight, CAPS[group[2]])) for group, h, amount, weight in drawn]
    order = [document for part in range(parts) for document in known[part::parts]]
    expected: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as name:
        survey = write_survey(Path(name), asked, known, parts)
        budgets = {cell: most for cell in survey.cells} | {("web", "no"): -1}
        found = {few: count_by_document(survey, budgets, few) for few in (0, 3, 10**6)}
        larger = count_by_document(survey, {cell: most + more for cell in survey.cells}, 2)
    for cell in survey.cells:
        members = [number for number, (group, _) in enumerate(order) if cell_of(group) == cell]
        counts = draw_cell([order[number][1] for number in members], budgets[cell])
        expected |= dict(zip(members, counts, strict=True))
    assert all(counts == [expected[number] for number in range(len(order))] for counts in found.values())
    assert all(after >= before for before, after in zip(found[3], larger, strict=True))


@given(documents, st.one_of(st.just(-1.0), st.floats(0, 4), st.just(np.inf)), st.integers(0, 2**64 - 1))
def test_kernels_count_what_a_loop_counts(
    drawn: list[tuple[Group, int, int, float]], key: float, tie: int
) -> None:
    rows = np.zeros(len(drawn), DOCUMENT)
    for row, (group, h, amount, weight) in zip(rows, drawn, strict=True):
        row["hash"], row["amount"], row["size"], row["weight"] = h, amount, 3 * amount, weight
        row["group"] = GROUPS.index(group)
    bounds = make_bounds([CAPS[group[2]] for group in GROUPS], keys=key)
    bounds["hash"] = tie
    expected = []
    for group, h, amount, weight in drawn:
        draws = list_draws(Document(h, amount, weight, CAPS[group[2]]))
        expected.append(sum(draw <= (key, tie) for draw in draws))
    counts, sums = count_all(rows, bounds), np.zeros((len(GROUPS), SUMS))
    sum_draws(rows, bounds, sums)
    assert counts.tolist() == expected
    assert sums[:, DRAWS].sum() == sum(expected) and sums[:, DRAWN].sum() == sum(n > 0 for n in expected)
    for number in range(len(GROUPS)):
        amount = sum(
            int(n * row["amount"]) for n, row in zip(expected, rows, strict=True) if row["group"] == number
        )
        assert sums[number, AMOUNT] == amount and sums[number, SIZE] == 3 * amount


def test_documents_without_a_weight_have_that_of_their_group() -> None:
    rows = np.zeros(1, DOCUMENT)
    rows["weight"] = np.nan
    assert count_all(rows, make_bounds([100.0], 4.0, 10.0)).tolist() == [41]
    assert count_all(rows, make_bounds([7.5], 4.0, 10.0)).tolist() == [8]


def test_a_million_epochs_are_counted_at_once() -> None:
    rows = np.zeros(1, DOCUMENT)
    rows["hash"], rows["weight"] = 1 << 63, 1.0
    assert count_all(rows, make_bounds([1e6], keys=np.inf)).tolist() == [1_000_000]
    assert count_all(rows, make_bounds([2.0**31 - 1], keys=1e9 + 0.5)).tolist() == [1_000_000_001]
