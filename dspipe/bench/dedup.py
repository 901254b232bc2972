"""`dspipe bench dedup`: documents → what is found of known copies, how fast, and in how much memory.

First pairs whose similarity is known, found by dspipe and by its yardsticks. Then rates on one core:
signatures alone, and the whole stage from Parquet to Parquet, beside each yardstick on as many documents as
that gets through in some ten seconds, in turns. Then one worker beside several, and last ten thousand to
`--documents` documents, made of pieces of the pages, in processes of their own that are watched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from dspipe.bench import Options, Say, timing
from dspipe.bench.contenders import on_one_core
from dspipe.bench.deduplication import deduplicate
from dspipe.bench.documents import HEADER, Documents, find_documents, hold, measure_bytes, weigh
from dspipe.bench.machine import one_core
from dspipe.bench.rates import rate_all, show_rates
from dspipe.bench.recall import measure_recall
from dspipe.bench.scaling import measure_scaling
from dspipe.bench.signing import SCRIPTS, choose_texts, make_signer
from dspipe.bench.yardsticks import TOOLS, Peer, find_peers, open_yardstick, write_texts
from dspipe.recipe import Dedup
from dspipe.schema import DOCUMENTS
from dspipe.shards import Counts, Output, open_artifact, write_parquet
from dspipe.workers import Pool

SCALED = 50_000_000  # bytes of HTML that the sample is scaled to
SETTINGS = Dedup(similarity=0.8)
OURS = "dspipe"
FLOOR_OF_SIGNATURES, GOAL_OF_SIGNATURES = 100, 150  # MB/s a core, of Latin text
FLOOR, GOAL = 25, 50  # MB/s a core, Parquet to Parquet
LEAST_OF_WORKERS = 1.7  # times one worker, of two


def run(options: Options, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        folder = Path(name)
        documents = find_documents(options.data, folder, SCALED)
        given = options.data or "the sample, scaled up"
        say(f"{given}: {documents.show()}")
        peers = find_peers(options.peer, say)
        return {
            "data": {"given": given, "documents": documents.rows, "bytes": documents.bytes},
            "recall": measure_recall(documents.artifact, folder, peers, say),
            "signatures": measure_signatures(documents, options.repeat, say),
            "stage": measure_stage(documents, folder, options.repeat, say),
            "yardsticks": {
                peer.tool: compare(peer, documents, folder, options.repeat, say) for peer in peers
            },
            "workers": measure_workers(documents, folder, options, say),
            "scaling": measure_scaling(documents.artifact, folder, options.documents, options.workers, say),
        }


def measure_signatures(documents: Documents, repeat: int, say: Say) -> dict[str, Any]:
    """Texts in memory to signatures, for each kind of script apart."""
    sign_texts = make_signer(SETTINGS)
    figures: dict[str, Any] = {}
    for script, pattern in SCRIPTS.items():
        batches = choose_texts(documents, pattern)
        if not batches:
            say(f"no {script} text to sign")
            continue
        size, rows = sum(map(measure_bytes, batches)), sum(batch.num_rows for batch in batches)
        work = on_one_core(partial(sign_all, sign_texts, batches))
        seconds = timing.take_turns({f"signatures, {script}": work}, repeat)
        show_rates(seconds, size, rows, "documents", say)
        figures |= rate_all(seconds, size, rows, "documents")
    say(f"signatures of Latin text, MB/s: floor {FLOOR_OF_SIGNATURES}, goal {GOAL_OF_SIGNATURES}")
    return figures


def sign_all(sign_texts: Callable[[Any], object], batches: list[Any]) -> None:
    for batch in batches:
        sign_texts(batch.column("text"))


def measure_stage(documents: Documents, folder: Path, repeat: int, say: Say) -> dict[str, Any]:
    """All documents from Parquet to Parquet, on one core."""
    made: list[Counts] = []
    work = on_one_core(lambda: made.append(deduplicate(SETTINGS, documents.artifact, folder)))
    seconds = timing.take_turns({"the stage, one core": work}, repeat)
    show_rates(seconds, documents.bytes, documents.rows, "documents", say)
    say(f"the stage, MB/s: floor {FLOOR}, goal {GOAL}")
    counts = made[-1]
    say(f"{counts.in_ - counts.out:,} of {counts.in_:,} documents go: {counts.dropped}")
    return {
        "rates": rate_all(seconds, documents.bytes, documents.rows, "documents"),
        "dropped": counts.dropped,
    }


def compare(peer: Peer, documents: Documents, folder: Path, repeat: int, say: Say) -> dict[str, Any]:
    """A yardstick on the first documents, in turns with the stage on the same; each says its own seconds."""
    tool = TOOLS[peer.tool]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        same = keep(hold(documents, tool.bytes), place / "documents")
        texts = write_texts(hold(documents, tool.bytes), place / "texts.parquet")
        answers: list[dict[str, Any]] = []
        with one_core(), open_yardstick(peer, texts) as yardstick:
            works: dict[str, timing.Work] = {
                peer.tool: lambda: answers.append(yardstick.ask(str(place / "kept"))),
                OURS: on_one_core(partial(deduplicate, SETTINGS, same.artifact, place)),
            }
            seconds = timing.take_turns(works, repeat)
            version = yardstick.greeting["version"]
    seconds[peer.tool] = [answer["seconds"] for answer in answers[-repeat:]]
    show_rates(seconds, same.bytes, same.rows, "documents", say)
    ratio = timing.divide(seconds[peer.tool], seconds[OURS])
    say(f"{ratio} times as fast as {peer.tool} {version} (floor {tool.floor})")
    rates = rate_all(seconds, same.bytes, same.rows, "documents")
    return {
        "version": version,
        "bytes": same.bytes,
        "rates": rates,
        "ratio": ratio,
        "kept": answers[-1]["kept"],
    }


def keep(batches: list[Any], folder: Path) -> Documents:
    """Record batches as an artifact of one part."""
    output = Output(folder, HEADER)
    part = write_parquet(folder, "part-00000.parquet", DOCUMENTS, batches)
    output.close([part], Counts(part.rows, part.rows))
    return weigh(open_artifact(folder))


def measure_workers(documents: Documents, folder: Path, options: Options, say: Say) -> dict[str, Any]:
    """The stage with one process and with several that are running already."""
    with ExitStack() as pools:
        works: dict[str, timing.Work] = {}
        for count in sorted({1, options.workers}):
            pool = pools.enter_context(closing(Pool(count)))
            work = partial(deduplicate, SETTINGS, documents.artifact, folder, pool)
            works[f"{count} worker{'s' * (count != 1)}"] = on_one_core(work) if count == 1 else work
        seconds = timing.take_turns(works, options.repeat)
    show_rates(seconds, documents.bytes, documents.rows, "documents", say)
    first, *_, last = [*seconds.values()] * 2  # the same one where one worker is all that is asked for
    gain = timing.divide(first, last)
    say(f"{options.workers} workers: {gain} times one (at least {LEAST_OF_WORKERS} for two)")
    return {"rates": rate_all(seconds, documents.bytes, documents.rows, "documents"), "gain": gain}
