"""Documents of one URL → one of them: the setting `same_url`, within each source.

Of every document with a URL a few numbers go to disk, sorted by the hash of source and URL. All pieces are
then gone through together, one range of hashes after the other, so memory does not grow with the crawl. Parts
that lose rows are written again, the others linked.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from msgspec import Struct

from dspipe.schema import DOCUMENTS, UNUSED
from dspipe.shards import (
    Counts,
    Part,
    Piece,
    read_batches,
    replacing,
    write_array,
    writing_table,
)
from dspipe.text.hashing import parse_ids
from dspipe.workers import Workers

Preference = Literal["newest", "longest"]
Entries = npt.NDArray[Any]  # of ENTRY
Numbers = npt.NDArray[np.int64]

# date: more than an ISO date takes; of a longer one this much counts. length: in characters
FIELDS = [("key", "u8"), ("key2", "u8"), ("id", "u8"), ("id2", "u8"), ("date", "S40"), ("length", "i8")]
ENTRY = np.dtype([*FIELDS, ("row", "i8"), ("piece", "i8")])
ORDERS = {"newest": ("date", "length"), "longest": ("length", "date")}
ENTRIES_IN_RUN = 1 << 20  # sorted at a time
ENTRIES_IN_RANGE = 1 << 21  # compared at a time, about


@dataclass(frozen=True)
class Hashing:
    piece: Piece
    number: int
    folder: Path
    scratch: Path

    def run(self, number: int) -> Path:
        """The file of a run of entries."""
        return self.scratch / f"urls-{self.number:05d}-{number:03d}.npy"


class Hashed(Struct, frozen=True):
    entries: list[int]  # in each run


@dataclass(frozen=True)
class Keeping:
    piece: Piece
    folder: Path
    losers: Numbers  # rows of the piece, sorted
    target: Path


def drop_repeats(
    preference: Preference, pieces: list[Piece], folder: Path, target: Path, workers: Workers
) -> list[Piece]:
    """Bring the parts of all pieces from one folder to another, without repeats."""
    hashing = [Hashing(piece, number, folder, workers.scratch) for number, piece in enumerate(pieces)]
    hashed = workers.map(hash_urls, hashing)
    entries = {
        task.run(number): size
        for task, found in zip(hashing, hashed, strict=True)
        for number, size in enumerate(found.entries)
    }
    losers = find_losers(preference, entries)
    borders = np.searchsorted(losers[0], np.arange(len(pieces) + 1))
    keeping = [
        Keeping(piece, folder, losers[1][begin:end], target)
        for piece, (begin, end) in zip(pieces, pairwise(borders), strict=True)
    ]
    return workers.map(keep_rows, keeping)


def hash_urls(task: Hashing) -> Hashed:
    """Write the entries of a piece's documents with a URL, in runs that are sorted by key."""
    runs: list[int] = []
    gathered, first = [np.empty(0, ENTRY)], 0
    for part in documents_of(task.piece):
        for batch in read_batches(task.folder / part.file, ["id", "source", "url", "date", "text"]):
            gathered.append(describe_batch(batch, first, task.number))
            first += len(batch)
            if sum(map(len, gathered)) >= ENTRIES_IN_RUN:
                runs.append(write_run(task, len(runs), gathered))
                gathered = [np.empty(0, ENTRY)]
    return Hashed([*runs, write_run(task, len(runs), gathered)])


def write_run(task: Hashing, number: int, gathered: list[Entries]) -> int:
    """Write entries as one sorted file; return how many they are."""
    entries = np.concatenate(gathered)
    write_array(task.run(number), entries[np.argsort(entries["key"], kind="stable")])
    return len(entries)


def describe_batch(batch: pa.RecordBatch, first: int, piece: int) -> Entries:
    """The entries of a batch whose first row is the row `first` of its piece."""
    valid = pc.is_valid(batch["url"])
    rows = np.flatnonzero(valid.to_numpy(zero_copy_only=False))
    batch = batch.filter(valid)
    names = zip(batch["source"].to_pylist(), batch["url"].to_pylist(), strict=True)
    digests = b"".join(xxhash.xxh3_128_digest(f"{source}\0{url}".encode()) for source, url in names)
    dates = [date.encode() for date in pc.fill_null(batch["date"], "").to_pylist()]
    entries = np.empty(len(rows), ENTRY)
    keys, ids = np.frombuffer(digests, ">u8").reshape(-1, 2), parse_ids(batch["id"])
    entries["key"], entries["key2"] = keys[:, 0], keys[:, 1]
    entries["id"], entries["id2"] = ids[:, 0], ids[:, 1]
    entries["date"] = np.array(dates, "S40")
    entries["length"] = pc.utf8_length(batch["text"]).to_numpy(zero_copy_only=False)
    entries["row"], entries["piece"] = rows + first, piece
    return entries


def find_losers(preference: Preference, files: dict[Path, int]) -> tuple[Numbers, Numbers]:
    """Of each document that goes: the number of its piece, and its row there; sorted.

    `files` are those that `hash_urls` wrote, with the number of entries in each.
    """
    ranges = -(-sum(files.values()) // ENTRIES_IN_RANGE)
    borders = [(number << 64) // max(ranges, 1) for number in range(ranges + 1)]
    found = [np.empty((2, 0), np.int64)]
    for low, high in pairwise(borders):
        entries = np.concatenate([read_range(path, low, high) for path, number in files.items() if number])
        beaten = entries[find_beaten(preference, entries)]
        found.append(np.stack([beaten["piece"], beaten["row"]]))
    pieces, rows = np.concatenate(found, axis=1)
    order = np.lexsort((rows, pieces))
    return pieces[order], rows[order]


def read_range(path: Path, low: int, high: int) -> Entries:
    """The entries of a file with low ≤ key < high; files are many, so none stays open."""
    entries = np.load(path, mmap_mode="r")
    begin = np.searchsorted(entries["key"], np.uint64(low))
    end = len(entries) if high == 1 << 64 else np.searchsorted(entries["key"], np.uint64(high))
    return np.array(entries[begin:end])


def find_beaten(preference: Preference, entries: Entries) -> Numbers:
    """Which entries have another of the same key that is preferred; the smaller id decides at last."""
    second, third = (entries[name] for name in ORDERS[preference])
    order = np.lexsort((~entries["id2"], ~entries["id"], third, second, entries["key2"], entries["key"]))
    key, key2 = entries["key"][order], entries["key2"][order]
    beaten: Numbers = order[:-1][(key[1:] == key[:-1]) & (key2[1:] == key2[:-1])]
    return beaten


def keep_rows(task: Keeping) -> Piece:
    """Bring the parts of one piece to where they belong, without the rows that lose."""
    parts = [part for parts in task.piece.parts.values() for part in parts]
    kept: list[Part] = []
    done: set[str] = set()
    first = 0
    for part in parts:
        stays = np.ones(part.rows, bool)
        if part in documents_of(task.piece):
            begin, end = np.searchsorted(task.losers, [first, first + part.rows])
            stays[task.losers[begin:end] - first] = False
            first += part.rows
        if not stays.all():
            beside = part.file.replace("part-", "unused-", 1)
            kept += write_kept(task, part.file, beside, stays, any(other.file == beside for other in parts))
            done.add(beside)
        elif part.file not in done:
            kept.append(link_part(task, part))
    lost = {"same-url": len(task.losers)} if len(task.losers) else {}
    counts = task.piece.counts + Counts(0, -len(task.losers), dropped=lost)
    return msgspec.structs.replace(task.piece, parts={task.target.name: kept}, counts=counts)


def write_kept(
    task: Keeping, file: str, beside: str, stays: npt.NDArray[np.bool_], listed: bool
) -> list[Part]:
    """Write one part without the rows that lose; these are listed behind what gave no document."""
    first = 0
    with (
        writing_table(task.target, file, DOCUMENTS) as documents,
        writing_table(task.target, beside, UNUSED) as unused,
    ):
        for batch in read_batches(task.folder / beside) if listed else ():
            unused.write(batch)
        for batch in read_batches(task.folder / file):
            here = pa.array(stays[first : first + len(batch)])
            documents.write(batch.filter(here))
            unused.write(list_losers(batch.filter(pc.invert(here))))
            first += len(batch)
    return [part for part in (documents.part, unused.part) if part]


def list_losers(batch: pa.RecordBatch) -> pa.RecordBatch:
    file, offset = (pc.struct_field(batch["origin"], name) for name in ("file", "offset"))
    reasons = pa.array(["same-url"] * len(batch), pa.string())
    return pa.RecordBatch.from_arrays([reasons, batch["source"], file, offset, batch["url"]], schema=UNUSED)


def link_part(task: Keeping, part: Part) -> Part:
    """Give a file that loses nothing its second name, or copy it where the system knows no such thing."""
    with replacing(task.target / part.file) as temporary:
        try:
            os.link(task.folder / part.file, temporary)
        except OSError:
            shutil.copyfile(task.folder / part.file, temporary)
    return part


def documents_of(piece: Piece) -> list[Part]:
    return [part for parts in piece.parts.values() for part in parts if part.file.startswith("part-")]
