"""`dspipe bench filter`: documents → how fast they are measured and judged, beside datatrove's filters.

dspipe computes every signal and every rule of every document. The yardstick is datatrove's Gopher quality,
Gopher repetition, C4 and FineWeb filters in one process, on some of the same documents, in turns with dspipe
on those: once with every document through all four filters, with words split only once, and once as a
pipeline that stops at the first filter that drops a document. All of it runs on one core. Last, the stage
judges a million documents anew by another threshold.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from dspipe.bench import Options, Say, timing, yardstick
from dspipe.bench.contenders import Alone, on_one_core
from dspipe.bench.documents import HEADER, Documents, find_documents, hold, measure_bytes, multiply
from dspipe.bench.machine import one_core
from dspipe.bench.rates import rate_all, show_rates
from dspipe.filter import stage
from dspipe.filter.judging import judge
from dspipe.filter.languages.find import find_languages
from dspipe.filter.measuring import measure_batch
from dspipe.filter.quality.signals import measure_signals
from dspipe.filter.rules import list_rules
from dspipe.recipe import Filter, Recipe, RuleSet, Threshold
from dspipe.road import STAGES
from dspipe.runner import Watcher, walk
from dspipe.shards import Journal, Output
from dspipe.workers import Pool

SCALED = 100_000_000  # bytes of HTML that the sample is scaled to
HELD = 50_000_000  # bytes of text that are held in memory to measure without a disk
SHARED = 2_000_000  # bytes of text that datatrove gets through in some ten seconds
MILLION = 1_000_000
FLOOR, GOAL = 15, 30  # MB/s a core: signals, and the language of the first 500 characters
FLOOR_OF_LINES, GOAL_OF_LINES = 8, 12  # and the language of every line
FLOOR_OF_RATIO, GOAL_OF_RATIO = 50, 100  # times datatrove
MOST_TO_RETUNE = 20  # seconds

SETS: list[RuleSet] = ["gopher", "c4", "fineweb"]
SETTINGS = Filter(rules=SETS)
LINES = Filter(rules=SETS, language_lines=True)
RETUNED = Filter(rules=SETS, thresholds={"gopher-words": Threshold(minimum=60)})
SCRIPT = "datatrove_filters.py"
PACKAGES = ("datatrove", "spacy")


def run(options: Options, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        folder = Path(name)
        documents = find_documents(options.data, folder, SCALED)
        given = options.data or "the sample, scaled up"
        say(f"{given}: {documents.show()}")
        return {
            "data": {"given": given, "documents": documents.rows, "bytes": documents.bytes},
            "judging": measure_judging(documents, folder, options.repeat, say),
            "datatrove": measure_datatrove(documents, folder, options, say),
            "retuning": measure_retuning(documents, folder, options.workers, say),
        }


def judge_all(batches: list[Any], settings: Filter) -> None:
    rules = list_rules(settings)
    for batch in batches:
        judge(batch, measure_batch(batch, settings), settings, rules)


def measure_judging(documents: Documents, folder: Path, repeat: int, say: Say) -> dict[str, Any]:
    """Documents in memory to signals and verdicts, piece by piece, and the stage from file to files."""
    batches = hold(documents, HELD)
    size, rows = sum(map(measure_bytes, batches)), sum(batch.num_rows for batch in batches)
    texts = [batch.column("text") for batch in batches]
    whole, lines = "all, and verdicts", "all, with language per line"
    language = "language alone"
    works: dict[str, timing.Work] = {
        whole: partial(judge_all, batches, SETTINGS),
        lines: partial(judge_all, batches, LINES),
        "signals alone": lambda: [measure_signals(text, pa.nulls(len(text), pa.string())) for text in texts],
        language: lambda: [find_languages(text, SETTINGS) for text in texts],
    }
    seconds = timing.take_turns({name: on_one_core(work) for name, work in works.items()}, repeat)
    show_rates(seconds, size, rows, "documents", say)
    share = timing.divide(seconds[language], seconds[whole])
    say(f"language is {share} of the time; MB/s: floor {FLOOR}, goal {GOAL}, {say_lines()}")
    from_files = on_one_core(partial(run_stage, documents, folder))
    taken = timing.take_turns({"the stage, to Parquet": from_files}, repeat)
    show_rates(taken, documents.bytes, documents.rows, "documents", say)
    rates = rate_all(seconds, size, rows, "documents")
    rates |= rate_all(taken, documents.bytes, documents.rows, "documents")
    return {"bytes": size, "rates": rates, "share_of_language": share}


def say_lines() -> str:
    return f"with language per line {FLOOR_OF_LINES} and {GOAL_OF_LINES}"


def run_stage(documents: Documents, folder: Path) -> None:
    """The stage `filter` in this process, from an artifact to two, which are removed."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        signals, filtered = (Output(place / artifact, HEADER) for artifact in STAGES["filter"].writes)
        crew = Alone(Pool(1), Journal(place / ".progress" / "filter"))
        stage.run(SETTINGS, documents.artifact, signals, filtered, crew)


def measure_datatrove(
    documents: Documents, folder: Path, options: Options, say: Say
) -> dict[str, Any] | None:
    """The yardstick on the first documents, in turns with dspipe on the same."""
    interpreter = yardstick.find_interpreter(options.peer, *PACKAGES)
    if interpreter is None:
        say(f"no yardstick: pip install {' '.join(PACKAGES)} elsewhere, and name that Python with --peer")
        return None
    batches = hold(documents, SHARED)
    size, rows = sum(map(measure_bytes, batches)), sum(batch.num_rows for batch in batches)
    write_texts(batches, folder / "texts.jsonl")
    with one_core(), yardstick.Yardstick(interpreter, SCRIPT, "time", folder / "texts.jsonl") as peer:
        answers: dict[str, Any] = {}
        theirs, piped = "datatrove, all four filters", "datatrove, as a pipeline"
        works: dict[str, timing.Work] = {
            theirs: lambda: answers.update(all=peer.ask("all")),
            piped: lambda: answers.update(pipeline=peer.ask("pipeline")),
            "dspipe, the same documents": on_one_core(partial(judge_all, batches, SETTINGS)),
        }
        seconds = timing.take_turns(works, options.repeat)
    show_rates(seconds, size, rows, "documents", say)
    ratios = {
        name: timing.divide(seconds[name], seconds["dspipe, the same documents"]) for name in (theirs, piped)
    }
    for name, ratio in ratios.items():
        say(f"{ratio} times as fast as {name} (floor {FLOOR_OF_RATIO}, goal {GOAL_OF_RATIO})")
    say(", ".join(f"{name} {taken:.2f} s" for name, taken in answers["all"]["filters"].items()))
    rates = rate_all(seconds, size, rows, "documents")
    return {"version": peer.greeting["version"], "bytes": size, "rates": rates, "ratios": ratios, **answers}


def write_texts(batches: list[Any], path: Path) -> None:
    """One text a line, as `peers/datatrove_filters.py` reads them; broken characters are replaced."""
    with path.open("w", encoding="utf-8") as file:
        for batch in batches:
            for text in batch.column("text").cast(pa.large_binary()).to_pylist():
                file.write(json.dumps({"text": (text or b"").decode("utf-8", "replace")}) + "\n")


def measure_retuning(documents: Documents, folder: Path, workers: int, say: Say) -> dict[str, Any]:
    """The stage over a million documents, and once more with a threshold that has changed."""
    million = multiply(documents.artifact, MILLION, folder / "million" / "documents")
    recipe = Recipe(name="bench", use={"documents": str(million.folder)}, filter=SETTINGS)
    retuned = msgspec.structs.replace(recipe, filter=RETUNED)
    place = partial(walk, folder=folder / "run", stages=[STAGES["filter"]], watcher=Watcher())
    with closing(Pool(workers)) as pool:
        first = timing.measure_seconds(lambda: place(recipe, pool=pool))
        again = timing.measure_seconds(lambda: place(retuned, pool=pool, rebuild="filter"))
    say(
        f"{million.rows:,} documents with {workers} workers: {first:.1f} s, "
        f"by another threshold {again:.1f} s (at most {MOST_TO_RETUNE})"
    )
    return {"documents": million.rows, "workers": workers, "first": first, "again": again}
