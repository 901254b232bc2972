"""The parts of `distinct` → what there is of each cell, and the numbers of all documents to be read again.

Nothing is held in memory for each document: who searches for bounds reads the numbers as often as needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from dspipe.mix.cells import Cap, Cell, Group, cell_of, find_cap
from dspipe.mix.draws import SUMS, Bounds, Documents, Floats, Integers, make_bounds, read_documents, sum_draws
from dspipe.mix.numbers import LOG_STEP, Look, Stock, name_stocks, survey_part
from dspipe.mix.solver import Supply
from dspipe.recipe import Mix
from dspipe.shards import Artifact
from dspipe.workers import Workers


@dataclass(frozen=True)
class Numbered:
    """A part's numbers on disk, and which of all groups its groups are."""

    file: Path
    groups: Integers


@dataclass(frozen=True)
class Survey:
    parts: list[Numbered]
    stocks: list[Stock]  # of all parts, in the order of their groups
    caps: list[Cap]  # of each group

    @cached_property
    def cells(self) -> list[Cell]:
        return sorted({cell_of(stock.group) for stock in self.stocks})

    @cached_property
    def cell(self) -> Integers:
        """(groups,) the number of each group's cell."""
        numbers = {cell: number for number, cell in enumerate(self.cells)}
        return np.array([numbers[cell_of(stock.group)] for stock in self.stocks], np.int64)

    @cached_property
    def weights(self) -> Floats:
        """(groups,) what a document without a quality weighs: the geometric mean of its cell."""
        logs = self.sum_by_cell([stock.logs for stock in self.stocks])
        rated = self.sum_by_cell([s.documents - s.unrated - s.unfit for s in self.stocks])
        weights: Floats = np.exp2(logs * LOG_STEP / np.maximum(rated, 1)).astype(np.float32)
        return weights[self.cell].astype(np.float64)

    def supply_cells(self) -> dict[Cell, Supply]:
        """What the solver is to know of each cell."""
        stocks = [(stock.available, stock.once, stock.giving) for stock in self.stocks]
        sums = np.stack([self.sum_by_cell(column) for column in zip(*stocks, strict=True)], 1)
        limits: list[dict[Cap, int]] = [{} for _ in self.cells]
        for cell, cap, stock in zip(self.cell.tolist(), self.caps, self.stocks, strict=True):
            limits[cell][cap] = limits[cell].get(cap, 0) + stock.available
        return {
            cell: Supply(available, once, giving, rank(caps))
            for cell, (available, once, giving), caps in zip(
                self.cells, sums.astype(int).tolist(), limits, strict=True
            )
        }

    def sum_by_cell(self, values: npt.ArrayLike) -> Floats:
        """Add up what is given of each group."""
        sums = np.bincount(self.cell, np.asarray(values, np.float64), len(self.cells))
        return sums.astype(np.float64)

    def make_bounds(self, keys: npt.ArrayLike) -> Bounds:
        """The bounds of all groups; keys: (groups,), the largest that is taken."""
        return make_bounds([cap.epochs for cap in self.caps], self.weights, keys)

    def read_parts(self, *bounds: Bounds) -> Iterator[tuple[Documents, Integers, list[Bounds]]]:
        """Yield documents, their part's groups, and the bounds of these, as the documents number them."""
        for part in self.parts:
            own = [one[part.groups] for one in bounds]
            for documents in read_documents(part.file):
                yield documents, part.groups, own

    def sum_draws(self, bounds: Bounds) -> Floats:
        """(groups, SUMS): what each group gives within its bounds."""
        sums = np.zeros((len(self.stocks), SUMS))
        for documents, groups, (own,) in self.read_parts(bounds):
            added = np.zeros((len(groups), SUMS))
            sum_draws(documents, own, added)
            sums[groups] += added
        return sums


def rank(limits: Mapping[Cap, int]) -> tuple[Cap, ...]:
    """Caps, that of most text first."""
    return tuple(sorted(limits, key=lambda cap: (-limits[cap], cap)))


def survey_documents(settings: Mix, tokenizer: Path | None, distinct: Artifact, workers: Workers) -> Survey:
    looks = [
        Look(file, settings, tokenizer, workers.scratch / f"numbers-{number:05d}")
        for number, file in enumerate(distinct.files)
    ]
    surveyed = workers.map(survey_part, looks)
    return join_surveys(settings, [workers.scratch / piece.out for piece in surveyed])


def join_surveys(settings: Mix, files: list[Path]) -> Survey:
    """Add up the parts' stocks, and number the groups of all parts alike."""
    total: dict[Group, Stock] = {}
    found: list[list[Group]] = []
    for file in files:
        stocks = msgspec.json.decode(name_stocks(file).read_bytes(), type=list[Stock])
        found.append([stock.group for stock in stocks])
        for stock in stocks:
            total[stock.group] = total[stock.group] + stock if stock.group in total else stock
    numbers = {group: number for number, group in enumerate(sorted(total))}
    parts = [
        Numbered(file, np.array([numbers[group] for group in groups], np.int64))
        for file, groups in zip(files, found, strict=True)
    ]
    return Survey(
        parts, [total[group] for group in numbers], [find_cap(settings, group) for group in numbers]
    )
