"""A part of `distinct` → a few numbers for each document, on disk, and what there is of each group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.mix.cells import Group, find_cap, make_group
from dspipe.mix.draws import (
    AMOUNT,
    DOCUMENT,
    DRAWS,
    SUMS,
    Documents,
    Floats,
    Integers,
    make_bounds,
    read_documents,
    sum_draws,
)
from dspipe.recipe import Mix
from dspipe.shards import read_batches, replacing, write_file
from dspipe.text.hashing import draw, parse_ids
from dspipe.text.kernel import compiling_once

REST_OF_ROW = 96  # bytes of a row in memory that are not text: offsets, validity, numbers
LARGEST_LOG = 100.0  # weights lie between 2^-100 and 2^100, so that no key overflows
UNFIT = np.float32(2.0**-LARGEST_LOG)  # weight of a quality that is not above zero: drawn when all else is
COUNTS = 5  # of a stock that come from the documents themselves
LOG_STEP = 2.0**-12  # logarithms are added up as integers, so that no sum depends on its order


@dataclass(frozen=True)
class Look:
    part: Path
    settings: Mix
    tokenizer: Path | None  # count tokens with it; else amounts are bytes
    out: Path


class Surveyed(Struct, frozen=True):
    rows: int
    out: str  # its name alone: a run may be resumed from another directory


class Stock(Struct, frozen=True):
    """What there is of one group, in one part or in all."""

    group: Group
    documents: int
    unrated: int  # documents without a quality
    unfit: int  # documents whose quality is not above zero
    logs: int  # Σ log2 of the other documents' weights, in steps
    available: int  # bytes or tokens of all documents
    once: float  # the same of those that the group's cap allows to be drawn
    giving: float  # the same of all the draws that it allows
    draws: float  # how many these are

    def __add__(self, other: Stock) -> Stock:
        pairs = zip(msgspec.structs.astuple(self)[1:], msgspec.structs.astuple(other)[1:], strict=True)
        return Stock(self.group, *(mine + theirs for mine, theirs in pairs))


def survey_part(task: Look) -> Surveyed:
    """Write the numbers of a part's documents, and beside them what there is of each group."""
    with compiling_once():
        sum_draws(np.empty(0, DOCUMENT), make_bounds([]), np.empty((0, SUMS)))
    encoder = None if task.tokenizer is None else Encoder(task.tokenizer)
    groups: dict[Group, int] = {}
    rows = 0
    with replacing(task.out) as temporary, open(temporary, "wb") as stream:
        for batch in read_batches(task.part):
            documents = np.empty(len(batch), DOCUMENT)
            documents["hash"] = draw(task.settings.seed or 0, "mix draw", parse_ids(batch["id"]))
            documents["amount"] = measure(batch["text"]) if encoder is None else encoder.count(batch["text"])
            documents["size"] = measure_rows(batch)
            documents["weight"] = weigh(batch["quality"], task.settings.quality_power)
            documents["group"] = number_groups(batch, groups)
            stream.write(documents.data)
            rows += len(batch)
    stocks = take_stock(task.out, task.settings, list(groups))
    write_file(name_stocks(task.out), msgspec.json.encode(stocks))
    return Surveyed(rows, task.out.name)


def name_stocks(numbers: Path) -> Path:
    return numbers.with_suffix(".json")


def measure(texts: pa.Array) -> Integers:
    sizes: Integers = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    return sizes.astype(np.int64)


def measure_rows(batch: pa.RecordBatch) -> Integers:
    """About how many bytes of memory each row takes."""
    sizes = np.full(len(batch), REST_OF_ROW, np.int64)
    for column in pa.Table.from_batches([batch]).flatten().columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            sizes += measure(column)
    return sizes


def weigh(qualities: pa.Array, power: float) -> npt.NDArray[np.float32]:
    """quality^power; NaN where there is no quality, `UNFIT` where it is not above zero."""
    if power == 0:
        return np.ones(len(qualities), np.float32)
    numbers = qualities.to_numpy(zero_copy_only=False).astype(np.float64)
    with np.errstate(divide="ignore"):
        logs = power * np.log2(np.maximum(numbers, 0.0))
    weights = np.exp2(np.clip(logs, -LARGEST_LOG, LARGEST_LOG)).astype(np.float32)
    return np.where(np.isfinite(numbers), weights, np.float32(np.nan))


def number_groups(batch: pa.RecordBatch, groups: dict[Group, int]) -> Integers:
    """(n,) the number of each row's group; new groups are added to those that are known."""
    columns = [batch[name].fill_null("").dictionary_encode() for name in ("domain", "language", "source")]
    codes = np.zeros(len(batch), np.int64)
    for column in columns:
        codes = codes * len(column.dictionary) + column.indices.to_numpy()
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    found = [make_group(*(column[row].as_py() for column in columns)) for row in first.tolist()]
    numbers = np.array([groups.setdefault(group, len(groups)) for group in found], np.int64)
    return numbers[inverse]


def take_stock(file: Path, settings: Mix, groups: list[Group]) -> list[Stock]:
    """Add up a part's numbers by group."""
    caps = np.array([find_cap(settings, group).epochs for group in groups], np.float64)
    sums, firsts = np.zeros((len(groups), SUMS)), np.zeros((len(groups), SUMS))
    counts = np.zeros((COUNTS, len(groups)))
    for documents in read_documents(file):
        sum_draws(documents, make_bounds(caps), sums)
        sum_draws(documents, make_bounds(np.minimum(caps, 1.0)), firsts)
        counts += count_stock(documents, len(groups))
    number, unrated, unfit, logs, available = counts.astype(np.int64).tolist()
    allowed = (column.tolist() for column in (firsts[:, AMOUNT], sums[:, AMOUNT], sums[:, DRAWS]))
    columns = zip(groups, number, unrated, unfit, logs, available, *allowed, strict=True)
    return [Stock(*column) for column in columns]


def count_stock(documents: Documents, groups: int) -> Floats:
    """(COUNTS, groups): the numbers that a `Stock` begins with, exact up to 2^53."""
    weights = documents["weight"].astype(np.float64)
    unrated, unfit = np.isnan(weights), weights == UNFIT
    logs = np.where(unrated | unfit, 0.0, np.rint(np.log2(weights) / LOG_STEP))
    columns = (np.ones(len(weights)), unrated, unfit, logs, documents["amount"])
    return np.stack([np.bincount(documents["group"], column, groups) for column in columns])
