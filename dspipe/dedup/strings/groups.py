"""Documents → the host or source that their lines are counted by, as a number, and how many documents it has.

The host is that of the URL, in lower case, without port, user's name, the dots at its end and a leading
"www."; a document without one counts by its source. Code and mathematics take no part: there, lines repeat
because they must.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from dspipe.dedup.strings.answers import (
    Answered,
    Columns,
    Integers,
    Span,
    Written,
    answer,
    gather,
    write_runs,
)
from dspipe.dedup.strings.keys import Numbers
from dspipe.dedup.strings.standing import Standing
from dspipe.recipe import NON_NATURAL, Lines
from dspipe.shards import read_batches, write_array
from dspipe.text.arrow import list_strings, text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.words import hash_bytes

GROUP, DOCUMENTS = range(2)  # columns
NO_GROUP = 0

HASH, DOT, SLASH, COLON, QUESTION, AT, OPENING, BACKSLASH, CLOSING = b"#./:?@[\\]"
WWW = (119, 119, 119, DOT)


@dataclass(frozen=True)
class Grouping:
    number: int
    standing: Standing
    settings: Lines
    folder: Path


def name_groups(folder: Path, part: int) -> Path:
    return folder / f"groups-{part:05d}.npy"


def group_documents(task: Grouping) -> Written:
    """Write the group of each document of a part, and a run that counts them."""
    pieces = [np.empty(0, np.uint64)]
    for batch in read_batches(task.standing.part, ["source", "domain", "url"]):
        pieces.append(find_groups(batch, task.settings))
    groups = np.concatenate(pieces)
    groups[task.standing.load_ranks() < 0] = NO_GROUP
    write_array(name_groups(task.folder, task.number), groups)
    names, counts = np.unique(groups[groups != NO_GROUP], return_counts=True)
    return write_runs(task.folder, task.number, iter([np.stack([names, counts.astype(np.uint64)])]))


def find_groups(batch: pa.RecordBatch, settings: Lines) -> Numbers:
    """(n,) the group of each document; `NO_GROUP` of those that take no part."""
    sources = batch["source"].fill_null("").dictionary_encode()
    hashes = [
        xxhash.xxh3_64_intdigest(f"source {name}".encode()) for name in list_strings(sources.dictionary)
    ]
    groups = np.array(hashes, np.uint64)[sources.indices.to_numpy()]
    if settings.by == "host":
        hosts = hash_hosts(batch["url"])
        groups = np.where(hosts != NO_GROUP, hosts, groups)
    formal = pc.is_in(batch["domain"], pa.array(NON_NATURAL)).to_numpy(zero_copy_only=False)
    return np.where(formal, np.uint64(NO_GROUP), groups)


def hash_hosts(urls: pa.Array) -> Numbers:
    """(n,) a hash of each URL's host; `NO_GROUP` where there is none."""
    text, offsets = text_buffers(urls)
    size = int(offsets[-1] - offsets[0])
    hosts = np.zeros(len(urls), np.uint64)
    walk_hosts(text, offsets, np.empty(size, np.uint8), hosts)
    return hosts


@kernel
def walk_hosts(text, offsets, lower, hosts):  # type: ignore[no-untyped-def]
    """Hash the host of each URL; lower: room for the bytes of one in lower case."""
    for row in range(offsets.size - 1):
        first, last = find_host(text, offsets[row], offsets[row + 1])
        for place in range(first, last):
            byte = text[place]
            lower[place - first] = byte | 32 if 65 <= byte <= 90 else byte
        skipped = 4 * (last - first > 4)
        for place in range(skipped):
            if lower[place] != WWW[place]:
                skipped = 0
        if last - first > skipped:
            hosts[row] = hash_bytes(lower, skipped, last - first)


@kernel
def find_host(text, start, end):  # type: ignore[no-untyped-def]
    """(first, behind the last) byte of a URL's host; what has no `//` is taken to begin with it."""
    while start < end and text[start] <= 32:
        start += 1
    rest = start
    while rest < end and text[rest] not in (COLON, SLASH, QUESTION, HASH, BACKSLASH):
        rest += 1
    rest += rest < end and text[rest] == COLON
    if rest + 1 < end and text[rest] == SLASH and text[rest + 1] == SLASH:
        start = rest + 2
    first, rest = start, start
    while rest < end and text[rest] not in (SLASH, QUESTION, HASH, BACKSLASH) and text[rest] > 32:
        rest += 1
        if text[rest - 1] == AT:
            first = rest
    last = first
    closing = CLOSING if first < rest and text[first] == OPENING else COLON  # [2001:db8::1]
    while last < rest and text[last] != closing:
        last += 1
    while last > first and text[last - 1] == DOT:
        last -= 1
    return first, last


def sum_groups(task: Span) -> Answered:
    """Add up the documents of each group, and tell every part that has some."""
    columns, runs = gather(task)
    order = np.argsort(columns[GROUP], kind="stable")
    columns, runs = columns[:, order], runs[order]
    firsts = np.flatnonzero(np.append(True, columns[GROUP][1:] != columns[GROUP][:-1])[: len(runs)])
    if len(firsts):
        sums = np.add.reduceat(columns[DOCUMENTS], firsts)
        columns[DOCUMENTS] = np.repeat(sums, np.diff(np.append(firsts, len(runs))))
    return answer(task, columns, runs)


def require_documents(groups: Numbers, sums: Columns, settings: Lines) -> Integers:
    """(n,) in how many documents of its group a line is boilerplate; 0 where no line can be.

    Args:
        sums: (2, groups), as `sum_groups` answers.
    """
    if not sums.shape[1]:
        return np.zeros(len(groups), np.int64)
    places = np.minimum(np.searchsorted(sums[GROUP], groups), sums.shape[1] - 1)
    documents = np.where(groups == NO_GROUP, 0, sums[DOCUMENTS][places]).astype(np.int64)
    share: npt.NDArray[np.float64] = np.ceil(settings.share * documents)
    least = np.maximum(share.astype(np.int64), settings.documents)
    return np.where(documents >= least, least, 0)
