import dataclasses
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import dspipe.train.guard
import dspipe.train.loop
import dspipe.train.preparation
import dspipe.train.saving.checkpoints
from dspipe.fp8.tiles import quantize_weight
from dspipe.model.products.fp8 import Fp8Products
from dspipe.recipe import DspipeError, Fp8, SizeEntry, Train, WeightEntry
from dspipe.train.evaluating.evaluation import Evaluation, evaluate
from dspipe.train.evaluating.evaluator import Evaluator
from dspipe.train.evaluating.held_out import HeldOut, Label
from dspipe.train.guard import Guard
from dspipe.train.loading.loader import RowLoader
from dspipe.train.loading.parts import Parts as TrainedParts
from dspipe.train.loop import Trained, train
from dspipe.train.optimizer import AdamW
from dspipe.train.saving.state import Parts as TrainingParts
from dspipe.train.saving.state import restore_state
from dspipe.train.schedule.course import plan_course
from dspipe.train.showing.metrics import StepMetrics
from tests.reference.networks import VOCABULARY, small_model, small_network
from tests.reference.rows import Parts, even, overwrite_tokens, write_rows

VARYING = ("seconds", "waited", "tokens_per_second", "mfu", "memory")


class Killed(Exception):
    pass


def make_settings(**changes: Any) -> Train:
    values: dict[str, Any] = dict(
        steps=9, batch_size=4, learning_rate=0.01, warmup_steps=3, checkpoint_steps=2, bias_speed=0.01,
        seed=1, model=small_model(layers=2, initial_deviation=0.05),
    )  # fmt: skip
    return Train(**(values | changes))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("rows")
    return write_rows(folder, rows=11, parts=2) | write_rows(folder, rows=5, parts=1, length=24)


def run(
    files: Parts,
    folder: Path,
    on_step: Callable[[StepMetrics], None] | None = None,
    vocabulary: int = VOCABULARY,
    **changes: Any,
) -> None:
    settings = make_settings(**changes)
    course = plan_course(settings, list(files))
    loader = RowLoader(files, course.phases, settings.seed or 0, vocabulary)
    train(settings, course, loader, vocabulary, folder, on_step=on_step or (lambda metrics: None))


def kill_after(step: int, kind: type[BaseException] = Killed) -> Callable[[StepMetrics], None]:
    def on_step(metrics: StepMetrics) -> None:
        if metrics.step == step:
            raise kind

    return on_step


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in VARYING} for line in lines]


def read_everything(folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """All files' bytes but those of the metrics, which hold times, and of the choices, which hold what memory
    there was; and the metrics without these.
    """
    names = ("metrics.jsonl", "choices.json")
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in names]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}, read_metrics(folder)


SCHEDULE = {"batch_size": [(0, 4), (100, 2)], "sequence_length": [(0, 16), (200, 24)]}  # at steps 3 and 6


EMULATED = {"fp8": Fp8(mode="emulate")}


@pytest.mark.parametrize(
    "changes",
    [{}, {"micro_batch": 2}, {"checkpoint_steps": 100, "moments": "float32"}, SCHEDULE, EMULATED],
)
def test_a_run_killed_and_resumed_gives_the_same_bits(
    changes: dict[str, Any], files: Parts, tmp_path: Path
) -> None:
    run(files, tmp_path / "whole", **changes)
    for step in (3, 4, 8):  # after a checkpoint, at one, between two; the middle of an epoch and its end
        with pytest.raises(Killed):
            run(files, tmp_path / "killed", kill_after(step), **changes)
    run(files, tmp_path / "killed", **changes)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")


def test_more_steps_continue_exactly(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "whole", steps=8)
    for steps in (3, 5, 8):
        run(files, tmp_path / "raised", steps=steps)
    assert read_everything(tmp_path / "raised") == read_everything(tmp_path / "whole")


def test_a_finished_run_is_left_as_it_is(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=3)
    before = read_everything(tmp_path)
    run(files, tmp_path, lambda metrics: pytest.fail("a step was run again"), steps=3)
    assert read_everything(tmp_path) == before


def test_metrics_beyond_the_checkpoint_and_a_torn_line_are_cut(files: Parts, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(files, tmp_path, kill_after(5))
    with open(tmp_path / "metrics.jsonl", "a") as lines:
        lines.write('{"step": 6, "lo')
    run(files, tmp_path)
    assert [line["step"] for line in read_metrics(tmp_path)] == list(range(1, 10))


def test_a_checkpoint_under_a_temporary_name_is_passed_over(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "whole")
    with pytest.raises(Killed):
        run(files, tmp_path / "torn", kill_after(5))
    (tmp_path / "torn/checkpoint/.step-000000006.safetensors.77.tmp").write_bytes(b"half")
    run(files, tmp_path / "torn")
    assert read_everything(tmp_path / "torn") == read_everything(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["cut", "emptied", "overwritten", "step"])
def test_a_damaged_checkpoint_is_refused_and_kept(damage: str, files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=3)
    path = tmp_path / "checkpoint/step-000000003.safetensors"
    content = path.read_bytes()
    broken = {
        "cut": content[:-1],
        "emptied": b"",
        "overwritten": b"\0" * len(content),
        "step": content.replace(b'step\\": 3', b'step\\": 2'),
    }[damage]
    assert broken != content
    path.write_bytes(broken)
    before = read_everything(tmp_path)
    with pytest.raises(DspipeError, match=r"step-000000003\.safetensors: cannot be read \(.+--rebuild train"):
        run(files, tmp_path, lambda metrics: pytest.fail("a step was run"), steps=4)
    assert read_everything(tmp_path) == before
    path.write_bytes(content)
    run(files, tmp_path, steps=4)


@pytest.mark.parametrize(
    "changes",
    [{"learning_rate": 0.02}, {"micro_batch": 2}, {"seed": 2}, {"mtp_weight": 0.1}, {"vocabulary": 64}],
    ids=str,
)
def test_a_checkpoint_of_other_settings_is_refused_and_kept(
    changes: dict[str, Any], files: Parts, tmp_path: Path
) -> None:
    run(files, tmp_path, steps=3)
    before = read_everything(tmp_path)
    with pytest.raises(
        DspipeError, match=r"step-000000003\.safetensors: .*another training.*--rebuild train"
    ):
        run(files, tmp_path, lambda metrics: pytest.fail("a step was run"), steps=4, **changes)
    assert read_everything(tmp_path) == before


def test_a_checkpoint_of_other_rows_is_refused(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "model", steps=3)
    more = write_rows(tmp_path / "more", rows=12, parts=2)
    longer = write_rows(tmp_path / "longer", rows=11, parts=2, length=17)
    for others in (more, longer, longer | more):
        with pytest.raises(DspipeError, match="another training"):
            run(others, tmp_path / "model", steps=4)


def test_more_rows_of_a_length_that_is_not_asked_for_change_nothing(files: Parts, tmp_path: Path) -> None:
    run({16: files[16]}, tmp_path / "model", steps=3)
    run(files, tmp_path / "model", steps=4)
    assert len(read_metrics(tmp_path / "model")) == 4


def test_a_schedule_sets_what_a_step_takes(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, **SCHEDULE)
    loader = RowLoader(files, plan_course(make_settings(**SCHEDULE), list(files)).phases, seed=1)
    batches = [loader.batch(step) for step in range(1, 10)]
    shapes = [tuple(batch.tokens_BL.shape) for batch in batches]
    assert shapes == [(4, 16)] * 2 + [(2, 16)] * 3 + [(2, 24)] * 4
    tokens = accumulate(int(batch.valid_BL.sum()) for batch in batches)
    assert [line["tokens"] for line in read_metrics(tmp_path)] == list(tokens)


def test_a_named_schedule_is_continued_over_the_same_budget_alone(files: Parts, tmp_path: Path) -> None:
    named = {"schedule": "deepseek-v3", "tokens": 1600, "batch_size": 5, "warmup_steps": None}
    run(files, tmp_path / "whole", **named, steps=None)
    lines = read_metrics(tmp_path / "whole")
    assert len({line["lr"] for line in lines}) > 3 and {line["mtp_weight"] for line in lines} == {0.3, 0.1}
    for steps in (2, len(lines)):
        run(files, tmp_path / "parts", **named, steps=steps)
    assert read_everything(tmp_path / "parts") == read_everything(tmp_path / "whole")
    with pytest.raises(DspipeError, match="of another training"):
        run(files, tmp_path / "parts", **named | {"tokens": 3200}, steps=None)


def test_a_step_says_how_long_it_waited_for_its_batch(files: Parts, tmp_path: Path) -> None:
    seen: list[StepMetrics] = []
    run(files, tmp_path, seen.append, steps=3)
    assert all(0 <= metrics.waited <= metrics.seconds for metrics in seen)
    assert '"waited": ' in (tmp_path / "metrics.jsonl").read_text()


def test_no_thread_is_left_when_a_run_is_stopped(files: Parts, tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(Killed):
        run(files, tmp_path, kill_after(2))
    assert threading.active_count() == before


def test_weights_without_a_training_state_are_refused(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=3)
    shutil.copy(tmp_path / "model.safetensors", tmp_path / "checkpoint/step-000000004.safetensors")
    with pytest.raises(DspipeError, match="another training"):
        run(files, tmp_path, steps=4)


def test_checkpoints_may_come_more_or_less_often_from_here_on(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "whole")
    run(files, tmp_path / "changed", steps=3, checkpoint_steps=1)
    run(files, tmp_path / "changed", checkpoint_steps=5)
    assert read_everything(tmp_path / "changed") == read_everything(tmp_path / "whole")


def test_a_run_interrupted_between_steps_and_resumed_gives_the_same_bits(
    files: Parts, tmp_path: Path
) -> None:
    run(files, tmp_path / "whole")
    for step in (1, 3, 4, 9):  # before the first checkpoint, after one, at one, at the end
        with pytest.raises(KeyboardInterrupt):
            run(files, tmp_path / "stopped", kill_after(step, KeyboardInterrupt))
        assert not find_open_files(tmp_path / "stopped")
    run(files, tmp_path / "stopped")
    assert read_everything(tmp_path / "stopped") == read_everything(tmp_path / "whole")


def find_open_files(folder: Path) -> list[str]:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    places = [os.readlink(link) for link in links if os.path.islink(link)]
    return [place for place in places if place.startswith(str(folder))]


def test_a_run_interrupted_while_it_writes_a_checkpoint_goes_on_from_the_one_before(
    files: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(files, tmp_path / "whole")
    with pytest.raises(Killed):
        run(files, tmp_path / "stopped", kill_after(3))

    def write_half(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(dspipe.train.saving.checkpoints, "save_file", write_half)
        run(files, tmp_path / "stopped")
    names = sorted(path.name for path in (tmp_path / "stopped/checkpoint").iterdir())
    assert names == ["choices.json", "step-000000002.safetensors"]
    run(files, tmp_path / "stopped")
    assert read_everything(tmp_path / "stopped") == read_everything(tmp_path / "whole")


def test_a_resumed_training_lets_go_of_the_checkpoint_that_it_came_from(files: Parts, tmp_path: Path) -> None:
    """Else its room on the disk is held until the training ends, although it has been deleted."""
    run(files, tmp_path, steps=2)
    held: list[bool] = []
    run(files, tmp_path, lambda metrics: held.append(str(tmp_path) in Path("/proc/self/maps").read_text()))
    assert held == [False] * 7


@pytest.mark.parametrize("damage", [None, b"", b'{"training": "another"}'], ids=str)
def test_a_checkpoint_without_what_was_chosen_for_it_is_refused_and_kept(
    damage: bytes | None, files: Parts, tmp_path: Path
) -> None:
    """Rows at a time follow the memory that there is: found anew, they could be others."""
    run(files, tmp_path, steps=2)
    path = tmp_path / "checkpoint/choices.json"
    content = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    before = read_everything(tmp_path)
    with pytest.raises(DspipeError, match=r"choices\.json: cannot be read, .*--rebuild train"):
        run(files, tmp_path, lambda metrics: pytest.fail("a step was run"), steps=3)
    assert read_everything(tmp_path) == before
    path.write_bytes(content)
    run(files, tmp_path, steps=3)


def test_metrics_that_end_before_the_checkpoint_are_refused(files: Parts, tmp_path: Path) -> None:
    """Else what the run has begun with would be lost without a word."""
    run(files, tmp_path, steps=4)
    path = tmp_path / "metrics.jsonl"
    content = path.read_bytes()
    for left in (0, 3):
        path.write_bytes(b"".join(content.splitlines(keepends=True)[:left]))
        with pytest.raises(DspipeError, match=rf"metrics\.jsonl: ends with step {left}, .* of step 4;"):
            run(files, tmp_path, lambda metrics: pytest.fail("a step was run"), steps=5)
    path.write_bytes(content)
    run(files, tmp_path, steps=5)


def test_an_older_checkpoint_that_was_still_there_is_removed(files: Parts, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(files, tmp_path / "run", kill_after(8))
    older = tmp_path / "run/checkpoint/step-000000008.safetensors"
    shutil.copy(older, tmp_path / "older")
    run(files, tmp_path / "run")
    whole = read_everything(tmp_path / "run")
    shutil.copy(tmp_path / "older", older)  # as if stopped after the newer one was written
    run(files, tmp_path / "run")
    assert read_everything(tmp_path / "run") == whole


def test_a_run_does_not_depend_on_random_numbers_drawn_before(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "first", steps=2)
    torch.manual_seed(99)
    torch.randn(77)
    run(files, tmp_path / "second", steps=2)
    assert read_everything(tmp_path / "first") == read_everything(tmp_path / "second")


def test_the_loss_falls_on_text_that_can_be_learned(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=60, checkpoint_steps=100)
    metrics = read_metrics(tmp_path)
    assert metrics[0]["loss"] == pytest.approx(4.11, abs=0.1)  # log 61
    assert metrics[-1]["loss"] < 2.5
    assert metrics[-1]["mtp_loss"] < 3.5


def test_a_line_says_what_a_step_was(files: Parts, tmp_path: Path) -> None:
    seen: list[StepMetrics] = []
    run(files, tmp_path, seen.append)
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [metrics.step for metrics in seen] == list(range(1, 10))
    assert [line["lr"] for line in lines[:4]] == pytest.approx([0.01 / 3, 0.02 / 3, 0.01, 0.01])
    loader = RowLoader(files, even(4), seed=1)
    tokens = [int(loader.batch(step).valid_BL.sum()) for step in range(1, 10)]
    assert [line["tokens"] for line in lines] == [sum(tokens[:step]) for step in range(1, 10)]
    assert set(lines[0]) == {
        "step", "tokens", "loss", "mtp_loss", "balance_loss", "lr", "grad_norm", "bias_speed", "mtp_weight",
        "balance_weight", "batch_size", "sequence_length", "skipped", "max_violation",
        "max_violation_by_layer",
    }  # fmt: skip
    for line in lines:
        assert len(line["max_violation_by_layer"]) == 2  # a block and a depth
        assert sum(line["max_violation_by_layer"]) / 2 == pytest.approx(line["max_violation"], abs=1e-4)


def test_weights_change_with_the_first_step_that_begins_at_their_tokens(files: Parts, tmp_path: Path) -> None:
    """A step of 4 rows of 16 is 64 slots: 128 are reached before step 3, 129 before step 4."""
    weights = {"bias_speed": [(0, 0.01), (128, 0.0)], "mtp_weight": [(0, 0.3), (129, 0.1)]}
    run(files, tmp_path / "whole", **weights, steps=6)
    lines = read_metrics(tmp_path / "whole")
    assert [line["bias_speed"] for line in lines] == [0.01] * 2 + [0.0] * 4
    assert [line["mtp_weight"] for line in lines] == [0.3] * 3 + [0.1] * 3
    run(files, tmp_path / "parts", steps=2, **weights)
    biases = load_file(tmp_path / "parts/model.safetensors")["blocks.1.mlp.gate.bias"]
    assert biases.any()
    run(files, tmp_path / "parts", steps=6, **weights)
    assert torch.equal(load_file(tmp_path / "parts/model.safetensors")["blocks.1.mlp.gate.bias"], biases)
    assert read_everything(tmp_path / "parts") == read_everything(tmp_path / "whole")


@pytest.mark.parametrize("balance", ["auxiliary", "none"])
def test_without_biases_none_moves(balance: str, files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=3, balance=balance)
    model = load_file(tmp_path / "model.safetensors")
    for name in ("blocks.1.mlp.gate.bias", "depths.0.block.mlp.gate.bias"):
        assert not model[name].any()
    assert {line["bias_speed"] for line in read_metrics(tmp_path)} == {0.0}


def test_v2s_gate_with_groups_trains_with_all_three_losses(files: Parts, tmp_path: Path) -> None:
    model = small_model(layers=2, gate="softmax", groups=4, chosen_groups=2, mtp_depth=0)
    weights = {"device_balance_weight": 0.05, "communication_balance_weight": 0.02}
    run(files, tmp_path / "all", steps=3, model=model, **weights)
    run(files, tmp_path / "one", steps=3, model=model)
    lines = [read_metrics(tmp_path / name) for name in ("all", "one")]
    assert lines[0][0]["loss"] == lines[1][0]["loss"] and lines[0][0]["grad_norm"] != lines[1][0]["grad_norm"]


def test_the_model_is_written_with_biases_in_float32(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path)
    model = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in model.values()} == {torch.float32}
    for name in ("blocks.1.mlp.gate.bias", "depths.0.block.mlp.gate.bias"):
        assert model[name].any()
    loads = json.loads((tmp_path / "expert_loads.json").read_text())
    assert loads["layers"] == ["blocks.1.mlp", "depths.0.block.mlp"]
    assert sum(loads["total"][0]) == read_metrics(tmp_path)[-1]["tokens"] * 3


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_rows(files: Parts, tmp_path: Path) -> None:
    with pytest.raises(DspipeError, match=r"step \d+: .*part-0000\d\.arrow:\d+") as error:
        run(files, tmp_path, learning_rate=1e20, warmup_steps=0, clip_norm=1e30)
    assert "\n" not in str(error.value)
    assert re.search(r"; first, (the [\w ]+ of )?[\w.]+ has (NaN|an infinity);", str(error.value))


def test_what_is_made_again_may_change_on_the_way_and_changes_no_bit(files: Parts, tmp_path: Path) -> None:
    changes: dict[str, Any] = EMULATED
    run(files, tmp_path / "kept", recompute=[], **changes)
    for steps, again in ((4, []), (6, ["norms", "projections"]), (9, None)):
        run(files, tmp_path / "again", steps=steps, recompute=again, **changes)
    assert read_everything(tmp_path / "kept") == read_everything(tmp_path / "again")


def test_weights_are_multiplied_as_the_optimizer_has_left_them(
    files: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(files, tmp_path / "kept", **EMULATED)
    monkeypatch.setattr(Fp8Products, "prepare", lambda products, weight: quantize_weight(weight.detach()))
    run(files, tmp_path / "anew", **EMULATED)
    assert read_everything(tmp_path / "kept") == read_everything(tmp_path / "anew")


def test_other_arithmetic_is_another_training(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=2, **EMULATED)
    for changes in ({}, {"fp8": Fp8(mode="emulate", wgrad="bf16")}, {"moments": "float32", **EMULATED}):
        with pytest.raises(DspipeError, match="another training"):
            run(files, tmp_path, **changes)


@pytest.mark.parametrize("micro_batch", [None, 1])
def test_a_token_beyond_the_vocabulary_stops_the_run_before_its_step_and_names_the_row(
    micro_batch: int | None, tmp_path: Path
) -> None:
    files = write_rows(tmp_path / "rows", rows=11, parts=2)
    file, _, row = RowLoader(files, even(4), seed=1).describe_rows(2)[2].partition(":")
    overwrite_tokens(tmp_path / "rows" / file, int(row), VOCABULARY)
    message = rf"step 2: .*/{file}:{row}\b.* {VOCABULARY}\b.*--rebuild pack"
    with pytest.raises(DspipeError, match=message):
        run(files, tmp_path / "model", micro_batch=micro_batch)
    assert len(read_metrics(tmp_path / "model")) == 1


def test_fewer_steps_than_done_and_another_network_are_refused(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, steps=3)
    with pytest.raises(DspipeError, match="already trained for 3 steps"):
        run(files, tmp_path, steps=2)
    with pytest.raises(DspipeError, match="another training"):
        run(files, tmp_path, model=small_model(layers=2, width=24))


def test_a_state_of_another_network_is_refused() -> None:
    network, other = small_network(), small_network(width=24)
    stray = {"optimizer.exp_avg.heap": torch.zeros(1)}
    for state in (other.state_dict(), {**network.state_dict(), **stray}):
        with pytest.raises(DspipeError, match="another network"):
            optimizer, guard = AdamW(network, make_settings()), Guard(None, torch.device("cpu"))
            restore_state(TrainingParts(network, optimizer, guard, None), state)


def test_a_network_without_experts_and_depths_trains(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path, model=small_model(layers=1, dense_layers=1, mtp_depth=0), steps=2)
    line = read_metrics(tmp_path)[-1]
    assert line["mtp_loss"] is line["balance_loss"] is line["max_violation"] is None


def test_bfloat16_computation_keeps_float32_weights(files: Parts, tmp_path: Path) -> None:
    run(files, tmp_path / "narrow", dtype="bfloat16", steps=3)
    run(files, tmp_path / "wide", steps=3)
    narrow, wide = (read_metrics(tmp_path / name)[-1]["loss"] for name in ("narrow", "wide"))
    assert narrow != wide
    assert narrow == pytest.approx(wide, rel=0.01)
    assert load_file(tmp_path / "narrow/model.safetensors")["head"].dtype == torch.float32


RICH: dict[str, Any] = {
    "average": 0.9, "spike": 3.0, "evaluation_steps": 3, "load_steps": 4, "keep_last": 2, "keep_every": 4,
    "micro_batch": 3, "batch_size": [SizeEntry(0, 4), SizeEntry(128, 6)],
    "sequence_length": [SizeEntry(0, 16), SizeEntry(500, 24)],
    "mtp_weight": [WeightEntry(0, 0.3), WeightEntry(200, 0.1)],
}  # fmt: skip


class Judge(Evaluator):
    """Evaluates on a few of the rows that are trained on."""

    def __init__(self, files: Parts, settings: Train) -> None:
        self.files, self.settings = files, settings

    def evaluate(
        self, network: Any, average: Any, renew: Any, step: int, length: int, size: int
    ) -> Evaluation | None:
        labels = [Label("web", "en", False)] * 4
        rows = HeldOut(TrainedParts(length, self.files[length]), np.arange(4), labels, VOCABULARY)
        found = evaluate(network, rows, self.settings, size, torch.ones(VOCABULARY).long(), step)
        assert found is not None and average is not None
        with average.in_place(renew):
            averaged = evaluate(network, rows, self.settings, size, torch.ones(VOCABULARY).long(), step)
        return dataclasses.replace(found, average=averaged)


def run_all(
    files: Parts, folder: Path, on_step: Callable[[StepMetrics], None] = lambda metrics: None, **changes: Any
) -> Trained:
    """A training with everything that it can have."""
    settings = make_settings(**(RICH | changes))
    course = plan_course(settings, list(files))
    loader = RowLoader(files, course.phases, settings.seed or 0, VOCABULARY)
    return train(settings, course, loader, VOCABULARY, folder, Judge(files, settings), on_step)


def test_a_training_with_everything_is_the_same_after_kills_anywhere(files: Parts, tmp_path: Path) -> None:
    """Average, guard, evaluations, phases, kept checkpoints: twice in a row, over a change of phase."""
    run_all(files, tmp_path / "whole", steps=14)
    for step in (3, 3, 5, 7, 9, 13):
        with pytest.raises(Killed):
            run_all(files, tmp_path / "killed", kill_after(step), steps=14)
    run_all(files, tmp_path / "killed", steps=14)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")
    names = sorted(path.name for path in (tmp_path / "whole/checkpoint").glob("step-*"))
    assert names == [f"step-{step:09d}.safetensors" for step in (4, 8, 12, 14)]
    lines = [json.loads(line) for line in (tmp_path / "whole/evaluations.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12, 14]
    assert [line["sequence_length"] for line in lines] == [16, 16, 24, 24, 24]
    assert all(line["average"]["loss"] != line["loss"] for line in lines)
    loads = [json.loads(line) for line in (tmp_path / "whole/expert_loads.jsonl").read_text().splitlines()]
    assert [line["step"] for line in loads] == [4, 8, 12]


def test_more_steps_after_a_kill_before_the_last_evaluation_leave_none_out(
    files: Parts, tmp_path: Path
) -> None:
    run_all(files, tmp_path / "whole", steps=9)
    with pytest.raises(Killed):
        run_all(files, tmp_path / "killed", kill_after(6), steps=6)
    run_all(files, tmp_path / "killed", steps=9)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")


def test_an_outcome_that_is_read_late_is_the_same(
    files: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a GPU works while the machine goes on."""
    run_all(files, tmp_path / "at once")
    with monkeypatch.context() as patch:
        patch.setattr(dspipe.train.loop, "READ_LATE", ("cpu",))
        with pytest.raises(Killed):
            run_all(files, tmp_path / "late", kill_after(5))
        run_all(files, tmp_path / "late")
    assert read_everything(tmp_path / "late") == read_everything(tmp_path / "at once")


def test_a_batch_that_stands_out_is_skipped_and_leaves_everything_as_it_was(
    files: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps 6 and 7 are called spikes: weights, moments, biases and average stay, tokens count."""
    changes: dict[str, Any] = {"checkpoint_steps": 1, "keep_last": 99, "steps": 8}
    monkeypatch.setattr(dspipe.train.guard, "FEWEST", 1)
    steps = iter(range(2, 9))
    monkeypatch.setattr(Guard, "find_spike", lambda guard, values: torch.tensor(next(steps) in (6, 7)))
    said: list[str] = []
    settings = make_settings(**(RICH | changes))
    course = plan_course(settings, list(files))
    loader = RowLoader(files, course.phases, 1, VOCABULARY)
    train(settings, course, loader, VOCABULARY, tmp_path, Judge(files, settings), say=said.append)
    states = [load_file(tmp_path / f"checkpoint/step-{step:09d}.safetensors") for step in range(1, 9)]
    for name in states[0]:
        same = [torch.equal(states[4][name], states[step][name]) for step in (5, 6)]
        assert same == [not name.startswith("run.") or name == "run.averaged"] * 2, name
    assert not torch.equal(states[6]["head"], states[7]["head"])
    lines = read_metrics(tmp_path)
    assert [line["skipped"] for line in lines] == [step in (6, 7) for step in range(1, 9)]
    assert lines[6]["tokens"] > lines[5]["tokens"] > lines[4]["tokens"]
    assert states[7]["run.counts"].tolist() == [8, 2, lines[-1]["tokens"]]
    assert sum("its batch is skipped" in line for line in said) == 2 and said[-1].startswith("step 7: loss ")


def test_a_row_that_is_no_number_is_named_with_its_documents(
    files: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token whose embedding is no number stands in the rows of one step alone."""
    loader = RowLoader(files, plan_course(make_settings(), [16, 24]).phases, 1, VOCABULARY)
    bad = int(loader.batch(3).tokens_BL[2, 0])
    rows = [row for row in range(4) if bad in loader.batch(3).tokens_BL[row, :-1]]
    build = dspipe.train.preparation.build_transformer

    def build_bad(*arguments: Any) -> Any:
        network = build(*arguments)
        with torch.no_grad():
            network.embedding[bad] = torch.nan
        return network

    with monkeypatch.context() as patch, pytest.raises(DspipeError) as error:
        patch.setattr(dspipe.train.preparation, "build_transformer", build_bad)
        run(files, tmp_path)
    message = str(error.value)
    step = int(message[5 : message.index(":")])
    batch = loader.batch(step).tokens_BL
    rows = [place for row, place in enumerate(loader.describe_rows(step)) if bad in batch[row]]
    assert len(rows) > 0 and all(f"{place} of 0, 1" in message for place in rows[:4])
    assert message.count(".arrow:") == min(4, len(rows)) and "\n" not in message
    assert "first, embedding has NaN" in message and f"dspipe trace RUN --step {step}" in message
    assert len(read_metrics(tmp_path)) == step - 1
