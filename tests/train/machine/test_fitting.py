"""What fits into which memory, held to a search through everything that could be tried."""

import itertools

import msgspec
import pytest
from msgspec.structs import replace

from dspipe.recipe import PRESETS, Fp8, Model, RecipeError, Train
from dspipe.train.machine.fitting import BUSY, MOST, Fit, Machine, describe_budget, describe_fit, find_fit

VOCABULARY = 8192
CPU = Machine("cpu", 4, 1 << 40, 300_000_000)
BATCHES = {1024: 16, 4096: 4}
MEDIUM = msgspec.convert({**PRESETS["50m"], "preset": "50m"}, Model)


def fit(machine: Machine = CPU, batches: dict[int, int] = BATCHES, **settings: object) -> Fit:
    return find_fit(Train(**settings), VOCABULARY, batches, machine)


def with_room(share: float, machine: Machine = CPU, **settings: object) -> Machine:
    """A machine with so much of what the first choice takes."""
    return replace_limit(machine, int(fit(machine, **settings).total * share))


def replace_limit(machine: Machine, limit: int) -> Machine:
    return Machine(machine.device, machine.width, limit, machine.held, machine.codes)


def test_with_room_the_most_that_is_of_use_is_taken_at_once() -> None:
    found = fit()
    assert found.micro_batch == {1024: MOST["cpu"] // 1024, 4096: MOST["cpu"] // 4096}
    assert found.recompute == ()
    assert fit(batches={1024: 3}).micro_batch == {1024: 3}
    assert fit(Machine("cuda", 2, 1 << 40, 0)).micro_batch == BATCHES


def test_rows_are_spread_evenly_over_a_step() -> None:
    assert fit(batches={1024: 9}).micro_batch == {1024: 5}  # not 8 and 1


def test_what_is_found_fits_whatever_the_room() -> None:
    seen = set()
    for share in (1.0, 0.9, 0.8, 0.7, 0.65, 0.6, 0.55, 0.5):
        machine = with_room(share)
        try:
            found = fit(machine)
        except RecipeError:
            continue
        assert found.total <= machine.limit
        seen.add((found.micro_batch[1024], found.recompute))
    assert len(seen) > 2


def test_less_is_kept_before_fewer_rows_than_keep_the_machine_busy_are_taken() -> None:
    settings: dict[str, object] = {"model": MEDIUM}
    ways = [fit(with_room(share / 100, **settings), **settings) for share in range(100, 75, -1)]
    for one, other in itertools.pairwise(ways):
        assert other.micro_batch[1024] <= one.micro_batch[1024] and len(other.recompute) >= len(one.recompute)
    for way in ways:
        tokens = max(length * rows for length, rows in way.micro_batch.items())
        assert tokens >= BUSY["cpu"] or len(way.recompute) == 3


@pytest.mark.parametrize(
    ("asked", "rows", "again"),
    [({"micro_batch": 2}, 2, ()), ({"recompute": ["norms"]}, 8, ("norms",)), ({"micro_batch": 99}, 16, ())],
)
def test_what_the_recipe_says_stands(asked: dict[str, object], rows: int, again: tuple[str, ...]) -> None:
    found = fit(**asked)
    assert found.micro_batch[1024] == rows and found.recompute == again


def test_what_was_chosen_before_stands_and_only_what_is_made_again_follows_the_memory() -> None:
    chosen, settings = {1024: 4, 4096: 1}, Train(model=MEDIUM)
    for room in (1.0, 0.95, 0.88):
        total = describe_fit(settings, VOCABULARY, CPU, chosen, ()).total
        machine = replace_limit(CPU, int(total * room))
        found = find_fit(settings, VOCABULARY, BATCHES, machine, chosen)
        assert found.micro_batch == chosen and found.total <= machine.limit
    assert found.recompute


def test_codes_have_all_made_again_from_the_start() -> None:
    machine = Machine("cpu", 2, 1 << 40, 0, codes=True)
    assert set(fit(machine, fp8=Fp8(mode="emulate")).recompute) == {"norms", "projections", "activations"}


def test_what_cannot_fit_is_refused_with_the_numbers_and_the_largest_preset_that_does() -> None:
    model = Model(width=1024, layers=14, experts=64)
    settings, machine = Train(model=model), replace_limit(CPU, 3_500_000_000)
    message = (
        r"train\.model: \d+ million parameters in micro-batches of 1 x 1,024, 1 x 4,096 need \d\.\d\d GB "
        r'\(.* GB\), and there are 3\.50 GB; preset = "50m" fits'
    )
    with pytest.raises(RecipeError, match=message):
        find_fit(settings, VOCABULARY, BATCHES, machine)
    smaller = replace_limit(CPU, 1_000_000_000)
    with pytest.raises(RecipeError, match=r'leave out train\.micro_batch .* preset = "smoke" fits'):
        find_fit(replace(settings, micro_batch=16), VOCABULARY, BATCHES, smaller)
    with pytest.raises(RecipeError, match="no preset fits"):
        find_fit(settings, VOCABULARY, BATCHES, replace_limit(CPU, 310_000_000))


def test_a_training_under_way_is_told_to_find_memory_and_not_to_become_another() -> None:
    settings, machine = Train(model=MEDIUM), replace_limit(CPU, 900_000_000)
    with pytest.raises(RecipeError, match=r"0\.90 GB; free some, or allow more with --memory, to go on"):
        find_fit(settings, VOCABULARY, BATCHES, machine, {1024: 1, 4096: 1})


def test_only_lengths_that_are_come_to_must_fit_and_the_others_split_batches_all_the_same() -> None:
    batches = {1024: 16, 131072: 4}
    whole = fit(batches=batches)
    machine = replace_limit(CPU, whole.total // 4)
    with pytest.raises(RecipeError, match="1 x 131,072"):
        fit(machine, batches)
    found = find_fit(Train(), VOCABULARY, batches, machine, reached=[1024])
    assert found.micro_batch == whole.micro_batch and found.total <= machine.limit


def test_averages_and_checkpoints_are_counted_where_they_lie() -> None:
    plain, averaged = fit(), fit(average=0.9)
    assert averaged.total - plain.total == 2 * plain.memory["weights"]
    assert plain.memory["checkpoint"] == plain.memory["weights"] + plain.memory["moments"]
    assert "checkpoint" not in fit(Machine("cuda", 2, 1 << 40, 0)).memory


def test_the_budget_is_told_in_a_line() -> None:
    line = describe_budget(Fit({1024: 4}, ("norms",), {"weights": 10**9, "average": 0}), 4 * 10**9)
    assert line == (
        "micro-batches of 4 x 1,024 tokens, made again: norms; memory about 1.00 GB of 4.00 GB: "
        "weights 1.00 GB"
    )
