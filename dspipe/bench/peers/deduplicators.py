"""Takes near copies out of documents with datatrove, text-dedup or rensa, and says how long that took.

    python deduplicators.py datatrove|text-dedup|rensa TEXTS.parquet

TEXTS has the columns `id` and `text`. After a line that says that all is ready, each line on standard input
names a file; the ids of the documents that the tool keeps are written there, one a line, and the answer has
the seconds from the Parquet file that is read to the files that the tool writes. Each works as its own page
describes it:

- datatrove: signatures, buckets, clusters and filter, 14 buckets of 8 hashes of 64 bits, its English
  tokenizer; the four steps one after the other in this process, without what its executors add;
- text-dedup: MinHash of 240 permutations over 5-grams at a threshold of 0.8; from 0.4.1 on with its check of
  false positives, which older ones do not have;
- rensa: lower-cased words and their 5-grams in Python, `RMinHashDeduplicator` of 128 permutations in 16 bands
  at a threshold of 0.8, documents one after the other.

It needs the tool and pyarrow, datatrove also spaCy, and nothing of dspipe.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIMILARITY = 0.8
WORDS = 5  # in a shingle
BATCH = 1000
WORD = re.compile(r"\w+")

Dedup = Callable[[Path, Path], Any]  # from the Parquet file, by way of a folder, to the ids that stay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tool", choices=TOOLS)
    parser.add_argument("texts", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the tools print must not pass for an answer
    tool, texts = arguments.tool, arguments.texts.resolve()
    print(json.dumps({"version": importlib.metadata.version(tool)}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(TOOLS[tool], texts, Path(line.strip()))), file=answers, flush=True)


def answer(dedup: Dedup, texts: Path, kept: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=texts.parent) as folder:
        begun = time.perf_counter()
        read_kept = dedup(texts, Path(folder))
        seconds = time.perf_counter() - begun
        ids = read_kept()
    kept.write_text("".join(f"{name}\n" for name in ids), "utf-8")
    return {"seconds": seconds, "kept": len(ids)}


def run_datatrove(texts: Path, folder: Path) -> Callable[[], list[str]]:
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.typeshelper import Languages

    config = MinhashConfig(
        n_grams=WORDS, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(precision=64)
    )
    signatures, buckets, removed, left = (
        str(folder / name) for name in ("signatures", "buckets", "removed", "left")
    )

    def read() -> Iterator[Any]:
        reader = ParquetReader(str(texts.parent), glob_pattern=texts.name, recursive=False)
        return iter(reader.run(None, 0, 1))

    MinhashDedupSignature(signatures, config=config, language=Languages.english).run(read(), 0, 1)
    for bucket in range(config.num_buckets):
        MinhashDedupBuckets(signatures, buckets, config=config).run(None, bucket, config.num_buckets)
    MinhashDedupCluster(buckets, removed, config=config).run(None, 0, 1)
    stays = MinhashDedupFilter(removed, exclusion_writer=ParquetWriter(str(folder / "excluded")))
    for _ in ParquetWriter(left).run(stays.run(read(), 0, 1), 0, 1):
        pass
    return lambda: read_ids(sorted(Path(left).rglob("*.parquet")))


def read_ids(files: list[Path]) -> list[str]:
    import pyarrow.parquet as pq

    return [name for file in files for name in pq.read_table(file, columns=["id"])["id"].to_pylist()]


def run_text_dedup(texts: Path, folder: Path) -> Callable[[], list[str]]:
    left = folder / "left"
    if importlib.util.find_spec("text_dedup.config"):
        run_verifying(texts, folder, left)
    else:
        run_older(texts, folder, left)

    def read_kept() -> list[str]:
        from datasets import load_from_disk

        return list(load_from_disk(str(left))["id"])

    return read_kept


def run_verifying(texts: Path, folder: Path, left: Path) -> None:
    """text-dedup 0.4.1, with the settings of its README but for the threshold, and one process."""
    from text_dedup.config.base import load_config_from_toml
    from text_dedup.minhash import main as dedup

    settings = folder / "config.toml"
    settings.write_text(
        f"""
        [input]
        input_type = "local_files"
        file_type = "parquet"
        [input.read_arguments]
        path = "parquet"
        data_files = "{texts}"
        split = "train"
        cache_dir = "{folder / "cache"}"
        [algorithm]
        algorithm_name = "minhash"
        text_column = "text"
        num_proc = 1
        batch_size = 10000
        num_perm = 240
        threshold = {SIMILARITY}
        hash_bits = 64
        ngram_size = {WORDS}
        check_false_positive = true
        [output]
        output_dir = "{left}"
        [debug]
        enable_profiling = false
        """,
        "utf-8",
    )
    dedup(load_config_from_toml(settings))


def run_older(texts: Path, folder: Path, left: Path) -> None:
    """text-dedup 0.4.0, which removes all but one of a cluster without comparing them."""
    from text_dedup.minhash import main as dedup

    given = {
        "path": "parquet", "data_files": texts, "split": "train", "cache_dir": folder / "cache",
        "output": left, "column": "text", "batch_size": 10000, "num_proc": 1, "ngram": WORDS, "num_perm": 240,
        "threshold": SIMILARITY, "hash_func": "xxh3",
    }  # fmt: skip
    dedup.main(
        [word for name, value in given.items() for word in (f"--{name}", str(value))], standalone_mode=False
    )


def run_rensa(texts: Path, folder: Path) -> Callable[[], list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from rensa import RMinHashDeduplicator

    known = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=128, use_lsh=True, num_bands=16)
    left = folder / "left.parquet"
    with pq.ParquetFile(texts) as parquet, pq.ParquetWriter(left, parquet.schema_arrow) as writer:
        for batch in parquet.iter_batches(BATCH):
            names, shingles = batch["id"].to_pylist(), map(list_shingles, batch["text"].to_pylist())
            writer.write_batch(batch.filter(pa.array(known.add_pairs(zip(names, shingles, strict=True)))))
    return lambda: read_ids([left])


def list_shingles(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return [" ".join(words[start : start + WORDS]) for start in range(max(1, len(words) - WORDS + 1))]


TOOLS: dict[str, Dedup] = {"datatrove": run_datatrove, "text-dedup": run_text_dedup, "rensa": run_rensa}

if __name__ == "__main__":
    main()
