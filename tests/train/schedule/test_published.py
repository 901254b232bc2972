"""The named schedules over the budgets of their sources, in the numbers of these; and over others."""

from itertools import pairwise

import pytest

from dspipe.train.schedule.published import SCHEDULES, lay_out, lay_out_sizes

T, B = 10**12, 10**9
V3, V2 = 14_800 * B, 8_100 * B


def test_deepseek_v3s_numbers_are_the_reports() -> None:
    """Report, 4.2: 10T, then 4.3T, then 333B, then 167B tokens, which are 14.8T together."""
    assert lay_out("deepseek-v3", "learning_rate", 2.2e-4, V3) == [
        (0, 2.2e-4, None), (10 * T, 2.2e-4, "cosine"), (14_300 * B, 2.2e-5, None), (14_633 * B, 7.3e-6, None)
    ]  # fmt: skip
    assert 10 * T + 4_300 * B + 333 * B + 167 * B == V3
    assert lay_out_sizes("deepseek-v3", 15360, V3) == [(0, 3072, "linear"), (469 * B, 15360, None)]
    assert lay_out("deepseek-v3", "bias_speed", 0.001, V3) == [(0, 0.001, None), (14_300 * B, 0.0, None)]
    assert lay_out("deepseek-v3", "mtp_weight", 0.3, V3) == [(0, 0.3, None), (10 * T, 0.1, None)]


def test_deepseek_v2s_numbers_are_the_reports() -> None:
    """Report, 3.1.2: times 0.316 after 60 % and again after 90 % of 8.1T tokens."""
    assert lay_out("deepseek-v2", "learning_rate", 2.4e-4, V2) == [
        (0, 2.4e-4, None), (4_860 * B, 7.584e-5, None), (7_290 * B, 2.396544e-5, None)
    ]  # fmt: skip
    assert lay_out_sizes("deepseek-v2", 9216, V2) == [(0, 2304, "linear"), (225 * B, 9216, None)]


def test_what_a_schedule_says_nothing_of_is_constant() -> None:
    for name in ("deepseek-v2", "wsd", "cosine"):
        assert lay_out(name, "bias_speed", 0.001, V3) == [(0, 0.001, None)]
        assert lay_out(name, "mtp_weight", 0.3, V3) == [(0, 0.3, None)]
    for name in ("wsd", "cosine"):
        assert lay_out_sizes(name, 16, V3) == [(0, 16, None)]


def test_the_others_decay_to_a_tenth() -> None:
    assert lay_out("wsd", "learning_rate", 1e-3, 1000) == [
        (0, 1e-3, None), (900, 1e-3, "linear"), (1000, 1e-4, None)
    ]  # fmt: skip
    assert lay_out("cosine", "learning_rate", 1e-3, 1000) == [(0, 1e-3, "cosine"), (1000, 1e-4, None)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("budget", [1, 7, 1000, 123_456_789, 10**15])
def test_any_budget_has_tables_in_order(name: str, budget: int) -> None:
    table = lay_out(name, "learning_rate", 3e-4, budget)
    sizes = lay_out_sizes(name, 2, budget)
    for entries in (table, sizes):
        assert all(one[0] <= other[0] <= budget for one, other in pairwise(entries))
    assert all(size.value >= 1 for size in sizes)
    assert table[0].value == 3e-4
