"""Document ids ↔ numbers, and draws that depend on nothing but (seed, purpose, id, epoch).

Every random decision of the text half is a hash of what it decides about, so it is the same in whatever
order, on however many workers and after however many interruptions it is made.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

Numbers = npt.NDArray[np.uint64]

ID_DIGITS = 32
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: successive multiples spread evenly


def parse_ids(ids: pa.Array | pa.ChunkedArray) -> Numbers:
    """(n,) strings of 32 hexadecimal digits → (n, 2) numbers, high half first; order is kept."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    if len(array) == 0:
        return np.empty((0, 2), np.uint64)
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    digits = array.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
    return np.frombuffer(bytes.fromhex(digits.decode("ascii")), ">u8").reshape(-1, 2).astype(np.uint64)


def format_ids(numbers: Numbers) -> pa.StringArray:
    """(n, 2) numbers → (n,) strings; the inverse of `parse_ids`."""
    digits = numbers.astype(">u8").tobytes().hex().encode("ascii")
    offsets = np.arange(0, ID_DIGITS * (len(numbers) + 1), ID_DIGITS, dtype=np.int32)
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))


def draw(seed: int, purpose: str, ids: Numbers, epochs: npt.NDArray[np.int64] | int = 0) -> Numbers:
    """A uniform 64-bit number for each id and epoch; different purposes draw independently."""
    start = np.uint64(xxhash.xxh3_64_intdigest(f"{purpose} {seed}".encode()))
    hashed = scramble(ids[:, 0] ^ start)
    hashed = scramble(ids[:, 1] ^ hashed)
    return scramble(hashed + np.asarray(epochs, np.uint64) * np.uint64(GOLDEN))


def draw_shares(
    seed: int, purpose: str, ids: Numbers, epochs: npt.NDArray[np.int64] | int = 0
) -> npt.NDArray[np.float64]:
    """The same as shares of 1, in [0, 1): a share s of all that is drawn is below s."""
    return np.ldexp((draw(seed, purpose, ids, epochs) >> np.uint64(11)).astype(np.float64), -53)


def scramble(numbers: Numbers) -> Numbers:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit depends on every other."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
