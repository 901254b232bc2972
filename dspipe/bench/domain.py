"""`dspipe bench domain`: documents of known domains → how many are told by their text alone, and how fast.

The documents are the sample's, or those of JSONL and Parquet files that have the columns `text` and `domain`.
Rates are of all bytes of the documents, of which only the beginnings are read, and of the bytes that are
read.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dspipe.bench import Options, Say, timing
from dspipe.bench.contenders import extract_one, on_one_core
from dspipe.bench.crawl import SAMPLE, iterate_pages
from dspipe.filter.domains.counts import PREFIX
from dspipe.filter.domains.find import FOUND, choose_domains, score_domains
from dspipe.recipe import Extract, RecipeError
from dspipe.text.arrow import text_buffers

SCALED = 50_000_000  # bytes that are timed at least, by taking the documents several times
BLOCK = 64 << 20  # bytes of JSONL that are parsed at once, and so the longest line
OTHERS = (("code", "shards/sample/code.jsonl.gz"), ("math", "shards/sample/math.parquet"))


def run(options: Options, say: Say) -> dict[str, Any]:
    """Accuracy for each domain, what is taken for what, and speed."""
    texts, domains = read_documents(options.data) if options.data else read_sample()
    wanted = np.array([FOUND.index(domain) for domain in domains])
    say(f"{options.data or 'the sample'}: {len(texts):,} documents, {texts.nbytes / 1e6:.1f} MB")
    answers = choose_domains(score_domains(*text_buffers(texts)))
    return {
        "documents": len(texts),
        "accuracy": float((answers == wanted).mean()),
        "domains": compare_answers(wanted, answers, say),
        "speed": measure_speed(texts, options.repeat, say),
    }


def compare_answers(wanted: NDArray[np.int64], answers: NDArray[np.int64], say: Say) -> dict[str, Any]:
    """For each domain that there is the share told right, and how often it was taken for each."""
    say(f"{'domain':<8}{'right':>8}" + "".join(f"{'as ' + name:>10}" for name in FOUND))
    compared = {}
    for place, name in enumerate(FOUND):
        taken = np.bincount(answers[wanted == place], minlength=len(FOUND))
        if taken.sum():
            share = taken[place] / taken.sum()
            say(f"{name:<8}{share:8.2%}" + "".join(f"{count:10,}" for count in taken))
            compared[name] = {
                "accuracy": float(share),
                "taken_for": dict(zip(FOUND, taken.tolist(), strict=True)),
            }
    say(f"{'all':<8}{(answers == wanted).mean():8.2%}")
    return compared


def measure_speed(texts: Any, repeat: int, say: Say) -> dict[str, Any]:
    """Megabytes a second on one core."""
    times = max(1, -(-SCALED // max(texts.nbytes, 1)))
    text, offsets = text_buffers(pa.chunked_array([texts] * times))
    sizes = np.diff(offsets)
    whole, read = int(sizes.sum()), int(np.minimum(sizes, PREFIX).sum())
    work = {"by text": on_one_core(lambda: score_domains(text, offsets))}
    seconds = timing.take_turns(work, repeat)["by text"]
    rates = {
        "of_all_bytes": timing.summarize([whole / 1e6 / one for one in seconds]),
        "of_bytes_read": timing.summarize([read / 1e6 / one for one in seconds]),
        "documents": timing.summarize([len(sizes) / one for one in seconds]),
    }
    say(
        f"{rates['of_all_bytes']} MB/s of all bytes, {rates['of_bytes_read']} MB/s of the bytes that are read"
    )
    return rates


def read_documents(pattern: str) -> tuple[Any, list[str]]:
    """The texts of the files that a glob names, as one column, and the domain of each.

    Raises:
        RecipeError: no file matches, one has not both columns, or a domain is not one of those that are told.
    """
    files = sorted(glob.glob(pattern, recursive=True))
    if not files:
        raise RecipeError(f"no file matches {pattern}; check --data")
    tables = [read_table(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        others = set(table["domain"].unique().to_pylist()) - set(FOUND)
        if others:
            raise RecipeError(f"{file}: the domain {others.pop()} is not one of {', '.join(FOUND)}")
    table = pa.concat_tables(tables)
    return table["text"].combine_chunks(), table["domain"].to_pylist()


def read_table(file: str) -> Any:
    """The columns `text` and `domain` of a file of JSONL or Parquet."""
    try:
        if file.endswith(".parquet"):
            table = pq.read_table(file, columns=["text", "domain"])
        else:
            table = read_lines(file).select(["text", "domain"])
    except (pa.ArrowInvalid, KeyError) as error:
        raise RecipeError(f"{file} has no columns text and domain: {error}") from None
    return table.cast(pa.schema([("text", pa.large_string()), ("domain", pa.string())]))


def read_lines(file: str) -> Any:
    from pyarrow.json import ReadOptions, read_json

    with pa.input_stream(file, compression="detect") as stream:
        return read_json(stream, ReadOptions(block_size=BLOCK))


def read_sample() -> tuple[Any, list[str]]:
    """The texts of the sample and their domains."""
    texts = [text for file in sorted(glob.glob(SAMPLE)) for text in iterate_texts(file)]
    domains = ["web"] * len(texts)
    for domain, file in OTHERS:
        if not Path(file).exists():
            raise RecipeError(f"{file} is not there; run this in a checkout of dspipe, or give --data GLOB")
        table = pq.read_table(file) if file.endswith(".parquet") else read_lines(file)
        texts += table["text"].to_pylist()
        domains += [domain] * table.num_rows
    return pa.array(texts, pa.large_string()), domains


def iterate_texts(file: str) -> Iterator[str]:
    for record in iterate_pages(file):
        text = extract_one(record.reader.read(), record.http_charset, Extract())
        if text is not None:
            yield text
