"""Shares of languages that a recipe asks for → which documents of the mixture the tokenizer is trained on.

The sample is the largest in which natural language has these shares: of the language that is scarcest for its
share all documents are kept, of every other a part, drawn by document. Code and mathematics are kept as a
whole.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.recipe import NON_NATURAL, RecipeError, Tokenizer
from dspipe.shards import read_batches
from dspipe.text.hashing import draw, parse_ids
from dspipe.workers import Workers

UNKNOWN = "und"
ELEVEN, UNIT = np.uint64(11), 2.0**-53  # of the 64 bits of a draw, those that a float can hold
SMALLEST_REST = 1e-6  # of shares that sum to 1


@dataclass(frozen=True)
class Sample:
    """For each language the probability of a document, and the bytes there are; None: all are kept."""

    keep: dict[str, float] | None = None
    available: dict[str, int] = field(default_factory=dict)
    seed: int = 0


class Surveyed(Struct, frozen=True):
    bytes: dict[str, int]  # of natural language, by language


def choose_sample(files: Sequence[Path], settings: Tokenizer, workers: Workers) -> Sample:
    """What is kept of each language.

    Raises:
        RecipeError: a language that is to have a share does not occur, or none is there for the rest.
    """
    if not settings.languages and settings.temperature is None:
        return Sample()
    available: Counter[str] = Counter()
    for surveyed in workers.map(survey_file, list(files)):
        available.update(surveyed.bytes)
    return Sample(choose_probabilities(dict(available), settings), dict(available), settings.seed or 0)


def survey_file(file: Path) -> Surveyed:
    found: Counter[str] = Counter()
    for batch in read_batches(file, ["text", "language", "domain"]):
        found.update(measure_languages(batch))
    return Surveyed(dict(found))


def measure_languages(batch: pa.RecordBatch) -> dict[str, int]:
    """The bytes of natural language, by language."""
    sizes = pc.fill_null(pc.binary_length(batch["text"]), 0).cast(pa.int64())
    table = pa.table({"language": languages_of(batch), "bytes": sizes}).filter(is_natural(batch))
    totals = table.group_by("language").aggregate([("bytes", "sum")])
    return dict(zip(totals["language"].to_pylist(), totals["bytes_sum"].to_pylist(), strict=True))


def describe_sample(sample: Sample, kept: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    """What the manifest says of a sample: for each language bytes before and after, and its probability."""
    if sample.keep is None:
        return {}
    after: Counter[str] = Counter()
    for found in kept:
        after.update(found)
    return {
        "sample": {
            language: {"bytes": sample.available[language], "kept": after[language], "probability": keep}
            for language, keep in sorted(sample.keep.items())
        }
    }


def choose_probabilities(available: dict[str, int], settings: Tokenizer) -> dict[str, float]:
    """For each language that occurs, what part of it is in the largest sample with the wanted shares."""
    shares = choose_shares(available, settings)
    absent = [language for language, share in shares.items() if share and not available.get(language)]
    if absent:
        raise RecipeError(
            f"tokenizer.languages: the mixture has no {', '.join(absent)}; leave it out, or have it mixed in"
        )
    size = min((available[language] / share for language, share in shares.items() if share), default=0.0)
    return {
        language: min(1.0, shares.get(language, 0.0) * size / amount) if amount else 0.0
        for language, amount in available.items()
    }


def choose_shares(available: dict[str, int], settings: Tokenizer) -> dict[str, float]:
    """The wanted shares of languages within natural language, by the rule of `mix`."""
    left = 1.0 - math.fsum(settings.languages.values())
    if settings.temperature is None or left <= SMALLEST_REST:
        return dict(settings.languages)
    others = {
        language: amount
        for language, amount in available.items()
        if amount and language not in settings.languages
    }
    if not others and settings.languages:
        raise RecipeError(
            f"tokenizer.languages: the shares sum to {1 - left:g}, and the mixture has no other language for "
            "the rest; make them sum to 1"
        )
    # p ∝ available^(1/T): T = 1 is proportional, a large T makes languages equal (mT5, Xue et al. 2021)
    most = max(others.values(), default=1)
    raised = {language: (amount / most) ** (1 / settings.temperature) for language, amount in others.items()}
    total = math.fsum(raised.values())
    return {**settings.languages, **{language: left * part / total for language, part in raised.items()}}


def keep_sample(batch: pa.RecordBatch, sample: Sample) -> pa.RecordBatch:
    """The documents of a batch that are in the sample; the same whatever batch they come in."""
    if sample.keep is None:
        return batch
    languages = pa.array(list(sample.keep), pa.string())
    probabilities = np.append(np.array(list(sample.keep.values())), 0.0)
    known = pc.index_in(languages_of(batch), languages)
    wanted = probabilities[pc.fill_null(known, len(languages)).to_numpy()]
    drawn = draw(sample.seed, "tokenizer sample", parse_ids(batch["id"]), batch["draw"].to_numpy())
    chosen = ((drawn >> ELEVEN) * UNIT < wanted) | ~np.asarray(is_natural(batch))
    return batch.filter(pa.array(chosen))


def languages_of(batch: pa.RecordBatch) -> pa.Array:
    return pc.fill_null(batch["language"], UNKNOWN)


def is_natural(batch: pa.RecordBatch) -> pa.Array:
    other = pc.is_in(batch["domain"], value_set=pa.array(NON_NATURAL, pa.string()))
    return pc.invert(pc.fill_null(other, False))
