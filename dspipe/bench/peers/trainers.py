"""Trains a byte-level BPE with `tokenizers` or rustbpe on texts, and says how long that took.

    python trainers.py tokenizers|rustbpe SIZE TEXTS.parquet [PRETOKENIZER.json]

TEXTS has the column `text`; SIZE is the vocabulary's. After a line that says that all is ready, each line on
standard input names a file: `tokenizers` writes its merges there, as a tokenizer.json has them, and the
answer has the seconds from the Parquet file that is read to the trained vocabulary, and the most memory that
the process has held. `tokenizers` cuts by PRETOKENIZER.json, the `pre_tokenizer` of a tokenizer.json; rustbpe
by the one pattern that it knows. Both use all the cores that they may.

It needs the tool and pyarrow, and nothing of dspipe.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

BATCH = 1000
SPECIALS = ["<a>", "<b>", "<c>"]  # their names make no difference to the merges, their number does

Train = Callable[[Iterator[str], int, Path | None], list[Any]]


def main() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("size", type=int)
    parser.add_argument("texts", type=Path)
    parser.add_argument("pretokenizer", type=Path, nargs="?")
    arguments = parser.parse_args()
    print(json.dumps({"version": importlib.metadata.version(arguments.tool)}), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        merges = TOOLS[arguments.tool](read_texts(arguments.texts), arguments.size, arguments.pretokenizer)
        seconds = time.perf_counter() - begun
        Path(line.strip()).write_text(json.dumps(merges), "utf-8")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        print(json.dumps({"seconds": seconds, "merges": len(merges), "peak": peak}), flush=True)


def read_texts(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(BATCH, columns=["text"]):
            yield from batch["text"].to_pylist()


def train_tokenizers(texts: Iterator[str], size: int, pretokenizer: Path | None) -> list[Any]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    assert pretokenizer is not None
    empty = json.loads(Tokenizer(models.BPE()).to_str())
    empty["pre_tokenizer"] = json.loads(pretokenizer.read_text("utf-8"))
    tokenizer = Tokenizer.from_str(json.dumps(empty))
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    batches = iter(lambda: list(islice(texts, BATCH)), [])  # single texts keep its threads waiting
    tokenizer.train_from_iterator(batches, trainer)
    merges: list[Any] = json.loads(tokenizer.to_str())["model"]["merges"]
    return merges


def train_rustbpe(texts: Iterator[str], size: int, pretokenizer: Path | None) -> list[Any]:
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(texts, size - len(SPECIALS))
    return []


TOOLS: dict[str, Train] = {"tokenizers": train_tokenizers, "rustbpe": train_rustbpe}

if __name__ == "__main__":
    main()
