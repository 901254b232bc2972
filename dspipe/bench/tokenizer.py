"""`dspipe bench tokenizer`: documents → a vocabulary and their ids, how fast, and how alike to others'."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from dspipe.bench import Options, Say
from dspipe.bench.documents import find_documents
from dspipe.bench.encoding import measure_encoding
from dspipe.bench.training import measure_memory, measure_training
from dspipe.recipe import Tokenizer

SCALED = 100_000_000  # bytes of HTML that the sample is scaled to
SETTINGS = Tokenizer()  # DeepSeek-V3's pattern and 128,000 entries


def run(options: Options, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        folder = Path(name)
        documents = find_documents(options.data, folder, SCALED)
        given = options.data or "the sample, scaled up"
        say(f"{given}: {documents.show()}")
        tokenizer, training = measure_training(documents, SETTINGS, folder, options, say)
        return {
            "data": {"given": given, "documents": documents.rows, "bytes": documents.bytes},
            "training": training,
            "memory": measure_memory(documents, SETTINGS, folder, options.workers, say),
            "encoding": measure_encoding(documents, tokenizer, folder, options, say),
        }
