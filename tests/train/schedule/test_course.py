"""What holds in a step, held to a slow twin; and how far a training goes."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from dspipe.reading import check_recipe
from dspipe.recipe import Model, Recipe, RecipeError, Train, WeightEntry
from dspipe.train.schedule.course import Course, Weights, plan_course, plan_recipe, settle
from dspipe.train.schedule.phases import count_slots, find_phase, find_step
from tests.reference.steps import look_up, walk_steps
from tests.train.schedule.tables import LENGTHS, Entries, lengths, sizes, weights

B, T = 10**9, 10**12
V3 = {"schedule": "deepseek-v3", "tokens": 14_800 * B, "batch_size": 15360, "sequence_length": 4096}
V2 = {"gate": "softmax", "groups": 8, "chosen_groups": 3, "experts": 160, "mtp_depth": 0}


def plan(**changes: Any) -> Course:
    return plan_course(Train(**changes), [16])


def read(**table: Any) -> Recipe:
    return check_recipe({"name": "some", "pack": {"sequence_length": [16, 32]}, "train": table}, "some.toml")


@settings(deadline=None, max_examples=60)
@given(sizes, lengths, weights, weights, weights, weights)
def test_what_holds_in_a_step_is_what_step_after_step_gives(
    sizes: Entries, lengths: Entries, rates: Entries, speeds: Entries, mtp: Entries, balance: Entries
) -> None:
    course = plan_course(
        Train(
            batch_size=sizes, sequence_length=lengths, learning_rate=rates, bias_speed=speeds, mtp_weight=mtp,
            balance_weight=balance, warmup_steps=7,
        ),
        LENGTHS,
    )  # fmt: skip
    for step, walked in enumerate(islice(walk_steps(sizes, lengths), 200), 1):
        expected = [float(look_up(table, walked.slots)) for table in (speeds, mtp, balance)]
        assert course.weights(step)[:3] == pytest.approx(expected, abs=1e-12)
        rate = float(look_up(rates, walked.slots)) * min(1, step / 7)
        assert course.learning_rate(step) == pytest.approx(rate, abs=1e-12)


def test_deepseek_v3s_course_is_the_reports() -> None:
    course = plan_course(Train(**V3), [4096])
    assert course.warmup_steps == 2000
    assert course.learning_rate(1) == 2.2e-4 / 2000 and course.learning_rate(2000) == 2.2e-4
    for tokens, rate, speed, mtp in (
        (9.99e12, 2.2e-4, 0.001, 0.3), (14.31e12, 2.2e-5, 0.0, 0.1), (14.632e12, 2.2e-5, 0.0, 0.1),
        (14.634e12, 7.3e-6, 0.0, 0.1), (14.8e12, 7.3e-6, 0.0, 0.1),
    ):  # fmt: skip
        step = find_step(course.phases, int(tokens))
        assert course.learning_rate(step) == rate
        assert course.weights(step) == (speed, mtp, 1e-4, 0, 0, 0)
    middle = find_step(course.phases, 12_150 * B)
    assert course.learning_rate(middle) == pytest.approx((2.2e-4 + 2.2e-5) / 2, rel=1e-4)
    assert 2.2e-5 < course.learning_rate(find_step(course.phases, 14_290 * B)) < 2.3e-5
    assert course.weights(find_step(course.phases, 10 * T)).mtp == 0.1
    assert course.weights(find_step(course.phases, 10 * T) - 1).mtp == 0.3
    last = count_slots(course.phases, course.steps), count_slots(course.phases, course.steps + 1)
    assert last[0] < 14_800 * B <= last[1] and course.steps == 242_785
    assert [find_phase(course.phases, step).batch_size for step in (1, course.steps)] == [3072, 15360]


def test_deepseek_v2_warms_up_in_2000_steps_of_its_own_run() -> None:
    settings = Train(schedule="deepseek-v2", tokens=8_100 * B, batch_size=9216, learning_rate=2.4e-4)
    course = plan_course(settings, [4096])
    assert course.warmup_steps == 2000
    assert course.learning_rate(course.steps) == 2.396544e-5


def test_a_schedule_is_the_same_shape_over_any_budget() -> None:
    whole = plan_course(Train(**V3), [4096])
    small = plan(schedule="deepseek-v3", tokens=148 * 10**6, batch_size=10)
    for share in (0.1, 0.5, 0.7, 0.9, 0.97, 0.995):
        steps = [find_step(course.phases, int(tokens)) for course, tokens in (
            (whole, share * 14.8e12), (small, share * 148e6)
        )]  # fmt: skip
        assert small.learning_rate(steps[1]) == pytest.approx(whole.learning_rate(steps[0]), rel=1e-4)
        assert small.weights(steps[1]) == whole.weights(steps[0])
    assert small.phases[0].batch_size == 2 and small.phases[-1].batch_size == 10
    assert small.warmup_steps / small.steps == pytest.approx(2000 / whole.steps, rel=1e-3)


def test_a_list_stands_as_it_is_under_a_named_schedule() -> None:
    course = plan(
        schedule="deepseek-v3", tokens=10**6, learning_rate=[(0, 0.5)], batch_size=[(0, 3)],
        mtp_weight=[(0, 0.2)], balance_weight=0.7, warmup_steps=0,
    )  # fmt: skip
    for step in (1, course.steps):
        assert course.learning_rate(step) == 0.5
        assert course.weights(step)[1:3] == (0.2, 0.7)
    assert [phase.batch_size for phase in course.phases] == [3]
    assert course.weights(course.steps).bias_speed == 0.0


def test_how_many_steps_there_are_follows_from_the_tokens() -> None:
    """Steps of 4 rows of 16 are 64 tokens."""
    assert plan(batch_size=4).steps == 200
    assert plan(batch_size=4, tokens=640).steps == 10
    assert plan(batch_size=4, tokens=641).steps == 11
    assert plan(batch_size=4, tokens=640, steps=3).steps == 3
    assert plan(batch_size=[(0, 4), (128, 2)], tokens=192).steps == 4


def test_steps_given_are_taken_within_the_longer_schedule() -> None:
    whole = plan(schedule="cosine", tokens=64_000, batch_size=4)
    begun = plan(schedule="cosine", tokens=64_000, batch_size=4, steps=30)
    assert (whole.steps, begun.steps) == (1000, 30) and begun.warmup_steps == whole.warmup_steps == 10
    assert begun.learning_rate(30) == whole.learning_rate(30)


def test_the_rate_warms_up_from_zero_and_stays() -> None:
    rates = [plan(learning_rate=2.2e-4).learning_rate(step) for step in (1, 1000, 2000, 2001, 10**6)]
    assert rates == pytest.approx([2.2e-4 / 2000, 1.1e-4, 2.2e-4, 2.2e-4, 2.2e-4])
    assert plan(warmup_steps=0).learning_rate(1) == 2.2e-4


def test_warm_up_is_a_number_of_steps_or_a_share_of_them() -> None:
    named = {"schedule": "wsd", "tokens": 64_000, "batch_size": 4}
    assert plan(**named).warmup_steps == 10
    assert plan(**named | {"tokens": 64}).warmup_steps == 1
    assert plan(**named, warmup_steps=0).warmup_steps == 0
    assert plan(**named, warmup_steps=3).warmup_steps == 3


def test_a_named_schedule_asks_for_tokens() -> None:
    with pytest.raises(RecipeError, match=r'some\.toml: train\.tokens: schedule = "wsd" is stretched over'):
        read(schedule="wsd")


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
    assert plan_course(train, [16]).weights(1) == weights


def test_settings_are_settled_on_the_first_length_that_is_packed() -> None:
    settled = settle(read(batch_size=4, tokens=640))
    assert (settled.steps, settled.tokens) == (10, None)
    settled = settle(read(batch_size=4, tokens=640, sequence_length=32))
    assert settled.steps == 5
    settled = settle(read(batch_size=4, tokens=640, schedule="cosine"))
    assert (settled.steps, settled.tokens) == (10, 640)


def test_rows_that_are_used_say_their_lengths(tmp_path: Path) -> None:
    """What is not there is taken at its word, and refused when it is read."""
    raw = {
        "name": "some",
        "use": {"sequences": str(tmp_path)},
        "train": {"sequence_length": 48, "tokens": 960},
    }
    assert plan_recipe(check_recipe(raw, "some.toml")).phases[0].length == 48


def test_lists_are_read_with_and_without_shapes() -> None:
    train = read(
        learning_rate=[[0, 1e-3], [10, 1e-3, "cosine"], [20, 1e-4]], batch_size=[[0, 2, "linear"], [64, 4]]
    ).train
    assert train.learning_rate == [
        WeightEntry(0, 1e-3),
        WeightEntry(10, 1e-3, "cosine"),
        WeightEntry(20, 1e-4),
    ]
    assert isinstance(train.batch_size, list) and train.batch_size[0].shape == "linear"
