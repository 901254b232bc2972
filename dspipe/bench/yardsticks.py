"""An interpreter → the deduplicators that it has, which are asked what they keep and how long they take."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dspipe.bench import Say
from dspipe.bench.yardstick import Yardstick, find_interpreter
from dspipe.recipe import RecipeError
from dspipe.shards import Artifact, read_batches

SCRIPT = "deduplicators.py"
TEXTS = pa.schema([("id", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class Tool:
    packages: tuple[str, ...]  # to import
    install: str  # what pip is asked for
    floor: int  # times as fast as it dspipe should be
    bytes: int  # of text that it gets through in some ten seconds


@dataclass(frozen=True)
class Peer:
    tool: str
    interpreter: str


TOOLS = {
    "datatrove": Tool(
        ("datatrove", "spacy", "tokenizers", "pyarrow"),
        "datatrove==0.10.0 spacy tokenizers pyarrow 'xxhash<4'",
        50,
        5_000_000,
    ),
    "text-dedup": Tool(("text_dedup", "pyarrow"), "text-dedup", 10, 8_000_000),
    "rensa": Tool(("rensa", "pyarrow"), "rensa pyarrow", 2, 100_000_000),
}


def find_peers(interpreter: str | None, say: Say) -> list[Peer]:
    """The tools that an interpreter has; what it lacks is said.

    Raises:
        RecipeError: an interpreter is named that has none of them, or that cannot be run.
    """
    found = {name: has(interpreter, tool) for name, tool in TOOLS.items()}
    if interpreter and not any(found.values()):
        raise RecipeError(f"--peer {interpreter}: has none of {', '.join(TOOLS)}; install one of them there")
    for name in (name for name, python in found.items() if python is None):
        say(
            f"no yardstick {name}: pip install {TOOLS[name].install} elsewhere, "
            "and name that Python with --peer"
        )
    return [Peer(name, python) for name, python in found.items() if python]


def has(interpreter: str | None, tool: Tool) -> str | None:
    """The interpreter, this one where none is named, if it has all that a tool needs."""
    find_interpreter(interpreter)  # which must be one that can be run
    try:
        return find_interpreter(interpreter, *tool.packages)
    except RecipeError:
        return None


def write_texts(batches: Iterable[Any], path: Path) -> Path:
    """Ids and texts as one Parquet file; broken characters are replaced."""
    with pq.ParquetWriter(path, TEXTS) as writer:
        for batch in batches:
            texts = batch["text"].cast(pa.large_binary()).to_pylist()
            repaired = pa.array([(text or b"").decode("utf-8", "replace") for text in texts], pa.string())
            writer.write_batch(pa.RecordBatch.from_arrays([batch["id"], repaired], schema=TEXTS))
    return path


def open_yardstick(peer: Peer, texts: Path) -> Yardstick:
    return Yardstick(peer.interpreter, SCRIPT, peer.tool, texts)


def ask_kept(peer: Peer, artifact: Artifact, folder: Path) -> frozenset[str]:
    """The ids of the documents that a tool keeps."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        texts = write_texts(
            (batch for file in artifact.files for batch in read_batches(file)), Path(name) / "texts.parquet"
        )
        with open_yardstick(peer, texts) as yardstick:
            yardstick.ask(str(Path(name) / "kept"))
        return frozenset((Path(name) / "kept").read_text("utf-8").split())
