"""`dspipe run` and chains of stages: a recipe and options → a walked road, with a line for each stage."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click
import msgspec

from dspipe.commands.settings import count_documents
from dspipe.commands.terminal import print_json, show_size
from dspipe.dedup.room import disk_per_document
from dspipe.plan import Step, plan, stages_until
from dspipe.reading import load_recipe
from dspipe.recipe import Recipe, packed_lengths
from dspipe.road import STAGES, Stage
from dspipe.runner import Outcome, Watcher, walk
from dspipe.shards import Counts
from dspipe.workers import Pool

# Bytes written per byte of source files, as seen on 24,000 crawled pages; good to a factor of three.
DISK_SHARE = {
    "documents": 0.7,
    "signals": 0.05,
    "filtered": 0.7,
    "distinct": 0.5,
    "mixture": 0.5,
    "sequences": 3.0,  # for each length, and once for the encoded documents that rows are laid from
}
BYTES_PER_DOCUMENT = 2000  # of source files, where the documents are not counted yet; seen on the same pages
BYTES_PER_TOKEN = 80  # of tokenizer.json
BYTES_OF_MODEL = {"bfloat16": 20, "float32": 28}  # a parameter: weights, and twice what a checkpoint has
BYTES_OF_EXPORT = 2  # a parameter: bfloat16


def run(
    file: Path,
    *,
    stages: Sequence[str] = (),
    until: str | None = None,
    assignments: Sequence[str],
    shards: Path,
    workers: int | None,
    memory: int | None,
    rebuild: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run the stages named, or all those that a run up to `until` needs."""
    recipe = load_recipe(file, assignments)
    folder = shards / recipe.name
    chosen = [STAGES[name] for name in stages] if until is None else stages_until(recipe, until)
    if dry_run:
        show_plan(recipe, folder, chosen, rebuild, as_json)
        return
    signal.signal(signal.SIGTERM, interrupt)
    pool = Pool(workers or len(os.sched_getaffinity(0)), memory)
    watcher = Bars(as_json) if sys.stderr.isatty() else Lines(as_json)
    try:
        outcomes = walk(recipe, folder, chosen, pool, watcher, rebuild)
    finally:
        watcher.close()
        pool.close()
    if as_json:
        print_json([describe(outcome) for outcome in outcomes])


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Lines(Watcher):
    """One line for each stage."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def end(self, outcome: Outcome) -> None:
        if not self.quiet:
            self.print_line(summarize(outcome))

    def say(self, stage: str, line: str) -> None:
        if not self.quiet:
            self.print_line(f"{stage:<10} {line}")

    def print_line(self, line: str) -> None:
        click.echo(line)

    def close(self) -> None:
        """Leave the terminal as it was found."""


class Bars(Lines):
    """The same lines, and under them a bar for the stage at work."""

    def __init__(self, quiet: bool) -> None:
        from rich import progress
        from rich.console import Console

        super().__init__(quiet)
        self.bars = progress.Progress(
            progress.TextColumn("{task.description:<10}"),
            progress.BarColumn(bar_width=20),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # lines go where standard output goes, which may be a file
        )
        self.bars.start()

    def begin(self, step: Step) -> None:
        self.task = self.bars.add_task(step.stage.name, total=None, note="")

    def progress(self, done: int, total: int, note: str = "") -> None:
        self.bars.update(self.task, completed=done, total=total, note=note)

    def end(self, outcome: Outcome) -> None:
        self.bars.remove_task(self.task)
        super().end(outcome)

    def print_line(self, line: str) -> None:
        if sys.stdout.isatty():  # above the bar, which is on the same terminal
            self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line)

    def close(self) -> None:
        self.bars.stop()


def summarize(outcome: Outcome) -> str:
    """One line: what a stage took, what it gave, where the rest went."""
    name = outcome.step.stage.name
    if outcome.step.state == "used":
        return f"{name:<10} taken from {', '.join(m.artifact for m in outcome.manifests)} of another run"
    manifest = outcome.manifests[-1]
    size = sum(part.bytes for m in outcome.manifests for part in (*m.parts, *m.beside))
    count = len(manifest.parts)
    seconds = "already done" if outcome.step.state == "done" else f"{outcome.seconds:.1f} s"
    fields = [describe_counts(manifest.counts), *manifest.facts.get("line", [])]
    fields += [f"{count} part{'s' * (count != 1)}, {show_size(size)}", seconds]
    return f"{name:<10} {'; '.join(fields)}"


def describe_counts(counts: Counts) -> str:
    added = f" + {counts.added:,} repeats" if counts.added else ""
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in largest(counts.dropped))
    dropped = f", {sum(counts.dropped.values()):,} dropped ({reasons})" if reasons else ""
    return f"{counts.in_:,} in{added}, {counts.out:,} out{dropped}"


def largest(dropped: dict[str, int], most: int = 5) -> list[tuple[str, int]]:
    shown = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in shown[most:])
    return shown[:most] + ([("other", rest)] if rest else [])


def describe(outcome: Outcome) -> dict[str, Any]:
    return {
        "stage": outcome.step.stage.name,
        "state": outcome.step.state,
        "seconds": round(outcome.seconds, 3),
        "artifacts": [msgspec.to_builtins(manifest) for manifest in outcome.manifests],
    }


def show_plan(
    recipe: Recipe, folder: Path, stages: Sequence[Stage], rebuild: str | None, as_json: bool
) -> None:
    """Print what would run and the disk it needs, about."""
    steps = plan(recipe, folder, stages, rebuild)
    source = sum(entry["bytes"] or 0 for step in steps for entry in step.header.inputs if "sample" in entry)
    rows: list[dict[str, Any]] = []
    for step in steps:
        idle = step.state in ("used", "done")
        size = 0 if idle else sum(estimate_disk(recipe, artifact, source) for artifact in step.stage.writes)
        if step.stage.name == "dedup" and not idle:
            size += estimate_work(recipe, folder, source)
        writes = list(step.stage.writes)
        rows.append({"stage": step.stage.name, "state": step.state, "writes": writes, "bytes": size})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        need = f"about {show_size(row['bytes'])}" if row["bytes"] else ""
        click.echo(f"{row['stage']:<10} {row['state']:<14} {' '.join(row['writes']):<18} {need}".rstrip())
    click.echo(f"disk needed: about {show_size(sum(row['bytes'] for row in rows))}")


def estimate_work(recipe: Recipe, folder: Path, source: int) -> int:
    """Bytes that dedup will need beside what it writes, about, while it is at work."""
    documents, _ = count_documents(recipe, folder)
    counted = source // BYTES_PER_DOCUMENT if documents is None else documents
    return counted * sum(disk_per_document(recipe.dedup).values())


def estimate_disk(recipe: Recipe, artifact: str, source: int) -> int:
    """Bytes that an artifact will take, about, from the bytes of the source files."""
    from dspipe.model.costs import count_parameters

    if artifact in ("model", "hf"):
        parameters = count_parameters(recipe.train.model, recipe.tokenizer.vocab_size + 128)
        each = BYTES_OF_MODEL[recipe.train.moments] if artifact == "model" else BYTES_OF_EXPORT
        return each * parameters.total
    if artifact == "tokenizer":
        return BYTES_PER_TOKEN * recipe.tokenizer.vocab_size
    copies = 1 + len(packed_lengths(recipe.pack)) if artifact == "sequences" else 1
    return int(DISK_SHARE[artifact] * source * copies)
