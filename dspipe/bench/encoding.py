"""Documents and a tokenizer.json → how fast texts are encoded, beside `tokenizers` and gigatoken, and alike.

On one core, cold: with a new encoder, whose caches are empty, in each round; and warm, the same texts once
more. dspipe reads Arrow arrays and gives arrays of ids; the others read Python strings and give what is their
own, in processes of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dspipe.bench import Options, Say, timing
from dspipe.bench.contenders import on_one_core
from dspipe.bench.documents import Documents
from dspipe.bench.machine import one_core
from dspipe.bench.yardstick import Yardstick, find_interpreter
from dspipe.bench.yardsticks import TEXTS
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import RecipeError
from dspipe.shards import read_batches

SCRIPT = "encoders.py"
HELD = 20_000_000  # bytes of text of each kind
OURS = "dspipe"
YARDSTICK = "tokenizers"
FLOORS = {"web": 15, "code": 15, "multilingual": 10}  # times `tokenizers`, cold
GOALS = {"web": 100, "code": 150, "multilingual": 60}  # MB/s, cold
LEAST_OF_THREADS = 1.7  # times one thread, of two
CHARACTERS_IN_BYTES = 0.9  # of a text that is web, at least: else it is multilingual


def measure_encoding(
    documents: Documents, tokenizer: Path, folder: Path, options: Options, say: Say
) -> dict[str, Any]:
    """For each kind of text there is: rates of all, ratios to `tokenizers`, whether the ids are the same."""
    figures: dict[str, Any] = {}
    for kind in FLOORS:
        texts = write_kind(documents, kind, folder / f"{kind}.parquet")
        if texts is None:
            say(f"no {kind} text to encode")
        else:
            figures[kind] = measure_kind(kind, tokenizer, texts, options, say)
    return figures


def write_kind(documents: Documents, kind: str, path: Path) -> Path | None:
    """The first texts of a kind, by `domain` and by characters for each byte; None where there is none."""
    size = 0
    with pq.ParquetWriter(path, TEXTS) as writer:
        for batch in iterate(documents):
            if size < HELD:
                chosen = batch.filter(is_of_kind(batch, kind))
                size += pc.sum(pc.binary_length(chosen["text"])).as_py() or 0
                writer.write_batch(chosen.select(["id", "text"]).cast(TEXTS))
    return path if size else None


def iterate(documents: Documents) -> Iterator[Any]:
    for file in documents.artifact.files:
        yield from read_batches(file, ["id", "text", "domain"])


def is_of_kind(batch: Any, kind: str) -> Any:
    code = pc.fill_null(pc.equal(batch["domain"], "code"), False)
    if kind == "code":
        return code
    # every character beyond ASCII has two bytes or more: this many bytes are not characters of their own
    bytes_ = pc.binary_length(batch["text"]).cast(pa.float64())
    plain = pc.greater_equal(
        pc.utf8_length(batch["text"]).cast(pa.float64()), pc.multiply(bytes_, CHARACTERS_IN_BYTES)
    )
    return pc.and_(pc.invert(code), plain if kind == "web" else pc.invert(plain))


def measure_kind(kind: str, tokenizer: Path, file: Path, options: Options, say: Say) -> dict[str, Any]:
    texts = pq.read_table(file)["text"].combine_chunks()
    size = int(pc.sum(pc.binary_length(texts)).as_py())
    cold: dict[str, list[float]] = {}
    warm: dict[str, list[float]] = {}
    digests: dict[str, str] = {}
    encode(Encoder(tokenizer), texts)  # compiles
    with ExitStack() as stack:
        stack.enter_context(one_core())
        peers = {
            name: stack.enter_context(Yardstick(python, SCRIPT, tool, tokenizer, file))
            for name, (tool, python) in find_encoders(options.peer, say).items()
        }
        for _ in range(options.repeat):
            for name, peer in peers.items():
                told = peer.ask("again")
                label = f"{name} {peer.greeting['version']}"
                cold.setdefault(label, []).append(told["cold"])
                warm.setdefault(label, []).append(told["warm"])
                digests[label] = told["digest"]
            encoder = Encoder(tokenizer)
            one = on_one_core(partial(encode, encoder, texts))
            cold.setdefault(OURS, []).append(timing.measure_seconds(one))
            warm.setdefault(OURS, []).append(timing.measure_seconds(one))
        digests[OURS] = digest(*encode(encoder, texts))
    show(kind, size, cold, warm, say)
    labels = [label for label in cold if label != OURS]
    differing = [label for label in labels if digests[label] != digests[OURS]]
    say(f"{kind}: ids are the same" + (f", but those of {', '.join(differing)}" if differing else ""))
    return {
        "bytes": size,
        "cold_megabytes_per_second": rate(cold, size),
        "warm_megabytes_per_second": rate(warm, size),
        "times": {label: timing.divide(cold[label], cold[OURS]) for label in labels},
        "differing": differing,
        "threads": measure_threads(tokenizer, texts, options, say) if options.workers > 1 else None,
    }


def encode(encoder: Encoder, texts: Any) -> tuple[Any, Any]:
    return encoder.encode(texts)


def digest(ids: Any, offsets: Any) -> str:
    """As the script of the yardsticks makes it."""
    made = blake2b(digest_size=16)
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        made.update(np.ascontiguousarray(ids[begin:end]).tobytes() + b"end")
    return made.hexdigest()


def find_encoders(peer: str | None, say: Say) -> dict[str, tuple[str, str]]:
    """Name of each yardstick → (tool, interpreter): `tokenizers` from here, and what the peer has."""
    here = find_interpreter(None, "tokenizers", "pyarrow")
    found = {YARDSTICK: ("tokenizers", here)} if here else {}
    for tool in ("tokenizers", "gigatoken") if peer else ():
        try:
            if python := find_interpreter(peer, tool, "pyarrow"):
                found[f"{tool} of the peer"] = (tool, python)
        except RecipeError as error:
            say(str(error))
    return found


def rate(seconds: dict[str, list[float]], size: int) -> dict[str, timing.Spread]:
    return {name: timing.summarize([size / 1e6 / one for one in taken]) for name, taken in seconds.items()}


def show(kind: str, size: int, cold: dict[str, list[float]], warm: dict[str, list[float]], say: Say) -> None:
    say(f"{kind}, {size / 1e6:.1f} MB, one core; MB/s cold and warm")
    for name, speed in rate(cold, size).items():
        say(f"  {name:<34}{speed.median:8.1f}{rate(warm, size)[name].median:9.1f}")
    for name, taken in cold.items():
        if name != OURS:
            floor = f" (floor {FLOORS[kind]})" if name.startswith(f"{YARDSTICK} 0") else ""
            say(f"  {timing.divide(taken, cold[OURS])} times as fast, cold, as {name}{floor}")
    say(f"  goal {GOALS[kind]} MB/s")


def measure_threads(tokenizer: Path, texts: Any, options: Options, say: Say) -> timing.Spread:
    """Several threads beside one, cold."""
    seconds: dict[int, list[float]] = {1: [], options.workers: []}
    for _ in range(options.repeat):
        for threads, taken in seconds.items():
            encoder = Encoder(tokenizer, threads=threads)
            taken.append(timing.measure_seconds(partial(encode, encoder, texts)))
    gain = timing.divide(seconds[1], seconds[options.workers])
    say(f"  {options.workers} threads: {gain} times one (at least {LEAST_OF_THREADS} for two)")
    return gain
