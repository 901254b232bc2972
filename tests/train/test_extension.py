"""YaRN takes force with the first rows that need it, in one training, and what is written knows of it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from dspipe.model.checkpoint.folders import export_model
from dspipe.model.checkpoint.manifest import read_network
from dspipe.model.transformer import Transformer
from dspipe.reading import check_recipe
from dspipe.recipe import Export, Model, RecipeError, Train, Yarn, packed_lengths
from dspipe.shards import Artifact, Counts, Header, Output, open_artifact, record_file
from dspipe.train.extension import is_extended, starts_extended
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.loop import train
from dspipe.train.schedule.course import plan_course
from dspipe.train.schedule.phases import plan_phases
from dspipe.train.showing.metrics import StepMetrics
from dspipe.train.stage import run
from dspipe.train.start import describe_start
from tests.model.checkpoint.written import close, load_transformers
from tests.reference.networks import VOCABULARY, random_batch, small_model
from tests.reference.rows import Parts, write_rows
from tests.support import make_workers
from tests.train.test_loop import Killed, kill_after, read_everything, read_metrics

ROOT = Path(__file__).parents[2]
YARN = Yarn(factor=4.0, original_length=16, beta_fast=2.0, beta_slow=0.5)
LENGTHS = [(0, 16), (192, 24), (288, 40), (400, 16)]  # 64 slots a step, then 96, 160 and 64: steps 4, 5, 6
FIRST = 4  # step whose rows are longer than 16


def make_settings(**changes: Any) -> Train:
    model = small_model(layers=2, initial_deviation=0.05, yarn=YARN)
    values: dict[str, Any] = dict(
        steps=8, batch_size=4, sequence_length=LENGTHS, learning_rate=0.01, warmup_steps=3,
        checkpoint_steps=2, seed=1, model=model,
    )  # fmt: skip
    return Train(**(values | changes))


def without_yarn(settings: Train) -> Train:
    return msgspec.structs.replace(settings, model=msgspec.structs.replace(settings.model, yarn=None))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    folder = tmp_path_factory.mktemp("sequences")
    return {
        length: paths
        for length in (16, 24, 40)
        for length, paths in write_rows(folder, rows=9, parts=1, length=length).items()
    }


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    output = Output(tmp_path_factory.mktemp("tokenizer"), Header("tokenizer", 1, {}, "tokens", []))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (output.folder / name).write_text("{}")
    output.close([], Counts(0, 0), facts={"vocabulary": VOCABULARY, "model_rows": VOCABULARY})
    return open_artifact(output.folder)


@pytest.fixture(scope="module")
def sequences(files: Parts, tokenizer: Artifact) -> Artifact:
    folder = files[16][0][0].parent.parent
    packed = [{"artifact": "tokenizer", "fingerprint": tokenizer.manifest.fingerprint}]
    output = Output(folder, Header("pack", 1, {}, "packed", packed))
    parts = [
        record_file(folder, str(path.relative_to(folder)), rows)
        for paths in files.values()
        for path, rows in paths
    ]
    output.close(parts, Counts(27, 27))
    return open_artifact(folder)


def run_loop(
    files: Parts,
    folder: Path,
    settings: Train,
    on_step: Callable[[StepMetrics], None] = lambda metrics: None,
) -> Transformer:
    course = plan_course(settings, list(files))
    loader = RowLoader(files, course.phases, 1, VOCABULARY)
    return train(settings, course, loader, VOCABULARY, folder, on_step=on_step).network


def run_stage(settings: Train, sequences: Artifact, tokenizer: Artifact, folder: Path) -> Artifact:
    header = Header("train", 1, msgspec.to_builtins(settings), "made", [])
    run(settings, sequences, tokenizer, Output(folder, header, "model"), make_workers(folder))
    return open_artifact(folder)


@pytest.mark.parametrize(
    ("lengths", "original", "first"),
    [
        ([(0, 16), (100, 32)], 16, 3),
        ([(0, 16), (100, 32), (200, 16)], 16, 3),  # in force from then on
        ([(0, 16), (100, 32), (200, 64)], 32, 4),
        ([(0, 32)], 16, 1),
        ([(0, 32)], 32, None),
    ],
)
def test_yarn_is_in_force_from_the_first_step_with_longer_rows(
    lengths: list[tuple[int, int]], original: int, first: int | None
) -> None:
    phases = plan_phases([(0, 4)], lengths, [16, 32, 64])
    model = Model(yarn=Yarn(original_length=original))
    expected = [first is not None and step >= first for step in range(6)]
    assert [is_extended(model, phases, step) for step in range(6)] == expected
    assert not any(is_extended(Model(), phases, step) for step in range(6))


def test_short_rows_are_learned_without_yarn_and_long_ones_with_it(files: Parts, tmp_path: Path) -> None:
    settings = make_settings()
    network = run_loop(files, tmp_path / "with", settings)
    run_loop(files, tmp_path / "without", without_yarn(settings))
    losses = [
        [line["loss"] for line in read_metrics(tmp_path / name) if line["step"] <= FIRST]
        for name in ("with", "without")
    ]
    assert losses[0][: FIRST - 1] == losses[1][: FIRST - 1] and losses[0][-1] != losses[1][-1]
    assert network.extended  # though the last rows are short


def test_a_run_killed_around_the_extension_and_resumed_gives_the_same_bits(
    files: Parts, tmp_path: Path
) -> None:
    settings = make_settings()
    run_loop(files, tmp_path / "whole", settings)
    for step in (FIRST - 1, FIRST, FIRST + 1, 7):  # resumed at 3, 3, 5 and 7; the last is of short rows
        with pytest.raises(Killed):
            run_loop(files, tmp_path / "killed", settings, kill_after(step))
    run_loop(files, tmp_path / "killed", settings)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")


@pytest.mark.parametrize("steps", [FIRST - 1, FIRST, 8])
def test_a_training_that_is_done_already_knows_what_its_network_is(
    steps: int, files: Parts, tmp_path: Path
) -> None:
    settings = make_settings(steps=steps)
    first, again = (run_loop(files, tmp_path, settings).extended for _ in range(2))
    assert first == again == (steps >= FIRST)


@pytest.mark.parametrize("steps", [FIRST - 1, FIRST])
def test_transformers_reads_the_network_as_it_was_trained_last(
    steps: int, sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    settings, extended = make_settings(steps=steps), steps >= FIRST
    model = run_stage(settings, sequences, tokenizer, tmp_path / "model")
    assert model.manifest.facts["extended"] is extended
    stored = json.loads((model.folder / "recipe.json").read_text())["train"]
    assert msgspec.convert(stored, Train) == settings  # what was asked for stays what it was
    (tmp_path / "hf").mkdir()
    export_model(model, tmp_path / "hf", Export(dtype="float32"), lambda done, total: None)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert (config["rope_scaling"] is not None) == extended
    assert config["max_position_embeddings"] == (64 if extended else 16)

    theirs, _ = load_transformers(tmp_path / "hf")
    network = run_loop(list_parts(sequences), model.folder, settings)  # done already
    batch = random_batch([[16]], 16)
    with torch.no_grad():
        ours = network.compute_logits(network(batch).hidden_BLD[0])
        close(ours, theirs(batch.tokens_BL).logits, 1e-5)
        network.extended = not extended
        other = network.compute_logits(network(batch).hidden_BLD[0])
    assert (other - ours).abs().max() > 1e-4 * ours.abs().max()


def test_a_training_goes_on_from_a_network_that_is_not_extended_yet(
    sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    """Whatever YaRN its settings had, which never came into force."""
    run_stage(make_settings(steps=2), sequences, tokenizer, tmp_path / "short")
    other = msgspec.structs.replace(make_settings().model, yarn=Yarn(factor=8.0, original_length=16))
    settings = make_settings(
        start=str(tmp_path / "short"), model=other, steps=2, sequence_length=[(0, 16), (64, 40)]
    )
    assert not starts_extended(settings)
    model = run_stage(settings, sequences, tokenizer, tmp_path / "long")
    assert model.manifest.facts["extended"] is True
    assert read_network(model.manifest) == other
    straight = make_settings(start=str(tmp_path / "short"), model=other, steps=1, sequence_length=40)
    assert run_stage(straight, sequences, tokenizer, tmp_path / "straight").manifest.facts["extended"]


def test_a_training_from_an_extended_network_keeps_it_so_for_short_rows(
    sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    run_stage(make_settings(steps=FIRST), sequences, tokenizer, tmp_path / "long")
    settings = make_settings(start=str(tmp_path / "long"), steps=1, sequence_length=16)
    assert starts_extended(settings)
    model = run_stage(settings, sequences, tokenizer, tmp_path / "short")
    assert model.manifest.facts["extended"] is True
    for changed in (without_yarn(settings).model, small_model(layers=2, yarn=Yarn())):
        with pytest.raises(RecipeError, match=r"train\.model\.yarn: is not that of train\.start"):
            describe_start(msgspec.structs.replace(settings, model=changed))


def test_the_recipes_in_the_documentation_have_the_steps_that_it_says() -> None:
    page = (ROOT / "docs" / "extension.md").read_text("utf-8")
    example, published = [
        check_recipe({"name": "documented", **tomllib.loads(text)}, "docs/extension.md")
        for text in re.findall(r"```toml\n(.*?)```", page, re.S)
    ]
    for recipe, expected in [
        (example, [(1, 64, 256), (2001, 16, 1024), (2101, 8, 2048)]),
        (published, [(1, 1920, 32_768), (1001, 480, 131_072)]),
    ]:
        phases = plan_phases(
            recipe.train.batch_size, recipe.train.sequence_length, packed_lengths(recipe.pack)
        )
        assert [phase[:3] for phase in phases] == expected
    assert published.train.model.yarn == Yarn() and is_extended(published.train.model, phases, 1)
