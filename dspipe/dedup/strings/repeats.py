"""Texts of all parts → cuts of what is repeated in them, in windows of so many bytes; one copy is kept.

A window is repeated if the same bytes are a window that stands earlier: in a better-ranked document, or in
the same one where the two do not overlap. What repeated windows cover goes. To find them, anchors that occur
once are told from others first; only windows around the others are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dspipe.dedup.strings.anchors import Anchors, Stretches, find_anchors, mark_stretches
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
from dspipe.dedup.strings.keys import HIGH, LOW, Numbers, Pieces, find_keys, same_key, sort_keys
from dspipe.dedup.strings.removal import CUT, SUBSTRING, Cuts, extend_cuts, name_cuts, weave_cuts
from dspipe.dedup.strings.standing import Standing, Texts, read_texts
from dspipe.dedup.strings.windows import find_windows
from dspipe.shards import write_array
from dspipe.text.kernel import kernel
from dspipe.workers import Workers

ANCHORS_IN_RUN = 4 << 20
RANK, START = range(2, 4)  # columns of windows, behind the key
COLUMNS = 4


@dataclass(frozen=True)
class Reading:
    """A part whose text is read, without the lines that are cut, and what is known of it."""

    number: int
    standing: Standing
    lines: Path | None
    length: int
    folder: Path
    anchors: Runs | None = None  # when they are answered
    windows: Runs | None = None


def cut_repeats(
    length: int, standing: list[Standing], lines: list[Path] | None, scratch: Path, workers: Workers
) -> list[Path]:
    """Find repeats in the documents that are left; for each part a file of cuts, those of lines among them.

    Args:
        lines: for each part its file of cuts that come first.
    """
    folder = scratch / "substrings"
    readings = [
        Reading(number, own, lines[number] if lines else None, length, folder)
        for number, own in enumerate(standing)
    ]
    anchors = collect_runs(folder / "anchors", 1, workers.map(record_anchors, readings))
    workers.map(match_anchors, make_spans(anchors))
    anchors.remove()
    readings = [replace(reading, anchors=anchors) for reading in readings]
    windows = collect_runs(folder / "windows", COLUMNS, workers.map(record_windows, readings))
    anchors.remove_answers()
    workers.map(match_windows, make_spans(windows))
    windows.remove()
    workers.map(cut_windows, [replace(reading, windows=windows) for reading in readings])
    windows.remove_answers()
    return [name_cuts(folder, number) for number in range(len(standing))]


def record_anchors(task: Reading) -> Written:
    """Write the hashes of a part's anchors, of each that it has often, two."""
    return write_runs(task.folder / "anchors", task.number, hold_anchors(task))


def hold_anchors(task: Reading) -> Iterator[Columns]:
    held: list[Numbers] = []
    for _, texts, ranks in read_texts(task.standing, task.lines):
        held.append(find_anchors(texts, ranks, task.length).hashes)
        if sum(map(len, held)) >= ANCHORS_IN_RUN:
            yield sort_hashes(held)
            held = []
    yield sort_hashes(held)


def sort_hashes(held: list[Numbers]) -> Columns:
    """(1, n): all hashes in order, none more than twice."""
    hashes = np.sort(np.concatenate([*held, np.empty(0, np.uint64)]))
    chosen: Numbers = hashes[np.append(np.ones(min(2, len(hashes)), bool), hashes[2:] != hashes[:-2])]
    return chosen[None]


def match_anchors(task: Span) -> Answered:
    """Tell every run which of its hashes occur more than once."""
    columns, runs = gather(task)
    order = np.argsort(columns[HIGH], kind="stable")
    hashes, runs = columns[HIGH, order], runs[order]
    same, repeated = hashes[1:] == hashes[:-1], np.zeros(len(hashes), bool)
    repeated[1:] |= same
    repeated[:-1] |= same
    return answer(task, hashes[None, repeated], runs[repeated])


def record_windows(task: Reading) -> Written:
    """Write the windows around a part's repeated anchors, and where they begin."""
    assert task.anchors is not None
    runs = range(len(task.anchors.records[task.number]))
    answers = [task.anchors.read_answers(task.number, number)[HIGH] for number in runs]
    repeated = np.unique(np.concatenate(answers))
    ranks = task.standing.load_ranks()
    stretches: list[Stretches] = []
    windows = find_windows(mark_texts(task, repeated, stretches), task.length)
    written = write_runs(
        task.folder / "windows", task.number, (sort_windows(found, ranks) for found in windows)
    )
    write_array(name_stretches(task), np.concatenate([np.empty((3, 0), np.int64), *stretches], axis=1))
    return written


def name_stretches(task: Reading) -> Path:
    return task.folder / f"stretches-{task.number:05d}.npy"


def mark_texts(
    task: Reading, repeated: Numbers, marked: list[Stretches]
) -> Iterator[tuple[Texts, Stretches]]:
    """Yield texts and where repeats may begin in them, and note it with the rows of the part."""
    for batch in read_texts(task.standing, task.lines):
        anchors = find_anchors(batch.texts, batch.ranks, task.length)
        places = np.searchsorted(repeated, anchors.hashes)
        found = np.append(repeated, np.uint64(0))[places] == anchors.hashes
        found &= places < len(repeated)
        chosen = Anchors(*(column[found] for column in anchors))
        stretches = mark_stretches(chosen, batch.texts, task.length)
        marked.append(stretches._replace(rows=stretches.rows + batch.first))
        yield batch, stretches


def sort_windows(found: Pieces, ranks: Integers) -> Columns:
    """The records of some windows of a part, by key: of each key the first, and one more if it is there."""
    records = np.empty((COLUMNS, len(found.high)), np.uint64)
    order = sort_keys(found.high, found.low)
    used = choose_firsts(found.high, found.low, ranks[found.rows], found.starts, order, records)
    return records[:, :used]


@kernel
def find_first(order, begin, high, low, ranks):  # type: ignore[no-untyped-def]
    """(behind the last of the key that begins here, the first in the document of the best rank).

    Those of one document come in the order of its text, for keys are sorted stably.
    """
    index, first = begin, order[begin]
    while index < order.size and same_key(high, low, order[index], order[begin]):
        window = order[index]
        if ranks[window] < ranks[first]:
            first = window
        index += 1
    return index, first


@kernel
def choose_firsts(high, low, ranks, starts, order, records):  # type: ignore[no-untyped-def]
    """Fill `records`; return their number."""
    used, index = 0, 0
    while index < order.size:
        begin = index
        index, first = find_first(order, begin, high, low, ranks)
        for _ in range(min(2, index - begin)):
            records[HIGH, used], records[LOW, used] = high[first], low[first]
            records[RANK, used], records[START, used] = ranks[first], starts[first]
            used += 1
    return used


def match_windows(task: Span) -> Answered:
    """Tell every run which of its windows occur more than once, and where each stands first."""
    columns, runs = gather(task)
    order = sort_keys(columns[HIGH], columns[LOW])
    answers, asking = np.empty_like(columns), np.empty(len(order), np.int64)
    used = find_originals(columns, runs, order, answers, asking)
    return answer(task, answers[:, :used], asking[:used])


@kernel
def find_originals(columns, runs, order, answers, asking):  # type: ignore[no-untyped-def]
    """Fill `answers`, and `asking` with the run of each; return their number.

    A run whose only one is the first of all does not need to know.
    """
    used, index = 0, 0
    while index < order.size:
        begin, run = index, np.int64(-1)
        index, first = find_first(order, begin, columns[HIGH], columns[LOW], columns[RANK])
        for place in range(begin, index):
            alone = place + 1 == index or runs[order[place + 1]] != runs[order[place]]
            if runs[order[place]] != run and not (alone and order[place] == first):
                run = asking[used] = runs[order[place]]
                for column in range(COLUMNS):
                    answers[column, used] = columns[column, first]
                used += 1
    return used


def cut_windows(task: Reading) -> Written:
    """Write the cuts of a part: what repeated windows cover, and the lines that were cut before."""
    assert task.windows is not None
    ranks, cuts = task.standing.load_ranks(), np.empty(0, CUT)
    for number, found in enumerate(find_windows(recall_stretches(task), task.length)):
        answers = task.windows.read_answers(task.number, number)
        cuts = cover_repeats(found, ranks, answers, cuts)
    lines = np.empty(0, CUT) if task.lines is None else np.load(task.lines)
    woven = weave_cuts(lines, cuts)
    write_array(name_cuts(task.folder, task.number), woven)
    return Written([len(woven)])


def recall_stretches(task: Reading) -> Iterator[tuple[Texts, Stretches]]:
    """Yield texts and where repeats may begin in them, as `record_windows` has found."""
    stretches = Stretches(*np.load(name_stretches(task)))
    for batch in read_texts(task.standing, task.lines) if len(stretches.rows) else ():
        begin, end = np.searchsorted(stretches.rows, [batch.first, batch.first + len(batch.texts)])
        own = Stretches(*(column[begin:end] for column in stretches))
        yield batch, own._replace(rows=own.rows - batch.first)


def cover_repeats(found: Pieces, ranks: Integers, answers: Columns, cuts: Cuts) -> Cuts:
    """Extend the cuts of a part, whose places are in the texts without lines, by what these windows cover."""
    places = find_keys(found.high, found.low, answers)
    known = np.flatnonzero(places >= 0)
    window = found.choose(known)
    keepers, firsts = answers[[RANK, START]][:, places[known]].astype(np.int64)
    own = ranks[window.rows]
    clear = firsts + window.ends - window.starts <= window.starts
    repeated = (keepers < own) | ((keepers == own) & clear)
    return extend_cuts(cuts, window.choose(repeated), keepers[repeated], SUBSTRING)
