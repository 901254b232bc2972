"""Encodes texts with `tokenizers` or gigatoken and a tokenizer.json, and says how long that took.

    python encoders.py tokenizers|gigatoken TOKENIZER.json TEXTS.parquet

TEXTS has the column `text`. After a line that says that all is ready, each line on standard input asks for
one round: a new tokenizer encodes all texts (`cold`, as its caches are empty), then the same once more
(`warm`). Texts are Python strings in memory before, ids are as the tool gives them; loading the tokenizer is
not counted. Added tokens are taken out of the file, so that no text is taken for one. Neither starts threads.

It needs the tool and pyarrow, and nothing of dspipe.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

Encode = Callable[[list[str]], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("texts", type=Path)
    arguments = parser.parse_args()
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
    import pyarrow.parquet as pq

    texts = pq.read_table(arguments.texts, columns=["text"])["text"].to_pylist()
    description = json.loads(arguments.tokenizer.read_text("utf-8"))
    description["added_tokens"] = []
    load, list_ids = TOOLS[arguments.tool]
    print(json.dumps({"version": importlib.metadata.version(arguments.tool)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(answer(load(json.dumps(description)), list_ids, texts)), flush=True)


def answer(encode: Encode, list_ids: Callable[[Any], Iterable[Any]], texts: list[str]) -> dict[str, Any]:
    begun = time.perf_counter()
    encoded = encode(texts)
    between = time.perf_counter()
    encode(texts)
    ended = time.perf_counter()
    digest, tokens = blake2b(digest_size=16), 0
    for ids in list_ids(encoded):
        array = np.asarray(ids, np.uint32)
        tokens += array.size
        digest.update(array.tobytes() + b"end")
    return {
        "cold": between - begun, "warm": ended - between, "tokens": tokens, "digest": digest.hexdigest()
    }  # fmt: skip


def load_tokenizers(description: str) -> Encode:
    import tokenizers

    tokenizer: Any = (
        tokenizers.Tokenizer.from_str(description)
        if hasattr(tokenizers.Tokenizer, "from_str")
        else load_from_file(tokenizers.Tokenizer.from_file, description)
    )
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)  # 1.0 has the second alone
    return lambda texts: encode(texts, add_special_tokens=False)


def load_gigatoken(description: str) -> Encode:
    import gigatoken

    tokenizer = gigatoken.Tokenizer.from_json(description)
    return lambda texts: tokenizer.encode_batch(texts, parallel=False)


def load_from_file(load: Callable[[str], Any], description: str) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(description, "utf-8")
        return load(str(path))


TOOLS: dict[str, tuple[Callable[[str], Encode], Callable[[Any], Iterable[Any]]]] = {
    "tokenizers": (load_tokenizers, lambda encoded: (one.ids for one in encoded)),
    "gigatoken": (load_gigatoken, lambda encoded: encoded),
}

if __name__ == "__main__":
    main()
