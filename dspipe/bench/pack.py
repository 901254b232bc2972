"""`dspipe bench pack`: documents → rows of tokens and batches of rows, how full, how fast, beside datatrove.

First lengths alone, fitted to rows of several lengths: those of the documents, drawn again and again up to
millions, and a distribution. Then the stage, text to rows on disk; then batches of rows, as training gets
them.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from dspipe.bench import Options, Say
from dspipe.bench.documents import HEADER, Documents, find_documents, weigh
from dspipe.bench.fitting import measure_fitting
from dspipe.bench.lengths import describe_lengths, draw_lengths, measure_lengths, resample
from dspipe.bench.loading import measure_loading
from dspipe.bench.machine import describe_machine
from dspipe.bench.packing import measure_packing
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.mix.stage import run as mix
from dspipe.recipe import Mix, Tokenizer
from dspipe.schema import DISTINCT
from dspipe.shards import (
    MANIFEST,
    Artifact,
    Counts,
    Journal,
    Output,
    open_artifact,
    read_batches,
    write_parquet,
)
from dspipe.tokenizer.stage import run as train
from dspipe.workers import Pool, Workers

SCALED = 100_000_000  # bytes of HTML that the sample is scaled to
SAMPLED = 5_000_000  # documents whose lengths are fitted
SETTINGS = Tokenizer()  # of the tokenizer that is trained where none is found
VERSIONS = ("pyarrow", "numpy", "numba", "tokenizers", "torch")


def run(options: Options, say: Say) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name, closing(Pool(options.workers)) as pool:
        folder = Path(name)
        documents = find_documents(options.data, folder, SCALED)
        given = "documents" if options.data else "the sample, scaled up"
        say(f"{given}: {documents.show()}")
        mixture = find_mixture(documents, folder, pool)
        tokenizer, origin = find_tokenizer(mixture, folder, pool)
        lengths = measure_lengths(mixture.artifact, tokenizer.folder)
        entries = Encoder(tokenizer.folder).size
        say(f"a tokenizer of {entries:,} entries, {origin}")
        distributions = {"documents": resample(lengths, SAMPLED), "log-normal": draw_lengths(SAMPLED)}
        return {
            "data": {"given": given, "documents": mixture.rows, "bytes": mixture.bytes},
            "tokenizer": {"entries": entries, "origin": origin},
            "versions": describe_machine(VERSIONS)["packages"],
            "lengths": {
                "found": describe_lengths("documents as they are", lengths, say),
                **{name: describe_lengths(name, many, say) for name, many in distributions.items()},
            },
            "fitting": measure_fitting(distributions, options.repeat, say),
            "packing": measure_packing(mixture, tokenizer, folder, options, say),
            "loading": measure_loading(folder, options, say),
        }


def find_mixture(documents: Documents, folder: Path, pool: Pool) -> Documents:
    """The documents where they are a mixture, else what `mix` makes of them: each once, shuffled."""
    if documents.artifact.manifest.artifact == "mixture":
        return documents
    distinct, output = Output(folder / "distinct", HEADER), Output(folder / "mixture", HEADER)
    parts = [
        write_parquet(distinct.folder, f"part-{number:05d}.parquet", DISTINCT, map(keep, read_batches(file)))
        for number, file in enumerate(documents.artifact.files)
    ]
    distinct.close(parts, Counts(documents.rows, documents.rows))
    workers = Workers(pool, Journal(folder / ".progress" / "mix"))
    mix(Mix(), open_artifact(distinct.folder), output, workers)
    return weigh(open_artifact(output.folder))


def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Documents as `dedup` hands them on where it finds no copies."""
    columns = {"cluster": batch["id"], **{name: batch[name] for name in batch.schema.names}}
    return pa.RecordBatch.from_arrays([columns[name] for name in DISTINCT.names], schema=DISTINCT)


def find_tokenizer(mixture: Documents, folder: Path, pool: Pool) -> tuple[Artifact, str]:
    """The tokenizer beside a mixture, as a run has it, or one that is trained on it; and which of the two."""
    beside = mixture.artifact.folder.parent / "tokenizer"
    if (beside / MANIFEST).is_file():
        return open_artifact(beside), "of the same run"
    output = Output(folder / "tokenizer", HEADER)
    journal = Journal(folder / ".progress" / "tokenizer")
    train(SETTINGS, mixture.artifact, output, Workers(pool, journal))
    return open_artifact(output.folder), "trained on the same documents"
