"""Lines of all parts → cuts of those that stand in many documents of a host or source, but for one copy.

A part's lines become records of distinct lines: how many of its documents have it, and the best rank among
them. The documents that a run begins and ends with may go on in the runs beside it, so they have records of
their own, with the number 0: one document, and the same as that of another such record of its rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dspipe.dedup.strings.answers import (
    Answered,
    Columns,
    Integers,
    Runs,
    Span,
    Written,
    answer,
    collect_runs,
    gather,
    make_spans,
    write_runs,
)
from dspipe.dedup.strings.groups import (
    NO_GROUP,
    Grouping,
    group_documents,
    name_groups,
    require_documents,
    sum_groups,
)
from dspipe.dedup.strings.keys import HIGH, LARGEST, LOW, Numbers, Pieces, find_keys, same_key, sort_keys
from dspipe.dedup.strings.lines import find_lines
from dspipe.dedup.strings.removal import CUT, LINE, Cuts, extend_cuts, name_cuts
from dspipe.dedup.strings.standing import Standing, read_texts
from dspipe.recipe import Lines
from dspipe.shards import write_array
from dspipe.text.kernel import kernel
from dspipe.workers import Workers

RANK, DOCUMENTS, NEEDED = range(2, 5)  # columns of records, behind the key
COLUMNS = 5
KEEPER = 2  # column of answers, behind the key


@dataclass(frozen=True)
class Reading:
    """A part whose lines are read."""

    number: int
    standing: Standing
    settings: Lines
    groups: Runs
    folder: Path  # of the runs of lines
    lines: Runs | None = None  # the same, when they are answered


def cut_lines(settings: Lines, standing: list[Standing], scratch: Path, workers: Workers) -> list[Path]:
    """Find boilerplate in the documents that are left; for each part a file of cuts."""
    folder = scratch / "lines"
    groupings = [Grouping(number, own, settings, scratch / "groups") for number, own in enumerate(standing)]
    groups = collect_runs(scratch / "groups", 2, workers.map(group_documents, groupings))
    workers.map(sum_groups, make_spans(groups))
    readings = [Reading(number, own, settings, groups, folder) for number, own in enumerate(standing)]
    lines = collect_runs(folder, COLUMNS, workers.map(record_lines, readings))
    workers.map(find_boilerplate, make_spans(lines))
    lines.remove()
    workers.map(cut_boilerplate, [replace(reading, lines=lines) for reading in readings])
    lines.remove_answers()
    return [name_cuts(folder, number) for number in range(len(standing))]


def find_part_lines(task: Reading) -> tuple[Integers, Iterator[Pieces]]:
    """(documents,) in how many documents a line of each must stand; and the lines of all that take part."""
    groups: Numbers = np.load(name_groups(task.groups.folder, task.number))
    needed = require_documents(groups, task.groups.read_answers(task.number, 0), task.settings)
    groups[needed == 0] = NO_GROUP
    return needed, find_lines(read_texts(task.standing), groups) if needed.any() else iter(())


def record_lines(task: Reading) -> Written:
    """Write a part's distinct lines."""
    ranks = task.standing.load_ranks()
    needed, segments = find_part_lines(task)
    return write_runs(task.folder, task.number, (count_lines(found, ranks, needed) for found in segments))


def count_lines(found: Pieces, ranks: Integers, needed: Integers) -> Columns:
    """The records of some lines of a part, by key."""
    records = np.empty((COLUMNS, len(found.high)), np.uint64)
    order = sort_keys(found.high, found.low)
    return records[:, : count_documents(found.high, found.low, found.rows, order, ranks, needed, records)]


@kernel
def count_documents(high, low, rows, order, ranks, needed, records):  # type: ignore[no-untyped-def]
    """Fill `records`; return their number."""
    used, index = 0, 0
    while index < order.size:
        key, begun, documents, best, row = order[index], used, 0, LARGEST, np.int64(-1)
        while index < order.size and same_key(high, low, order[index], key):
            if rows[order[index]] != row:
                row = rows[order[index]]
                if row == rows[0] or row == rows[rows.size - 1]:
                    records[RANK, used], records[DOCUMENTS, used] = ranks[row], 0
                    used += 1
                else:
                    documents, best = documents + 1, min(best, ranks[row])
            index += 1
        if documents:
            records[RANK, used], records[DOCUMENTS, used] = best, documents
            used += 1
        for record in range(begun, used):
            records[HIGH, record], records[LOW, record] = high[key], low[key]
            records[NEEDED, record] = needed[row]
    return used


def find_boilerplate(task: Span) -> Answered:
    """Judge the lines of one span, and tell every run that has a boilerplate line whose document keeps it."""
    columns, runs = gather(task)
    order = sort_keys(columns[HIGH], columns[LOW])
    answers, asking = np.empty((KEEPER + 1, len(order)), np.uint64), np.empty(len(order), np.int64)
    used = judge_lines(columns, runs, order, answers, asking)
    return answer(task, answers[:, :used], asking[:used])


@kernel
def judge_lines(columns, runs, order, answers, asking):  # type: ignore[no-untyped-def]
    """Fill `answers`, and `asking` with the run of each; return their number."""
    used, index = 0, 0
    while index < order.size:
        begin, key, documents, best = index, order[index], np.int64(0), np.int64(LARGEST)
        split = np.int64(-1)
        while index < order.size and same_key(columns[HIGH], columns[LOW], order[index], key):
            rank = np.int64(columns[RANK, order[index]])
            number = np.int64(columns[DOCUMENTS, order[index]])
            if number == 0 and rank != split:  # records of one such document follow each other
                split, number = rank, np.int64(1)
            documents, best = documents + number, rank if rank < best else best
            index += 1
        run = np.int64(-1)
        for place in range(begin, index if documents >= np.int64(columns[NEEDED, key]) else begin):
            if runs[order[place]] != run:
                run = asking[used] = runs[order[place]]
                answers[HIGH, used], answers[LOW, used] = columns[HIGH, key], columns[LOW, key]
                answers[KEEPER, used] = best
                used += 1
    return used


def cut_boilerplate(task: Reading) -> Written:
    """Write the cuts of a part: boilerplate of all documents but the one that keeps it."""
    assert task.lines is not None
    ranks, cuts = task.standing.load_ranks(), np.empty(0, CUT)
    for number, found in enumerate(find_part_lines(task)[1]):
        cuts = cover_lines(found, ranks, task.lines.read_answers(task.number, number), cuts)
    write_array(name_cuts(task.folder, task.number), cuts)
    return Written([len(cuts)])


def cover_lines(found: Pieces, ranks: Integers, answers: Columns, cuts: Cuts) -> Cuts:
    """Extend the cuts of a part by those of some lines."""
    places = find_keys(found.high, found.low, answers)
    known = np.flatnonzero(places >= 0)
    keepers = answers[KEEPER][places[known]].astype(np.int64)
    lost = keepers != ranks[found.rows[known]]
    return extend_cuts(cuts, found.choose(known[lost]), keepers[lost], LINE)
