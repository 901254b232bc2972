"""Texts → shuffled files of tokens by datatrove's tokenizer pipeline, and how long that took.

    python datatrove_tokens.py TEXTS TOKENIZER.json EOS WORKERS

TEXTS is a folder of Parquet files with `id` and `text`, as many as workers. After a line that says that all
is ready, each line on standard input names a folder that is not there yet, and asks for one round: a
LocalPipelineExecutor with that many workers takes ParquetReader and DocumentTokenizer over the files, then a
second one takes DocumentTokenizerMerger over what these wrote. All settings are datatrove's own, but the
tokenizer, the token that ends a document, and a seed. `start` is the time that both take for a document each
(starting processes and importing), which a long run would not notice.

It needs datatrove 0.10, tokenizers and pyarrow, and nothing of dspipe.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PACKAGES = ("datatrove", "tokenizers", "numpy", "pyarrow")
STARTS = 2  # the second counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("texts", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("eos")
    parser.add_argument("workers", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        starts = [run(arguments, Path(name) / str(n), limit=1)["seconds"] for n in range(STARTS)]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    greeting = {"version": versions["datatrove"], "versions": versions, "start": starts[-1]}
    print(json.dumps(greeting), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(arguments, Path(line.strip()))), flush=True)


def run(arguments: argparse.Namespace, folder: Path, limit: int = -1) -> dict[str, Any]:
    """One round; `limit` is the most documents of each file."""
    begun = time.perf_counter()
    tokenize(arguments, folder, limit)
    between = time.perf_counter()
    merge(folder)
    ended = time.perf_counter()
    files = list((folder / "merged").glob("*.ds"))
    return {
        "seconds": ended - begun,
        "tokenizing": between - begun,
        "merging": ended - between,
        "tokens": int((folder / "merged" / "tokens.ds.metadata").read_text("utf-8").splitlines()[1]),
        "bytes": sum(file.stat().st_size for file in files),
    }


def tokenize(arguments: argparse.Namespace, folder: Path, limit: int) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.tokens import DocumentTokenizer

    LocalPipelineExecutor(
        pipeline=[
            ParquetReader(str(arguments.texts), limit=limit),
            DocumentTokenizer(
                output_folder=str(folder / "tokenized"),
                local_working_dir=str(folder / "scratch"),
                tokenizer_name_or_path=str(arguments.tokenizer),
                eos_token=arguments.eos,
                seed=0,
            ),
        ],
        tasks=arguments.workers,
        workers=arguments.workers,
        logging_dir=str(folder / "logs"),
    ).run()


def merge(folder: Path) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.tokens import DocumentTokenizerMerger

    LocalPipelineExecutor(
        pipeline=[
            DocumentTokenizerMerger(
                input_folder=str(folder / "tokenized"),
                output_folder=str(folder / "merged"),
                save_filename="tokens",
                seed=0,
                progress=False,
            )
        ],
        tasks=1,
        workers=1,
        logging_dir=str(folder / "logs of merging"),
    ).run()


if __name__ == "__main__":
    main()
