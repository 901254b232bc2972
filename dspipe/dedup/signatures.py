"""Documents → what copies are found by: an exact key, the set of shingles, and the hashes of MinHash bands.

Near copies are compared by the Jaccard similarity of their sets of word shingles: lower-cased words (each
code point by itself in scripts written without spaces), every run of `shingle` of them hashed to 64 bits.
MinHash permutations are datasketch's (`affine32`), so signatures can be checked against that library. Exact
copies are equal in every character but for the amount of white space; a document too short for a shingle is
compared in this way only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.shards import read_batches, replacing, write_array
from dspipe.text.arrow import text_buffers
from dspipe.text.hashing import parse_ids
from dspipe.text.kernel import kernel
from dspipe.text.words import hash_words

Unsigned = npt.NDArray[np.uint64]
Permutations = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Signing:
    part: Path
    shingle: int
    bands: int
    permutations: Permutations  # (2, bands · rows): factors and summands modulo 2^32
    out: Path  # a folder for the arrays


class Signed(Struct, frozen=True):
    rows: int
    sources: list[str]
    out: str  # its name alone: a run may be resumed from another directory


def make_permutations(count: int) -> Permutations:
    """The permutations h → a·h + b mod 2^32 of `datasketch.MinHash(num_perm=count, seed=1)`, (2, count)."""
    from datasketch import MinHash

    permutations: Permutations = np.asarray(MinHash(num_perm=count, seed=1, scheme="affine32").permutations)
    return permutations.astype(np.uint32)


def sign_part(task: Signing) -> Signed:
    """Sign every document of a part; the arrays go to disk, sets of shingles as they come."""
    sources: dict[str, int] = {}
    columns: list[dict[str, npt.NDArray[Any]]] = []
    with replacing(task.out / "shingles.bin") as temporary, open(temporary, "wb") as stream:
        for batch in read_batches(task.part, ["id", "text", "source"]):
            shingles, counts = shingle_texts(batch["text"], task.shingle)
            stream.write(shingles.data)
            numbers = [sources.setdefault(name, len(sources)) for name in batch["source"].to_pylist()]
            columns.append(
                {
                    "ids": parse_ids(batch["id"]),
                    "exact": exact_keys(batch["text"]),
                    "length": pc.binary_length(batch["text"]).to_numpy().astype(np.int64),
                    "source": np.array(numbers, np.int64),
                    "counts": counts,
                    "bands": sign(shingles, counts, task.permutations, task.bands),
                }
            )
    for name in columns[0] if columns else ():
        joined = np.concatenate([column[name] for column in columns])
        # bands are read one after the other, so each lies in one piece
        write_array(task.out / f"{name}.npy", np.ascontiguousarray(joined.T) if name == "bands" else joined)
    return Signed(sum(len(column["ids"]) for column in columns), list(sources), task.out.name)


def exact_keys(texts: pa.Array) -> Unsigned:
    """(n, 2): a 128-bit hash of each text with its white space folded, after Unicode composition (NFC)."""
    data, offsets = text_buffers(pc.utf8_normalize(texts, form="NFC"))
    keys = np.empty((len(texts), 2), np.uint64)
    hash_folded(data, offsets, keys)
    return keys


def shingle_texts(texts: pa.Array, size: int) -> tuple[Unsigned, npt.NDArray[np.int64]]:
    """The sorted sets of shingle hashes, one text after the other, and the size of each, (n,)."""
    words, word_offsets = hash_words(*text_buffers(pc.utf8_lower(pc.utf8_normalize(texts, form="NFC"))))
    shingles = np.empty(len(words), np.uint64)
    counts = np.empty(len(texts), np.int64)
    combine_words(words, word_offsets, size, shingles, counts)
    unique = np.empty_like(shingles)
    used = sort_sets(shingles, counts, unique)
    return unique[:used], counts


@kernel
def hash_folded(data, offsets, keys):  # type: ignore[no-untyped-def]
    """Hash bytes in two independent lanes, any run of ASCII white space as one space, none at the ends."""
    for document in range(offsets.size - 1):
        low, high = np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15)
        gap, length = False, 0
        for position in range(offsets[document], offsets[document + 1]):
            byte = np.uint64(data[position])
            if byte == 32 or 9 <= byte <= 13:
                gap = length > 0
                continue
            if gap:
                low = (low ^ np.uint64(32)) * np.uint64(0x100000001B3)
                high = (high + np.uint64(32)) * np.uint64(0xFF51AFD7ED558CCD)
                high ^= high >> np.uint64(29)
                gap = False
            low = (low ^ byte) * np.uint64(0x100000001B3)
            high = (high + byte) * np.uint64(0xFF51AFD7ED558CCD)
            high ^= high >> np.uint64(29)
            length += 1
        keys[document, 0] = low ^ (np.uint64(length) << np.uint64(40))
        keys[document, 1] = high


@kernel
def combine_words(words, offsets, size, shingles, counts):  # type: ignore[no-untyped-def]
    """Hash every run of `size` words of a document; a document with fewer words has no shingle."""
    used = 0
    for document in range(offsets.size - 1):
        first, last = offsets[document], offsets[document + 1]
        counts[document] = max(0, last - first - size + 1)
        for start in range(first, last - size + 1):
            value = np.uint64(0)
            for word in range(start, start + size):
                value = value * np.uint64(0x9E3779B97F4A7C15) + words[word]
                value ^= value >> np.uint64(32)
            value *= np.uint64(0xC2B2AE3D27D4EB4F)
            shingles[used] = value ^ (value >> np.uint64(29))
            used += 1


@kernel
def sort_sets(shingles, counts, unique):  # type: ignore[no-untyped-def]
    """Sort each document's shingles and keep one of each; `counts` becomes the sizes of the sets."""
    read, write = 0, 0
    for document in range(counts.size):
        last = read + counts[document]
        sort_range(shingles, read, last)
        begin = write
        for index in range(read, last):
            if index == read or shingles[index] != shingles[index - 1]:
                unique[write] = shingles[index]
                write += 1
        read = last
        counts[document] = write - begin
    return write


@kernel
def sort_range(values, first, last):  # type: ignore[no-untyped-def]
    """Sort values[first:last] in place; Shell's method, because a kernel has no memory of its own."""
    gap = 1
    while gap < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for index in range(first + gap, last):
            value, place = values[index], index
            while place >= first + gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value
        gap //= 3


def sign(
    shingles: Unsigned, counts: npt.NDArray[np.int64], permutations: Permutations, bands: int
) -> Unsigned:
    """Band hashes of each document, (n, bands); those of a document without shingles are not meaningful."""
    hashes = np.empty((len(counts), bands), np.uint64)
    lowest = np.empty(permutations.shape[1], np.uint32)
    hash_bands(shingles, counts, permutations[0].copy(), permutations[1].copy(), lowest, hashes)
    return hashes


@kernel
def hash_bands(shingles, counts, factors, summands, lowest, hashes):  # type: ignore[no-untyped-def]
    """MinHash of the low 32 bits of each shingle under every permutation, then one hash for each band."""
    rows = factors.size // hashes.shape[1]
    start = 0
    for document in range(counts.size):
        lowest[:] = np.uint32(0xFFFFFFFF)
        for index in range(start, start + counts[document]):
            value = np.uint32(shingles[index] & np.uint64(0xFFFFFFFF))
            # MurmurHash3's finalizer; numba makes products of 32 bits 64 bits wide, so each is cut back
            value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
            value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
            value = np.uint32(value ^ (value >> np.uint32(16)))
            for k in range(factors.size):
                lowest[k] = min(lowest[k], np.uint32(value * factors[k] + summands[k]))
        start += counts[document]
        for band in range(hashes.shape[1]):
            value64 = np.uint64(band + 1) * np.uint64(0x9E3779B97F4A7C15)
            for row in range(band * rows, (band + 1) * rows):
                value64 = (value64 ^ np.uint64(lowest[row])) * np.uint64(0xFF51AFD7ED558CCD)
                value64 ^= value64 >> np.uint64(31)
            hashes[document, band] = value64
