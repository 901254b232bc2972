"""The command line: parses, calls, prints. Commands live in `commands/`, stages in their folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dspipe import __version__
from dspipe.recipe import DspipeError
from dspipe.road import ROAD, STAGES, Stage

NAMES = click.Choice(list(STAGES))


def parse_memory(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """8GiB → bytes."""
    if text is None:
        return None
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    number, letters = text.rstrip("iIbB").rstrip("KMGTkmgt"), text.rstrip("iIbB")[-1:].upper()
    try:
        size = int(float(number) * units[letters if letters in "KMGT" else ""])
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text} is no size; write for example 8GiB") from None
    if size < 1 << 29:
        raise click.BadParameter(f"{text} is too little; give at least 512MiB")
    return size


def run_options(command: Any) -> Any:
    """The options that `dspipe run RECIPE` and `dspipe -r RECIPE STAGE…` share."""
    options = [
        click.option("--until", type=NAMES, help="Stop after this stage."),
        click.option(
            "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override a key of the recipe."
        ),
        click.option(
            "--shards",
            type=click.Path(path_type=Path),
            default="shards",
            show_default=True,
            help="Where runs are kept.",
        ),
        click.option(
            "--workers", type=click.IntRange(min=1), help="Processes; the cores there are by default."
        ),
        click.option(
            "--memory",
            callback=parse_memory,
            metavar="SIZE",
            help="What the run may use, e.g. 8GiB: fewer workers run where it is little.",
        ),
        click.option("--rebuild", type=NAMES, help="Make this stage and everything after it again."),
        click.option("--dry-run", is_flag=True, help="Print what would run and the disk it needs."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class InOrder(click.Group):
    """Lists the commands as they were added: the whole road, its stages, then what looks at them."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-r", "--recipe", type=click.Path(path_type=Path), help="The recipe, for a chain of stages.")
@run_options
@click.version_option(__version__, prog_name="dspipe")
@click.pass_context
def dspipe(context: click.Context, /, recipe: Path | None, **options: Any) -> None:
    """From a crawl to a trained DeepSeek-V3-style model.

    \b
    dspipe run recipes/smoke.toml                      the whole road
    dspipe -r recipes/smoke.toml extract filter dedup  some of its stages
    """
    given = [name for name in options if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if context.invoked_subcommand not in STAGES and (recipe is not None or given):
        raise click.UsageError(f"write the options behind `{context.invoked_subcommand}`, not before it")
    context.obj = (recipe, options)


@dspipe.command(name="run", short_help="walk the whole road of a recipe")
@click.argument("recipe", type=click.Path(path_type=Path))
@run_options
def run_recipe(recipe: Path, until: str | None, **options: Any) -> None:
    """Walk the road of RECIPE: what is done is skipped, what was interrupted goes on.

    \b
    Example: dspipe run recipes/smoke.toml --until mix --set dedup.similarity=0.9
    """
    from dspipe.commands.run import run

    run(recipe, until=until or ROAD[-1].name, **options)


def add_stage(stage: Stage) -> None:
    """Make a command of a stage, which takes the names of further stages behind it."""
    source, target = " and ".join(stage.reads) or "the recipe's sources", " and ".join(stage.writes)

    @dspipe.command(stage.name, short_help=f"stage: {source} → {target}")
    @click.argument("further", nargs=-1, type=NAMES, metavar="[STAGE]...")
    @click.pass_context
    def run_chain(context: click.Context, /, further: tuple[str, ...]) -> None:
        recipe, options = context.obj
        named = (stage.name, *further)
        if recipe is None:
            raise click.UsageError(f"name the recipe: dspipe -r RECIPE {' '.join(named)}")
        if options["until"] is not None:
            raise click.UsageError("--until goes with `dspipe run`; here, name the stages")
        from dspipe.commands.run import run

        run(recipe, stages=[name for name in STAGES if name in named], **options)

    run_chain.help = f"Stage: {source} → {target}.\n\n\b\nExample: dspipe -r recipes/smoke.toml {stage.name}"


for _stage in ROAD:
    add_stage(_stage)


@dspipe.command(short_help="show what is in an artifact or a recipe")
@click.argument("path", type=click.Path(path_type=Path), metavar="ARTIFACT|RECIPE")
@click.option(
    "--rows", type=click.IntRange(min=0), default=3, show_default=True, help="How many rows to show."
)
@click.option(
    "--reason",
    metavar="REASON",
    help="Show what was dropped for this reason, and how the originals begin; copies, and pieces (`line`, "
    "`substring`), with what is kept instead and the differences marked.",
)
@click.option("--clusters", is_flag=True, help="Of `distinct`: the documents with the most copies.")
@click.option(
    "--id", "document", metavar="ID", help="Of `distinct`: the pairs of a document whose id begins like this."
)
@click.option(
    "--rule",
    metavar="RULE",
    help="Show what a rule of `filter`, or a signal, does, and documents on both sides of its threshold.",
)
@click.option(
    "--at", type=float, metavar="VALUE", help="With --rule: another threshold than the one in force."
)
@click.option(
    "--shards",
    type=click.Path(path_type=Path),
    default="shards",
    show_default=True,
    help="Of a recipe: where its run is, whose documents are counted.",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="FILE",
    help="Of a tokenizer: another one to compare it with (tokenizer.json, .model, or a folder); the word "
    "`sentencepiece` trains one as large on the run's mixture.",
)
@click.option(
    "--data",
    metavar="GLOB",
    help="Of a tokenizer: texts to measure on (Parquet or JSON lines with `text`, and `language`, `domain` "
    "and `source_id`, which parallel texts have in common, where there are).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def inspect(
    path: Path,
    rows: int,
    reason: str | None,
    rule: str | None,
    at: float | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show an artifact's schema, counts and a few rows, or a recipe with every setting filled in.

    Of a recipe, also which pairs of documents dedup would catch, the disk that it needs for that, and what
    the training does when. Of a
    tokenizer, how it compresses languages and domains, and which of its entries are of no use.

    \b
    Example: dspipe inspect shards/smoke/filtered
             dspipe inspect shards/smoke/documents --reason not-html --rows 10
             dspipe inspect shards/smoke/filtered --rule gopher-words --at 60
             dspipe inspect shards/smoke/distinct --clusters --rows 10
             dspipe inspect shards/smoke/distinct --reason near-copy
             dspipe inspect shards/smoke/tokenizer --beside other/tokenizer.json
             dspipe inspect other/tokenizer.json --data 'parallel/*.jsonl'
             dspipe inspect recipes/smoke.toml
    """
    if at is not None and rule is None:
        raise click.UsageError("--at goes with --rule: name the rule or the signal")
    given = {
        "--rule": rule,
        "--reason": reason,
        "--clusters": options["clusters"],
        "--id": options["document"],
    }
    named = [name for name, value in given.items() if value]
    if len(named) > 1 and named != ["--reason", "--id"]:
        raise click.UsageError(f"{' and '.join(named)} show different things: give one of them")
    from dspipe.commands.inspect import inspect as show

    show(path, rows, as_json, reason, rule, at, **options)


@dspipe.command(short_help="follow one document through a run, or a training row back to its documents")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("document", metavar="[ID]", required=False)
@click.option(
    "--page", is_flag=True, help="Read the original again from its source, and show it and the text."
)
@click.option(
    "--row",
    metavar="ROW",
    help="Show the documents of a row: its number among all of its length, or its part and its number there.",
)
@click.option(
    "--token", type=click.IntRange(min=0), metavar="P", help="With --row: the document behind its token P."
)
@click.option(
    "--step", type=click.IntRange(min=1), metavar="N", help="Show the documents of a training step."
)
@click.option(
    "--length",
    type=click.IntRange(min=1),
    help="With --row: of which packed length; the first by default.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --page: a recipe that says where the sources lie now, if they have moved; with --row and "
    "--step: one whose [use] says where artifacts of other runs lie.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def trace(
    run: Path,
    document: str | None,
    page: bool,
    row: str | None,
    token: int | None,
    step: int | None,
    length: int | None,
    recipe: Path | None,
    as_json: bool,
) -> None:
    """Show one document's way through RUN: kept or dropped and why, its cluster, its draws, rows and steps.

    ID is a document's id, the beginning of one, its URL, or the place of a record: FILE:OFFSET. A URL or a
    place may also be that of a record that gave no document.

    With --row or --step, go back from what is trained to the documents: what each is, and where it is from.

    \b
    Example: dspipe trace shards/smoke https://kettle.example/
             dspipe trace shards/smoke web-00000.warc.gz:263100 --page
             dspipe trace shards/smoke --row 37
             dspipe trace shards/smoke --row L256/part-00000.arrow:37 --token 200
             dspipe trace shards/smoke --step 120
    """
    named = [
        name for name, value in (("ID", document), ("--row", row), ("--step", step)) if value is not None
    ]
    if len(named) != 1:
        raise click.UsageError(
            f"{' and '.join(named)} go different ways: give one of them"
            if named
            else "name a document (ID), a row (--row) or a step (--step)"
        )
    for name, given in (("--token", token), ("--length", length)):
        if given is not None and row is None:
            raise click.UsageError(f"{name} goes with --row: name the row")
    if page and document is None:
        raise click.UsageError("--page goes with a document's ID")
    if document is not None:
        from dspipe.commands.trace.forwards import trace_document

        trace_document(run, document, as_json, page, recipe)
    elif row is not None:
        from dspipe.commands.trace.backwards import trace_row

        trace_row(run, row, length, token, recipe, as_json)
    elif step is not None:
        from dspipe.commands.trace.backwards import trace_step

        trace_step(run, step, recipe, as_json)


@dspipe.command(name="report", short_help="write one page about a whole run")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it; RUN/report.html else."
)
@click.option("--json", "as_json", is_flag=True, help="Print its tables as one JSON document, too.")
def write_report(run: Path, out: Path | None, as_json: bool) -> None:
    """Write RUN/report.html, one page that needs no network: counts, what was dropped, curves, experts.

    RUN may be unfinished: what there is of it is shown. Run it again, and the page is made anew.

    \b
    Example: dspipe report shards/smoke
             dspipe report shards/smoke/model --out smoke.html
    """
    from dspipe.commands.report.command import report

    report(run, out, as_json)


@dspipe.command(name="compare", short_help="put runs side by side: settings, counts, losses, curves")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN RUN…")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE.html", help="Write a page with their curves, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def compare_runs(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Print what differs between RUNs: their settings, what each stage made, and their final figures.

    The best of each row is marked, where rows can be compared: runs that were evaluated on other text, or
    with another tokenizer, are said to be.

    \b
    Example: dspipe compare shards/smoke shards/other
             dspipe compare shards/web shards/code shards/even --out mixes.html
    """
    if len(runs) < 2:
        raise click.UsageError("name at least two runs to compare")
    from dspipe.commands.compare.command import compare

    compare(runs, out, as_json)


@dspipe.command(short_help="write packed rows or a model for other libraries, or read a model of theirs")
@click.argument("source", type=click.Path(path_type=Path), metavar="FROM")
@click.argument("target", type=click.Path(path_type=Path), metavar="TO")
@click.option(
    "--format", "form", type=click.Choice(["megatron", "datatrove"]), help="Of rows: whose files to write."
)
@click.option(
    "--dtype", type=click.Choice(["bf16", "fp8", "f32"]), help="Of a model's weights; bf16 by default."
)
@click.option("--no-mtp", is_flag=True, help="Of a model: leave out multi-token prediction.")
@click.option("--average", is_flag=True, help="Of a model: the moving average of its weights.")
@click.option("--force", is_flag=True, help="Write anew what is there already.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def convert(
    source: Path,
    target: Path,
    form: str | None,
    dtype: str | None,
    no_mtp: bool,
    average: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write packed rows or a model, FROM, as other libraries read them, or a model of theirs as dspipe's.

    A trained model's folder becomes one that `transformers` and servers load as DeepSeek-V3, or V2 for a
    softmax gate. Such a folder (config.json, safetensors in BF16, FP16, FP32 or FP8) becomes a model in
    float32, for `train.start`, for [use], or to convert again; TO is the new folder.

    Of rows, FROM is a folder of one packed length, `sequences` itself where one was packed, or one file
    of them, such as held-out rows, and TO is how the files' names begin. A row stays a row, padding included:
    train Megatron with a sequence length of L, and nanotron, which reads datatrove's files, with L - 1.

    \b
    Example: dspipe convert shards/smoke/model out/smoke-fp8 --dtype fp8
             dspipe convert out/smoke-fp8 out/imported
             dspipe convert shards/smoke/sequences/L256 megatron/smoke --format megatron
             dspipe convert shards/smoke/sequences/validation/L256.arrow held-out --format datatrove
    """
    from dspipe.commands.convert.command import convert as write

    write(source, target, form, dtype, not no_mtp, average, force, as_json)


@dspipe.command(short_help="remove what interrupted work left behind")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Remove the whole run, finished artifacts too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clean(run: Path, everything: bool, yes: bool) -> None:
    """Remove unfinished parts and temporary files of RUN; finished artifacts stay unless --all.

    \b
    Example: dspipe clean shards/smoke
    """
    from dspipe.commands.clean import clean as remove

    remove(run, everything, yes)


@dspipe.command(short_help="measure dspipe beside what else does the same")
@click.argument("name", required=False)
@click.option("--data", metavar="GLOB", help="What to measure on; the sample, scaled up, by default.")
@click.option(
    "--gold",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Measure quality on pages with marked texts: JSON lines, as dspipe/bench/gold.py describes them.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="To compare with one."
)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds that are timed."
)
@click.option(
    "--peer",
    metavar="PYTHON",
    help="An interpreter that has the yardstick installed, where this one has it not.",
)
@click.option(
    "--documents",
    type=click.IntRange(min=0),
    default=1_000_000,
    show_default=True,
    help="The most to make for what grows with their number (dedup); 0: none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the JSON line only.")
def bench(
    name: str | None,
    data: str | None,
    gold: Path | None,
    workers: int,
    repeat: int,
    peer: str | None,
    documents: int,
    as_json: bool,
) -> None:
    """Measure NAME beside what else does the same work, in the same run; without NAME, list what there is.

    The last line is one JSON document with the machine, the date and every figure.

    \b
    Example: dspipe bench extract --data 'shards/sample/web*.warc.gz' --repeat 3
    """
    from dspipe.bench import Options
    from dspipe.commands.bench import bench as measure

    measure(name, Options(data, gold, workers, repeat, peer, documents), as_json)


@dspipe.command(short_help="say what this machine can do")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(as_json: bool) -> None:
    """Say what this machine can do and what dspipe will use of it.

    \b
    Example: dspipe doctor
    """
    from dspipe.commands.doctor import doctor as examine

    examine(as_json)


def main() -> None:
    """Entry point: an error is one sentence and an exit code, an interrupt leaves what is finished."""
    try:
        dspipe.main(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        leave("interrupted: what was finished is kept; run the same command to go on", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except DspipeError as error:
        if os.environ.get("DSPIPE_TRACEBACK"):
            raise
        leave(f"dspipe: {error}", error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
        sys.exit(1)
    except OSError as error:
        leave(f"dspipe: {error}", 1)


def leave(sentence: str, code: int) -> None:
    """Print to the error stream; names and values in a sentence may come from a document."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in sentence)
    click.echo(shown, err=True)
    sys.exit(code)
