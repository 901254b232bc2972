"""Which rows a step takes, held to a slow twin that goes step after step with a running sum."""

import re
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.recipe import RecipeError
from dspipe.train.loading.order import permute
from dspipe.train.schedule.phases import (
    Phase,
    count_before,
    count_met,
    count_slots,
    count_steps,
    find_phase,
    find_step,
    list_rows,
    plan_phases,
)
from tests.reference.steps import walk_steps
from tests.train.schedule.tables import LENGTHS, Entries, lengths, sizes

RAMP = [[0, 3072, "linear"], [469_000_000_000, 15360]]  # DeepSeek-V3's


@settings(deadline=None, max_examples=100)
@given(sizes, lengths)
def test_phases_are_what_step_after_step_gives(sizes: Entries, lengths: Entries) -> None:
    phases = plan_phases(sizes, lengths, LENGTHS)
    for step, walked in enumerate(islice(walk_steps(sizes, lengths), 400), 1):
        phase = find_phase(phases, step)
        assert (phase.batch_size, phase.length, count_before(phase, step)) == walked[:3]
        assert count_slots(phases, step) == walked.slots


@settings(deadline=None, max_examples=40)
@given(sizes, lengths)
def test_every_phase_differs_from_the_one_before(sizes: Entries, lengths: Entries) -> None:
    phases = plan_phases(sizes, lengths, LENGTHS)
    for before, phase in pairwise(phases):
        assert before.first_step < phase.first_step and before[1:3] != phase[1:3]


@settings(deadline=None, max_examples=60)
@given(sizes, lengths, st.integers(1, 20_000))
def test_steps_are_counted_as_step_after_step_takes_them(
    sizes: Entries, lengths: Entries, slots: int
) -> None:
    phases, walked = plan_phases(sizes, lengths, LENGTHS), walk_steps(sizes, lengths)
    steps = next(step for step, taken in enumerate(walked) if taken.slots >= slots)
    assert count_steps(phases, slots) == steps
    assert find_step(phases, slots) == steps + 1 and find_step(phases, 0) == 1


@settings(deadline=None, max_examples=40)
@given(sizes, lengths, st.integers(0, 50))
def test_rows_met_are_those_of_the_steps(sizes: Entries, lengths: Entries, steps: int) -> None:
    met = dict.fromkeys((length for _, length in lengths), 0)
    for walked in islice(walk_steps(sizes, lengths), steps):
        met[walked.length] += walked.size
    found = count_met(plan_phases(sizes, lengths, LENGTHS), steps)
    assert {length: rows for length, rows in found.items() if rows} == {
        length: rows for length, rows in met.items() if rows
    }


@settings(deadline=None, max_examples=40)
@given(sizes, lengths, st.integers(1, 30))
def test_every_row_of_a_length_comes_once_in_each_of_its_epochs(
    sizes: Entries, lengths: Entries, count: int
) -> None:
    phases, counts = plan_phases(sizes, lengths, LENGTHS), {16: count, 32: count + 3, 64: 2 * count}
    taken: dict[int, list[int]] = {length: [] for length in LENGTHS}
    for step in range(1, 40):
        length, rows = list_rows(phases, step, 5, counts)
        taken[length] += rows.tolist()
    for length, rows in taken.items():
        for start in range(0, len(rows) - counts[length] + 1, counts[length]):
            assert sorted(rows[start : start + counts[length]]) == list(range(counts[length]))


def test_one_value_is_one_phase() -> None:
    assert plan_phases(8, None, [256, 1024]) == [Phase(1, 8, 256, 0, 0)]
    assert plan_phases(8, 1024, [256, 1024]) == [Phase(1, 8, 1024, 0, 0)]


def test_an_entry_takes_effect_with_the_first_step_that_begins_at_its_tokens_or_after() -> None:
    """A step of 2 rows of 16 is 32 tokens: 64 are reached before step 3, 65 before step 4."""
    first = Phase(1, 2, 16, 0, 0)
    assert plan_phases([[0, 2], [64, 4]], 16, [16]) == [first, Phase(3, 4, 16, 4, 64)]
    assert plan_phases([[0, 2], [65, 4]], 16, [16]) == [first, Phase(4, 4, 16, 6, 96)]
    assert plan_phases([[0, 2], [1, 4]], 16, [16]) == [first, Phase(2, 4, 16, 2, 32)]


def test_an_entry_that_another_overtakes_within_a_step_is_passed_over() -> None:
    phases = plan_phases([[0, 2], [10, 3], [20, 4]], 16, [16])
    assert phases == [Phase(1, 2, 16, 0, 0), Phase(2, 4, 16, 2, 32)]


def test_entries_that_change_nothing_begin_no_phase() -> None:
    assert plan_phases([[0, 2], [64, 2]], [[0, 16], [100, 16]], [16]) == [Phase(1, 2, 16, 0, 0)]


def test_a_length_goes_on_where_it_was_left() -> None:
    phases = plan_phases(2, [[0, 16], [64, 32], [128, 16]], [16, 32])
    assert phases == [Phase(1, 2, 16, 0, 0), Phase(3, 2, 32, 0, 64), Phase(4, 2, 16, 4, 128)]


def test_a_batch_that_grows_has_a_phase_for_each_size() -> None:
    """From 2 to 4 rows over 128 tokens: 3 from 64 on, which come with step 3."""
    phases = plan_phases([[0, 2, "linear"], [128, 4]], 16, [16])
    assert phases == [Phase(1, 2, 16, 0, 0), Phase(3, 3, 16, 4, 64), Phase(5, 4, 16, 10, 160)]
    phases = plan_phases([[0, 4, "linear"], [128, 2]], 16, [16])
    assert phases == [Phase(1, 4, 16, 0, 0), Phase(2, 3, 16, 4, 64), Phase(3, 2, 16, 7, 112)]


def test_the_rows_of_deepseek_v3s_schedule_are_found_at_once() -> None:
    """Batches of 3,072 to 15,360 rows of 4K, then 32K: no step is walked through to find one."""
    phases = plan_phases(RAMP, [[0, 4096], [14_800_000_000_000, 32768]], [4096, 32768])
    counts = {4096: 3_613_281_250, 32768: 10**6}
    assert len(phases) <= 12_290
    for step in (1, 100, 10**5, phases[-1].first_step):
        length, rows = list_rows(phases, step, 1, counts)
        assert len(np.unique(rows)) == find_phase(phases, step).batch_size
        assert rows.max() < counts[length]


def test_deepseek_v3s_ramp_is_what_step_after_step_gives() -> None:
    phases, slots, first = plan_phases(RAMP, 4096, [4096]), 0, 0
    for step in range(1, 15_100):
        size = min(15360, 3072 + 12288 * slots // 469_000_000_000)
        phase = find_phase(phases, step)
        assert (phase.batch_size, count_before(phase, step), count_slots(phases, step)) == (
            size,
            first,
            slots,
        )
        slots, first = slots + size * 4096, first + size


def test_a_batch_may_reach_through_several_epochs() -> None:
    phases = plan_phases(8, None, [16])
    _, rows = list_rows(phases, 1, 1, {16: 3})
    expected = np.concatenate([permute(1, epoch, 3, np.arange(3)) for epoch in range(3)])
    assert rows.tolist() == expected[:8].tolist()
    assert list_rows(phases, 2, 1, {16: 3})[1][0] == expected[8]


def test_a_length_that_was_not_packed_is_refused() -> None:
    for asked in (64, [[0, 16], [1000, 64]]):
        with pytest.raises(RecipeError, match=re.escape("train.sequence_length: rows of 64 were not packed")):
            plan_phases(8, asked, [16, 32])
