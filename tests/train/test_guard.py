"""Which batches are skipped, held to medians that are taken one by one."""

import statistics

import numpy as np
import pytest
import torch

from dspipe.train.guard import FEWEST, LEAST, NORMAL, WINDOW, Guard

CPU = torch.device("cpu")


def judge_plainly(deviations: float, values: list[tuple[float, float]]) -> list[bool]:
    """Of each step whether it stands out, by the steps before it."""
    found = []
    for place, now in enumerate(values):
        spikes = []
        for quantity, value in enumerate(now):
            recent = [before[quantity] for before in values[max(0, place - WINDOW) : place]]
            if place < FEWEST:
                continue
            level = statistics.median_low(recent)
            distance = statistics.median_low([abs(one - level) for one in recent])
            spikes.append(value > level + deviations * max(NORMAL * distance, LEAST * abs(level)))
        found.append(any(spikes))
    return found


def judge(guard: Guard, values: list[tuple[float, float]], first: int = 1) -> list[bool]:
    return [
        bool(guard.judge(step, torch.tensor(loss), torch.tensor(norm)))
        for step, (loss, norm) in enumerate(values, first)
    ]


def draw(count: int, seed: int = 0) -> list[tuple[float, float]]:
    generator = np.random.default_rng(seed)
    losses = 5 + generator.normal(0, 0.1, count) - np.linspace(0, 1, count)
    norms = np.exp(generator.normal(0, 0.3, count))
    return list(zip(losses.astype(np.float32).tolist(), norms.astype(np.float32).tolist(), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_what_stands_out_is_what_medians_say(seed: int) -> None:
    values = draw(400, seed)
    for place in (40, 150, 151, 300):
        values[place] = (values[place][0] * 1.5, values[place][1])
    values[220] = (values[220][0], 30.0)
    found = judge(Guard(4.0, CPU), values)
    assert found == judge_plainly(4.0, values)
    assert all(found[place] for place in (40, 150, 151, 220, 300))


def test_nothing_is_asked_that_a_gpu_refuses_when_it_is_held_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Medians that come with indices, of which torch has no such kernel for a GPU."""

    def refuse(*arguments: object, **named: object) -> None:
        raise RuntimeError("does not have a deterministic implementation")

    for name in ("median", "nanmedian", "kthvalue"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
        monkeypatch.setattr(torch, name, refuse)
    assert not any(judge(Guard(99.0, CPU), draw(FEWEST + 2)))


def test_the_first_steps_are_never_skipped() -> None:
    values = [(5.0, 1.0)] * (FEWEST - 1) + [(50.0, 1.0), (50.0, 1.0)]
    assert judge(Guard(3.0, CPU), values) == [False] * FEWEST + [True]


def test_a_level_that_has_changed_for_good_is_learned_from_again() -> None:
    found = judge(Guard(9.0, CPU), draw(200) + [(loss + 3, norm) for loss, norm in draw(200, 1)])
    assert all(found[200:230]) and not any(found[200 + WINDOW // 2 + 5 :])


def test_without_deviations_only_what_is_no_number_stops_and_it_stops_for_good() -> None:
    guard = Guard(None, CPU)
    assert judge(guard, [(5.0, 1.0)] * 50 + [(500.0, 900.0)]) == [False] * 51
    for loss, norm in ((float("nan"), 1.0), (5.0, float("inf"))):
        assert judge(Guard(None, CPU), [(5.0, 1.0), (loss, norm), (5.0, 1.0)]) == [False, True, True]


def test_it_goes_on_from_what_it_has_seen() -> None:
    values = draw(300)
    values[250] = (9.0, 1.0)
    whole = judge(Guard(6.0, CPU), values)
    first, second = Guard(6.0, CPU), Guard(6.0, CPU)
    begun = judge(first, values[:170])
    second.recent_QW.copy_(first.recent_QW)
    assert begun + judge(second, values[170:], 171) == whole
