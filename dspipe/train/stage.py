"""model = the network trained on `sequences`, with what it takes to use it, judge it and go on training."""

from __future__ import annotations

from pathlib import Path

import msgspec

from dspipe.bpe.files import list_files
from dspipe.recipe import RecipeError, Train
from dspipe.shards import Artifact, Output, record_file, write_file
from dspipe.train.evaluating.evaluator import Evaluator, choose_held_out, find_tokenizer
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.loop import train
from dspipe.train.schedule.course import plan_course
from dspipe.train.showing.metrics import StepMetrics
from dspipe.train.summary import count_rows, describe_training
from dspipe.workers import Workers

WEIGHTS = Path("model.safetensors")  # named first
BESIDE, BOARDS = "checkpoint", ("tensorboard", "wandb")  # folders of what is no part of the model


def run(settings: Train, sequences: Artifact, tokenizer: Artifact, model: Output, workers: Workers) -> None:
    """Train as far as the settings say, from the last checkpoint if there is one, evaluations included."""
    check_tokenizer(sequences, tokenizer)
    vocabulary = int(tokenizer.manifest.facts["model_rows"])
    entries = int(tokenizer.manifest.facts["vocabulary"])  # the network has some rows more
    parts = list_parts(sequences)
    course = plan_course(settings, list(parts))
    loader = RowLoader(parts, course.phases, settings.seed or 0, entries)

    def report(metrics: StepMetrics) -> None:
        workers.report(metrics.step, course.steps, metrics.describe())

    met = loader.count_met(course.steps)
    longest = max(length for length, rows in met.items() if rows)
    if 0 < settings.evaluation_tokens < longest:
        workers.say(f"no evaluation: train.evaluation_tokens are less than a row of {longest}")
    held_out = choose_held_out(settings, sequences, longest)
    evaluator = Evaluator(held_out, tokenizer.folder, settings, entries)
    trained = train(
        settings, course, loader, vocabulary, model.folder, evaluator, report, workers.say, workers.memory
    )
    write_file(
        model.folder / "recipe.json", msgspec.json.format(msgspec.json.encode({"train": settings})) + b"\n"
    )
    for name in list_files(tokenizer.folder):
        write_file(model.folder / name, (tokenizer.folder / name).read_bytes())
    facts = describe_training(settings, vocabulary, longest, model.folder / "metrics.jsonl", trained)
    files = [path for path in model.folder.rglob("*") if path.is_file()]
    names = sorted(
        (path.relative_to(model.folder) for path in files), key=lambda name: (name != WEIGHTS, name)
    )
    beside = [name for name in names if name.parts[0] == BESIDE]
    made = [name for name in names if name.parts[0] not in (BESIDE, *BOARDS, "manifest.json")]
    written = ([record_file(model.folder, str(name), 1) for name in some] for some in (made, beside))
    model.close(next(written), count_rows(loader.counts, met), next(written), facts)


def check_tokenizer(sequences: Artifact, tokenizer: Artifact) -> None:
    if find_tokenizer(sequences) != tokenizer.manifest.fingerprint:
        raise RecipeError(
            f"train: {sequences.folder} was packed with another tokenizer than {tokenizer.folder}; "
            "use both from the same run, or pack again"
        )
