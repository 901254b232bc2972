"""Numbers of rows → their tokens and the documents these are of, read from the files and held to checksums.

A batch is one call of a kernel, which reads each row with libc's `pread`, numbers its documents and verifies
its checksum, all without the GIL: threads that read ahead never hold up the one that trains. Rows are copied
once, from the page cache into the batch.
"""

from __future__ import annotations

import contextlib
import os
import resource
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from dspipe.recipe import DspipeError
from dspipe.sequences import MEND, add_number, checksum_keys, sum_tokens
from dspipe.text.kernel import compiling_once, inlined, kernel
from dspipe.train.loading.order import Places, permute
from dspipe.train.loading.parts import (
    CHECKSUMS,
    CHUNKS,
    FIRST,
    LENGTHS,
    OFFSETS,
    TOKENS,
    Parts,
)

SPARE = 128  # descriptors that are left to others
GOOD, UNREADABLE, MISFIT, ALTERED, UNKNOWN = range(5)  # what a row can be


class Reader:
    """Reads rows of one length for one thread; keeps at most `files` files open, those last used.

    limit: the first number that is no token.
    """

    def __init__(self, parts: Parts, files: int, limit: int) -> None:
        self.parts, self.files, self.limit = parts, files, limit
        self.descriptors = np.full(len(parts.paths), -1, np.int64)
        self.used = np.zeros(len(parts.paths), np.int64)  # of each part: in which call
        self.calls = 0
        self.keys = checksum_keys(parts.length)
        self.lengths = np.empty(parts.length, np.int32)
        self.bounds, self.checksum = np.empty(2, np.int32), np.empty(1, np.uint64)
        self.close = weakref.finalize(self, close_files, self.descriptors)

    def read(self, rows: Places, tokens: npt.NDArray[np.uint32], documents: npt.NDArray[np.int32]) -> None:
        """Fill tokens and documents, both (n, L), from n rows; documents are -1 where there is padding.

        Raises:
            DspipeError: a row is not what was packed, or has a token from `limit` on; names its file and
                number there.
        """
        parts, local = self.parts.find_rows(rows)
        faults = np.zeros(len(rows), np.int64)
        needed, group = np.unique(parts, return_inverse=True)
        for begin in range(0, len(needed), self.files):
            self.hold(needed[begin : begin + self.files])
            slots = np.flatnonzero((group >= begin) & (group < begin + self.files))
            place, scratch = self.parts, (self.lengths, self.bounds, self.checksum)
            read_rows(
                self.descriptors, place.begins, place.ends, place.table, parts[slots], local[slots], slots,
                self.keys, self.limit, *scratch, tokens, documents, faults,
            )  # fmt: skip
        if faults.any():
            slot = int(np.flatnonzero(faults)[0])
            self.refuse(int(faults[slot]), int(parts[slot]), int(local[slot]), tokens[slot])

    def hold(self, needed: Places) -> None:
        """Open the files that are not, and close others that were not used for long if these are too many."""
        self.calls += 1
        self.used[needed] = self.calls
        missing = needed[self.descriptors[needed] < 0]
        if len(missing):
            others = np.flatnonzero((self.descriptors >= 0) & (self.used < self.calls))
            room = self.files - len(needed)
            oldest = others[np.argsort(self.used[others], kind="stable")]
            self.let_go(oldest[: max(0, len(others) - room)])
        for part in missing.tolist():
            self.descriptors[part] = self.open_part(part)

    def open_part(self, part: int) -> int:
        path = self.parts.paths[part]
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DspipeError(f"{path}: cannot be opened ({error.strerror}); {MEND}") from None
        try:
            self.parts.look_at(part, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def let_go(self, parts: Places) -> None:
        for part in parts.tolist():
            os.close(int(self.descriptors[part]))
            self.descriptors[part] = -1

    def refuse(self, fault: int, part: int, row: int, tokens: npt.NDArray[np.uint32]) -> None:
        if fault == UNREADABLE:
            what = f"cannot be read ({self.explain(part)})"
        elif fault == MISFIT:
            what = f"has chunks that do not fit a row of {self.parts.length} tokens"
        elif fault == ALTERED:
            what = "was altered: its tokens and lengths have another checksum than when it was packed"
        else:
            what = f"holds the token {int(tokens.max())}, but the vocabulary ends at {self.limit}"
        raise DspipeError(f"row {self.parts.paths[part]}:{row} {what}; {MEND}")

    def explain(self, part: int) -> str:
        """Why reading gave less than was asked for."""
        try:
            os.pread(int(self.descriptors[part]), 1, 0)
        except OSError as error:
            return str(error.strerror)
        return "the file was cut short"


def close_files(descriptors: Places) -> None:
    for descriptor in descriptors[descriptors >= 0].tolist():
        with contextlib.suppress(OSError):
            os.close(descriptor)
    descriptors[:] = -1


def count_files(readers: int) -> int:
    """How many files each of some readers may keep open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 16
    return max(4, (limit - SPARE) // 2 // readers)


def compile_reader() -> None:
    """Have the kernels compiled, or read from where they are kept, before threads need them."""
    none = np.empty(0, np.int64)
    with compiling_once():
        permute(0, 0, 1, none)
        read_rows(
            none, none, none, np.empty((0, 7), np.int64), none, none, none, checksum_keys(2), 1,
            np.empty(2, np.int32), np.empty(2, np.int32), np.empty(1, np.uint64),
            np.empty((0, 2), np.uint32), np.empty((0, 2), np.int32), none,
        )  # fmt: skip


def generate_read_bytes(
    typing_context: Any, descriptor: Any, target: Any, position: Any, size: Any, offset: Any
) -> Any:
    """read_bytes(descriptor, array, byte of it, bytes, place in the file): libc's pread, what it returns."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from llvmlite import ir  # type: ignore[import-untyped]

        descriptor, array, position, size, offset = arguments
        array = context.make_array(signature.args[1])(context, builder, array)
        byte, narrow, wide = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
        address = builder.gep(builder.bitcast(array.data, byte), [position])
        called = ir.FunctionType(wide, [narrow, byte, wide, wide])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, called, "pread"
        )
        return builder.call(function, [builder.trunc(descriptor, narrow), address, size, offset])

    number = types.int64
    return number(number, target, number, number, number), generate


read_bytes: Any = intrinsic(generate_read_bytes)


@inlined
def read_whole(descriptor, target, size, offset):  # type: ignore[no-untyped-def]
    """Read `size` bytes to the beginning of an array; False where they are not to be had."""
    done, failures = 0, 0
    while done < size:
        count = read_bytes(descriptor, target, done, size - done, offset + done)
        if count < 0 and failures < 9:  # interrupted, perhaps
            failures += 1
        elif count <= 0:
            return False
        else:
            done += count
    return True


@inlined
def number_documents(lengths, documents):  # type: ignore[no-untyped-def]
    """The number of each token's document, -1 for padding; False where the lengths do not fit the row."""
    used = np.int64(0)
    for number in range(lengths.size):
        length = np.int64(lengths[number])
        if length < 0 or length > documents.size - used:
            return False
        documents[used : used + length] = np.int32(number)  # a loop over places takes nine times as long
        used += length
    documents[used:] = np.int32(-1)
    return True


@inlined
def read_row(descriptor, line, row, keys, limit, lengths, bounds, checksum, tokens, documents):  # type: ignore[no-untyped-def]
    """Read one row of the record batch that `line` of a part's table is of, and say what it is."""
    row -= line[FIRST]
    size = 4 * tokens.size
    if not (
        read_whole(descriptor, bounds, 8, line[OFFSETS] + 4 * row)
        and read_whole(descriptor, checksum, 8, line[CHECKSUMS] + 8 * row)
        and read_whole(descriptor, tokens, size, line[TOKENS] + size * row)
    ):
        return UNREADABLE
    begin, end = np.int64(bounds[0]), np.int64(bounds[1])
    if begin < 0 or end < begin or end > line[CHUNKS] or end - begin > lengths.size:
        return MISFIT
    if not read_whole(descriptor, lengths, 4 * (end - begin), line[LENGTHS] + 4 * begin):
        return UNREADABLE
    if not number_documents(lengths[: end - begin], documents):
        return MISFIT
    total = sum_tokens(tokens, keys)
    for place in range(end - begin):
        total = add_number(total, lengths[place])
    if total != checksum[0]:
        return ALTERED
    largest = np.uint32(0)
    for place in range(tokens.size):
        largest = max(largest, tokens[place])
    return UNKNOWN if np.int64(largest) >= limit else GOOD


@kernel
def read_rows(  # type: ignore[no-untyped-def]
    descriptors, begins, ends, table, parts, rows, slots, keys, limit, lengths, bounds, checksum,
    tokens, documents, faults,
):  # fmt: skip
    """Read each of `rows`, counted in its part, to its slot of `tokens` and `documents`; say what it is.

    `lengths`, `bounds` and `checksum` are room to work in.
    """
    for place in range(rows.size):
        part, row, slot = parts[place], rows[place], slots[place]
        low, high = begins[part], ends[part]
        while high - low > 1:
            middle = (low + high) // 2
            if table[middle, FIRST] <= row:
                low = middle
            else:
                high = middle
        faults[slot] = read_row(
            descriptors[part], table[low], row, keys, limit, lengths, bounds, checksum,
            tokens[slot], documents[slot],
        )  # fmt: skip
