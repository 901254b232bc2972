"""Documents → how fast a vocabulary is trained on them, beside `tokenizers` and rustbpe, and in what memory.

All from Parquet files on all cores given: dspipe's whole stage, with its worker processes running already;
the yardsticks in processes of their own, from the same texts. In turns; only dspipe has a round that does not
count, for starting processes and compiling, as one of the library takes minutes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dspipe.bench import Options, Say, timing
from dspipe.bench.documents import HEADER, Documents, cut_documents
from dspipe.bench.rates import rate_all, show_rates
from dspipe.bench.watch import Peaks, watching
from dspipe.bench.yardstick import Yardstick, find_interpreter
from dspipe.bench.yardsticks import write_texts
from dspipe.recipe import RecipeError, Tokenizer
from dspipe.shards import Artifact, Journal, Output, open_artifact, read_batches
from dspipe.tokenizer.stage import run
from dspipe.workers import Pool, Workers

OURS = "dspipe"
SCRIPT = "trainers.py"
TOOLS = {"tokenizers": (4, 6), "rustbpe": (1.5, 2.5)}  # times as fast as it dspipe should be: floor, goal
ROUNDS = 3  # at most: `tokenizers` takes minutes
MEMORY = 1 << 30  # bytes that the stage is given where its memory is looked at
TIMES = 10


@dataclass(frozen=True)
class Run:
    settings: Tokenizer
    mixture: Path
    workers: int
    memory: int | None
    folder: Path


@dataclass(frozen=True)
class Ran:
    seconds: float
    facts: dict[str, Any]
    peaks: Peaks


def train(task: Run, pool: Pool) -> Artifact:
    """The stage, into a folder of its own below the task's."""
    place = Path(tempfile.mkdtemp(dir=task.folder))
    journal = Journal(place / ".progress" / "tokenizer")
    output = Output(place / "tokenizer", HEADER)
    run(task.settings, open_artifact(task.mixture), output, Workers(pool, journal))
    return open_artifact(output.folder)


def measure_training(
    documents: Documents, settings: Tokenizer, folder: Path, options: Options, say: Say
) -> tuple[Path, dict[str, Any]]:
    """Returns the trained tokenizer.json, and the figures."""
    texts = write_texts(
        (batch for file in documents.artifact.files for batch in read_batches(file)),
        folder / "texts.parquet",
    )
    rounds = min(ROUNDS, options.repeat)
    seconds: dict[str, list[float]] = {}
    answers: dict[str, Any] = {}
    with ExitStack() as stack:
        pool = stack.enter_context(closing(Pool(options.workers)))
        task = Run(settings, documents.artifact.folder, options.workers, None, folder)
        tokenizer = train(task, pool).folder / "tokenizer.json"  # starts processes, compiles kernels
        description = json.loads(tokenizer.read_text("utf-8"))
        pretokenizer = folder / "pretokenizer.json"
        pretokenizer.write_text(json.dumps(description["pre_tokenizer"]), "utf-8")
        size = len(description["model"]["vocab"])
        peers = {
            tool: stack.enter_context(Yardstick(python, SCRIPT, tool, str(size), texts, pretokenizer))
            for tool, python in find_trainers(options.peer, say).items()
        }
        for _ in range(rounds):
            for tool, peer in peers.items():
                answers[tool] = peer.ask(str(folder / f"{tool}.json")) | peer.greeting
                seconds.setdefault(tool, []).append(answers[tool]["seconds"])
            begun = time.perf_counter()
            shutil.rmtree(train(task, pool).folder.parent)
            seconds.setdefault(OURS, []).append(time.perf_counter() - begun)
    show_rates(seconds, documents.bytes, documents.rows, "documents", say)
    figures: dict[str, Any] = {
        "vocabulary": size,
        "rates": rate_all(seconds, documents.bytes, documents.rows, "documents"),
    }
    for tool, (floor, goal) in TOOLS.items():
        if tool in peers:
            ratio = timing.divide(seconds[tool], seconds[OURS])
            say(f"{ratio} times as fast as {tool} {answers[tool]['version']} (floor {floor}, goal {goal})")
            figures[tool] = answers[tool] | {"ratio": ratio}
    if "tokenizers" in peers:
        figures["merges"] = compare_merges(description, folder / "tokenizers.json", say)
    return tokenizer, figures


def find_trainers(peer: str | None, say: Say) -> dict[str, str]:
    """The interpreter for each yardstick: `tokenizers` from here, as only versions before 1.0 can train."""
    here = find_interpreter(None, "tokenizers")
    found = {"tokenizers": here} if here else {}
    try:
        rustbpe = find_interpreter(peer, "rustbpe")
    except RecipeError:
        rustbpe = None
    if rustbpe is None:
        say("no yardstick rustbpe: pip install rustbpe elsewhere, and name that Python with --peer")
    return found | ({"rustbpe": rustbpe} if rustbpe else {})


def compare_merges(ours: dict[str, Any], file: Path, say: Say) -> dict[str, Any]:
    mine = [tuple(merge) for merge in ours["model"]["merges"]]
    theirs = [tuple(merge) for merge in json.loads(file.read_text("utf-8"))]
    pairs = enumerate(zip(mine, theirs, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), len(mine))
    identical = mine == theirs
    say(f"{len(mine):,} merges, {'all' if identical else f'only the first {same:,}'} as in tokenizers")
    return {"merges": len(mine), "identical": identical, "first_difference": None if identical else same}


def measure_memory(
    documents: Documents, settings: Tokenizer, folder: Path, workers: int, say: Say
) -> list[dict[str, Any]]:
    """Peaks of the stage at a fixed `--memory` for a tenth of the documents, and for all."""
    figures = []
    for most in (documents.bytes // TIMES, documents.bytes):
        place = folder / f"cut-{most}"
        some = cut_documents(documents, most, place / "mixture")
        ran = run_alone(Run(settings, some.artifact.folder, workers, MEMORY, place))
        shutil.rmtree(place)
        peaks = asdict(ran.peaks)
        say(
            f"{some.bytes / 1e6:8.1f} MB of text: {ran.seconds:7.1f} s; MiB: largest process "
            f"{ran.peaks.largest >> 20:,}, without mapped files {ran.peaks.largest_own >> 20:,}, all "
            f"processes {ran.peaks.all_own >> 20:,} (--memory {MEMORY >> 20:,}); {ran.facts['line']}"
        )
        figures.append({"bytes": some.bytes, "seconds": ran.seconds, "peaks": peaks, "facts": ran.facts})
    return figures


def run_alone(task: Run) -> Ran:
    """Run the stage in a new process, and its workers below that."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(run_watched, task).result()


def run_watched(task: Run) -> Ran:
    with closing(Pool(task.workers, task.memory)) as pool, watching() as watch:
        begun = time.perf_counter()
        made = train(task, pool)
        seconds = time.perf_counter() - begun
        watch.look()
        facts = made.manifest.facts
        shutil.rmtree(made.folder.parent)
    return Ran(seconds, facts, watch.peaks)
