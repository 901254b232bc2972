"""What the tests of packing share: a mixture, a tokenizer trained on it, and sequences read back."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.pack.stage import run
from dspipe.recipe import BEGIN, END, FIM_BEGIN, FIM_END, FIM_HOLE, Pack, Tokenizer
from dspipe.schema import MIXTURE
from dspipe.shards import Artifact, open_artifact
from dspipe.tokenizer.stage import run as train
from tests.reference.packing import undo_infilling
from tests.support import document, make_artifact, make_output, make_workers

SENTENCE = "Der Kessel summt; the kettle hums, 水壶在唱歌 and naïve 👩‍🚀 x = (12345 + y);\n\n"


def make_texts(count: int) -> list[str]:
    random_ = random.Random(2)
    return [SENTENCE * random_.choice([1, 1, 2, 3, 9]) + str(number) for number in range(count)]


def make_mixture(folder: Path, texts: list[str], parts: int = 2) -> Artifact:
    """A mixture of texts; each is in one of three domains and two languages."""
    rows = [
        {
            **document(text, domain=("web", "code", "math")[n % 3], language=("en", "de")[n % 2]),
            "cluster": "c",
            "draw": 0,
        }
        for n, text in enumerate(texts)
    ]
    size = -(-len(rows) // parts)
    return make_artifact(folder / "mixture", [rows[n * size : (n + 1) * size] for n in range(parts)], MIXTURE)


def make_inputs(folder: Path, texts: list[str], parts: int = 2) -> tuple[Artifact, Artifact]:
    mixture = make_mixture(folder, texts, parts)
    train(Tokenizer(vocab_size=400), mixture, make_output(folder / "tokenizer"), make_workers(folder / "t"))
    return mixture, open_artifact(folder / "tokenizer")


def pack(folder: Path, mixture: Artifact, tokenizer: Artifact, settings: Pack, workers: int = 1) -> Artifact:
    """Pack into `folder`/sequences."""
    run(settings, mixture, tokenizer, make_output(folder / "sequences"), make_workers(folder, workers))
    return open_artifact(folder / "sequences")


def read_sequences(artifact: Artifact, beside: str | None = None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in artifact.files if beside is None else [artifact.folder / beside]:
        with pa.memory_map(str(file)) as mapped:
            rows += pa.ipc.open_file(mapped).read_all().to_pylist()
    return rows


def list_chunks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every chunk of the rows, with its tokens."""
    chunks = []
    for number, row in enumerate(rows):
        place = 0
        names = ("documents", "starts", "draws", "fim", "places")
        for length, *facts in zip(row["lengths"], *(row[name] for name in names), strict=True):
            tokens = row["tokens"][place : place + length]
            chunks.append(
                {"row": number, "place": place, "tokens": tokens, **dict(zip(names, facts, strict=True))}
            )
            place += length
    return chunks


def join_chunks(chunks: list[dict[str, Any]]) -> dict[tuple[str, int], list[int]]:
    """The tokens of every document, by id and draw, from its chunks, which may overlap but must not gape."""
    documents: dict[tuple[str, int], list[int]] = {}
    for chunk in sorted(chunks, key=lambda chunk: chunk["starts"]):
        tokens = documents.setdefault((chunk["documents"], chunk["draws"]), [])
        assert chunk["starts"] <= len(tokens)
        repeated = len(tokens) - chunk["starts"]
        assert tokens[chunk["starts"] :] == chunk["tokens"][:repeated]
        tokens += chunk["tokens"][repeated:]
    return documents


def read_text(tokens: list[int], encoder: Encoder) -> str:
    """The text that the tokens of a document stand for: marks taken off, infilling undone."""
    begin, hole, end = (encoder.special(token) for token in (FIM_BEGIN, FIM_HOLE, FIM_END))
    framing = {encoder.special(BEGIN), encoder.special(END)}
    assert all(token not in framing for token in tokens[1:-1])
    body = [token for token in tokens if token not in framing]
    return encoder.decode(undo_infilling(body, begin, hole, end))
