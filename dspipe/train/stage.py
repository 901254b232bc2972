"""model = the network trained on `sequences`, with what it takes to use it, judge it and go on training."""

from __future__ import annotations

import msgspec

from dspipe.bpe.files import list_files
from dspipe.recipe import RecipeError, Train
from dspipe.shards import Artifact, Output, record_file, write_file
from dspipe.train.evaluation import choose_size, evaluate, write_evaluation
from dspipe.train.loading.held_out import open_held_out
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.loop import StepMetrics, train
from dspipe.train.summary import count_rows, describe_training
from dspipe.workers import Workers


def run(settings: Train, sequences: Artifact, tokenizer: Artifact, model: Output, workers: Workers) -> None:
    """Train up to `settings.steps`, from the last checkpoint if there is one, and evaluate the outcome."""
    check_tokenizer(sequences, tokenizer)
    vocabulary = int(tokenizer.manifest.facts["model_rows"])
    sizes, lengths, seed = settings.batch_size, settings.sequence_length, settings.seed or 0
    entries = int(tokenizer.manifest.facts["vocabulary"])  # the network has some rows more
    loader = RowLoader(list_parts(sequences), sizes, lengths, seed, entries)

    def report(metrics: StepMetrics) -> None:
        workers.report(metrics.step, settings.steps)

    network = train(settings, loader, vocabulary, model.folder, report, workers.say)
    met = loader.count_met(settings.steps)
    longest = max(length for length, rows in met.items() if rows)
    held_out = open_held_out(sequences, longest, settings.evaluation_tokens, entries)
    if 0 < settings.evaluation_tokens < longest:
        workers.say(f"no evaluation: train.evaluation_tokens are less than a row of {longest}")
    evaluation = evaluate(network, held_out, settings, choose_size(settings, loader.phases, longest))
    write_evaluation(evaluation, model.folder / "evaluation.json")
    write_file(
        model.folder / "recipe.json", msgspec.json.format(msgspec.json.encode({"train": settings})) + b"\n"
    )
    for name in list_files(tokenizer.folder):
        write_file(model.folder / name, (tokenizer.folder / name).read_bytes())
    facts = describe_training(settings, vocabulary, longest, model.folder / "metrics.jsonl", evaluation)
    made = ("model.safetensors", "metrics.jsonl", "expert_loads.json", "evaluation.json", "recipe.json")
    parts = [record_file(model.folder, name, 1) for name in (*made, *list_files(tokenizer.folder))]
    saved = sorted(
        path.relative_to(model.folder) for path in (model.folder / "checkpoint").rglob("*") if path.is_file()
    )
    beside = [record_file(model.folder, str(path), 1) for path in saved]
    model.close(parts, count_rows(loader.counts, met), beside, facts)


def check_tokenizer(sequences: Artifact, tokenizer: Artifact) -> None:
    packed = {entry.get("artifact"): entry.get("fingerprint") for entry in sequences.manifest.inputs}
    if packed.get("tokenizer") != tokenizer.manifest.fingerprint:
        raise RecipeError(
            f"train: {sequences.folder} was packed with another tokenizer than {tokenizer.folder}; "
            "use both from the same run, or pack again"
        )
