"""Which rows a step takes, held to a slow twin that goes step after step with a running sum."""

import re
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.recipe import Model, RecipeError, Train
from dspipe.train.loading.order import permute
from dspipe.train.schedule import (
    Phase,
    Weights,
    count_slots,
    find_phase,
    find_weights,
    list_rows,
    plan_phases,
)
from tests.reference.steps import walk_steps, walk_weights

LENGTHS = [16, 32, 64]


def schedules(values: st.SearchStrategy[int]) -> st.SearchStrategy[list[list[int]]]:
    """Ascending lists of [tokens, value] that begin with 0."""
    starts = st.lists(st.integers(1, 6000), unique=True, max_size=4).map(lambda found: [0, *sorted(found)])
    return starts.flatmap(
        lambda found: st.lists(values, min_size=len(found), max_size=len(found)).map(
            lambda chosen: [[start, value] for start, value in zip(found, chosen, strict=True)]
        )
    )


@settings(deadline=None, max_examples=40)
@given(schedules(st.integers(1, 9)), schedules(st.sampled_from(LENGTHS)))
def test_phases_are_what_step_after_step_gives(sizes: list[list[int]], lengths: list[list[int]]) -> None:
    phases = plan_phases(sizes, lengths, LENGTHS)
    for step, (size, length, first) in enumerate(islice(walk_steps(sizes, lengths), 400), 1):
        phase = find_phase(phases, step)
        assert (phase.batch_size, phase.length) == (size, length)
        assert phase.first + (step - phase.first_step) * size == first


@settings(deadline=None, max_examples=40)
@given(schedules(st.integers(1, 9)), schedules(st.sampled_from(LENGTHS)), st.integers(1, 30))
def test_every_row_of_a_length_comes_once_in_each_of_its_epochs(
    sizes: list[list[int]], lengths: list[list[int]], count: int
) -> None:
    phases, counts = plan_phases(sizes, lengths, LENGTHS), {16: count, 32: count + 3, 64: 2 * count}
    taken: dict[int, list[int]] = {length: [] for length in LENGTHS}
    for step in range(1, 40):
        length, rows = list_rows(phases, step, 5, counts)
        taken[length] += rows.tolist()
    for length, rows in taken.items():
        for start in range(0, len(rows) - counts[length] + 1, counts[length]):
            assert sorted(rows[start : start + counts[length]]) == list(range(counts[length]))


@settings(deadline=None, max_examples=40)
@given(
    schedules(st.integers(1, 9)),
    schedules(st.sampled_from(LENGTHS)),
    st.tuples(*[schedules(st.integers(0, 9))] * 3),
)
def test_the_weights_of_a_step_are_what_step_after_step_gives(
    sizes: list[list[int]], lengths: list[list[int]], lists: tuple[list[list[int]], ...]
) -> None:
    phases = plan_phases(sizes, lengths, LENGTHS)
    speeds, weights, balances = ([(start, float(value)) for start, value in each] for each in lists)
    train = Train(bias_speed=speeds, mtp_weight=weights, balance_weight=balances)
    expected = zip(*(walk_weights(sizes, lengths, each) for each in lists), strict=True)
    for step, values in enumerate(islice(expected, 400), 1):
        assert find_weights(train, phases, step) == Weights(*values)


def test_deepseek_v3s_weights_change_where_the_report_says() -> None:
    """γ = 0.001 for 14.3T tokens and 0 after that; λ = 0.3 for 10T and 0.1 after that."""
    train = Train(
        bias_speed=[(0, 0.001), (14_300_000_000_000, 0.0)], mtp_weight=[(0, 0.3), (10_000_000_000_000, 0.1)]
    )
    phases = plan_phases(15360, 4096, [4096])
    slots = 15360 * 4096
    for tokens, speed, weight in (
        (0, 0.001, 0.3), (9.99e12, 0.001, 0.3), (10.01e12, 0.001, 0.1),
        (14.29e12, 0.001, 0.1), (14.31e12, 0, 0.1),
    ):  # fmt: skip
        assert find_weights(train, phases, 1 + int(tokens / slots)) == (speed, weight, 1e-4, 0, 0, 0)
    assert count_slots(phases, 101) == 100 * slots


V2 = {"gate": "softmax", "groups": 8, "chosen_groups": 3, "experts": 160, "mtp_depth": 0}


@pytest.mark.parametrize(
    ("train", "weights"),
    [
        (Train(), Weights(0.001, 0.3, sequence=1e-4)),
        (Train(balance_weight=0.0), Weights(0.001, 0.3)),
        (Train(balance="auxiliary"), Weights(0.0, 0.3, expert=0.001)),
        (Train(balance="auxiliary", balance_weight=[(0, 0.5)]), Weights(0.0, 0.3, expert=0.5)),
        (Train(balance="none"), Weights(0.0, 0.3)),
        (Train(balance="none", balance_weight=0.5), Weights(0.0, 0.3)),
        (Train(model=Model(preset="16b", gate="softmax")), Weights(0.0, 0.3, expert=0.001)),
        (Train(model=Model(preset="236b", **V2)), Weights(0.0, 0.3, 0.0, 0.003, 0.05, 0.02)),
        (
            Train(model=Model(preset="236b", **V2), device_balance_weight=0.0, balance_weight=0.1),
            Weights(0.0, 0.3, 0.0, 0.1, 0.0, 0.02),
        ),
        (Train(model=Model(preset="236b", gate="softmax")), Weights(0.0, 0.3, expert=0.003)),
        (Train(model=Model(**V2)), Weights(0.0, 0.3, expert=0.001)),
        (Train(model=Model(preset="236b", **V2), balance="none"), Weights(0.0, 0.3)),
    ],
)
def test_what_is_absent_is_what_the_reports_took(train: Train, weights: Weights) -> None:
    assert find_weights(train, plan_phases(8, None, [16]), 1) == weights


def test_one_value_is_one_phase() -> None:
    assert plan_phases(8, None, [256, 1024]) == [Phase(1, 8, 256, 0)]
    assert plan_phases(8, 1024, [256, 1024]) == [Phase(1, 8, 1024, 0)]


def test_an_entry_takes_effect_with_the_first_step_that_begins_at_its_tokens_or_after() -> None:
    """A step of 2 rows of 16 is 32 tokens: 64 are reached before step 3, 65 before step 4."""
    assert plan_phases([[0, 2], [64, 4]], 16, [16]) == [Phase(1, 2, 16, 0), Phase(3, 4, 16, 4)]
    assert plan_phases([[0, 2], [65, 4]], 16, [16]) == [Phase(1, 2, 16, 0), Phase(4, 4, 16, 6)]
    assert plan_phases([[0, 2], [1, 4]], 16, [16]) == [Phase(1, 2, 16, 0), Phase(2, 4, 16, 2)]


def test_an_entry_that_another_overtakes_within_a_step_is_passed_over() -> None:
    assert plan_phases([[0, 2], [10, 3], [20, 4]], 16, [16]) == [Phase(1, 2, 16, 0), Phase(2, 4, 16, 2)]


def test_entries_that_change_nothing_begin_no_phase() -> None:
    assert plan_phases([[0, 2], [64, 2]], [[0, 16], [100, 16]], [16]) == [Phase(1, 2, 16, 0)]


def test_a_length_goes_on_where_it_was_left() -> None:
    phases = plan_phases(2, [[0, 16], [64, 32], [128, 16]], [16, 32])
    assert phases == [Phase(1, 2, 16, 0), Phase(3, 2, 32, 0), Phase(4, 2, 16, 4)]


def test_the_rows_of_deepseek_v3s_schedule_are_found_at_once() -> None:
    """Batches of 3,072 to 15,360 rows of 4K, then 32K and 128K: no step is walked through."""
    ramp = [[n * 469_000_000_000 // 48, 3072 + 256 * n] for n in range(48)]
    phases = plan_phases(ramp, [[0, 4096], [14_800_000_000_000, 32768]], [4096, 32768])
    counts = {4096: 3_613_281_250, 32768: 10**6}
    assert len(phases) == 49
    for step in (1, 100, 10**5, phases[-1].first_step):
        length, rows = list_rows(phases, step, 1, counts)
        assert len(np.unique(rows)) == find_phase(phases, step).batch_size
        assert rows.max() < counts[length]


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
