"""A part of `distinct` → its cells and, for each document, id, size and cell as numbers on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.bpe.encoder import Encoder
from dspipe.mix.solver import Cell, cell_of
from dspipe.shards import read_batches, replacing
from dspipe.text.hashing import parse_ids

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Look:
    part: Path
    tokenizer: Path | None  # count tokens with it; else sizes are bytes
    out: Path


class Surveyed(Struct, frozen=True):
    rows: int
    cells: list[tuple[str, str]]
    out: str  # its name alone: a run may be resumed from another directory


@dataclass(frozen=True)
class Survey:
    """All documents, in the order of the parts: ids (n, 2), bytes, amounts to budget with, cells (n,)."""

    ids: npt.NDArray[np.uint64]
    bytes: Integers
    amounts: Integers
    cell: Integers  # index into `cells`
    cells: list[Cell]
    starts: list[int]  # first document of each part, and the number of all


def survey_part(task: Look) -> Surveyed:
    encoder = None if task.tokenizer is None else Encoder(task.tokenizer)
    cells: dict[Cell, int] = {}
    columns: list[tuple[npt.NDArray[np.uint64], Integers, Integers, Integers]] = []
    for batch in read_batches(task.part, ["id", "text", "domain", "language"]):
        sizes = pc.binary_length(batch["text"]).to_numpy(zero_copy_only=False).astype(np.int64)
        amounts = sizes if encoder is None else encoder.count(batch["text"])
        pairs = zip(batch["domain"].to_pylist(), batch["language"].to_pylist(), strict=True)
        numbers = [cells.setdefault(cell_of(domain, language), len(cells)) for domain, language in pairs]
        columns.append((parse_ids(batch["id"]), sizes, amounts, np.array(numbers, np.int64)))
    arrays = [np.concatenate(column) for column in zip(*columns, strict=True)] or [
        np.empty((0, 2), np.uint64),
        *(np.empty(0, np.int64) for _ in range(3)),
    ]
    with replacing(task.out) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, ids=arrays[0], bytes=arrays[1], amounts=arrays[2], cell=arrays[3])
    return Surveyed(len(arrays[0]), list(cells), task.out.name)


def join_surveys(pieces: list[Surveyed], folder: Path) -> Survey:
    """Put the parts' numbers one after the other, with one numbering of the cells."""
    cells = sorted({cell for piece in pieces for cell in piece.cells})
    loaded = [dict(np.load(folder / piece.out)) for piece in pieces]
    renumbered = [np.array([cells.index(cell) for cell in piece.cells], np.int64) for piece in pieces]
    return Survey(
        ids=np.concatenate([np.empty((0, 2), np.uint64), *(arrays["ids"] for arrays in loaded)]),
        bytes=join([arrays["bytes"] for arrays in loaded]),
        amounts=join([arrays["amounts"] for arrays in loaded]),
        cell=join([table[arrays["cell"]] for table, arrays in zip(renumbered, loaded, strict=True)]),
        cells=cells,
        starts=[0, *np.cumsum([piece.rows for piece in pieces]).tolist()],
    )


def join(arrays: list[Integers]) -> Integers:
    return np.concatenate([np.empty(0, np.int64), *arrays])


def sum_available(survey: Survey) -> dict[Cell, int]:
    sums = np.zeros(len(survey.cells), np.int64)
    np.add.at(sums, survey.cell, survey.amounts)
    return dict(zip(survey.cells, sums.tolist(), strict=True))
