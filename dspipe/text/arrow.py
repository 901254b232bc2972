"""Turns an Arrow string array into the two numpy arrays that kernels read, without copying text.

Both arrays are read-only whatever they come from, so that each kernel is compiled for one pair of types.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]


def text_buffers(array: Any) -> tuple[Bytes, Offsets]:
    """Return (bytes uint8, offsets int64 of length n + 1): document i is bytes[offsets[i] : offsets[i + 1]].

    Takes string, large_string and chunked arrays, and slices of them: `offsets` then starts past zero. Null
    is the empty text. The text itself is copied for a chunked array of several chunks, and for one whose null
    rows hide bytes. Nothing is padded: kernels must not read before bytes[0] or past bytes[-1].

    >>> text_buffers(pa.array(["ab", None, "c"]).slice(1))[1].tolist()
    [2, 2, 3]
    """
    if isinstance(array, pa.ChunkedArray):
        array = (
            array.chunk(0)
            if array.num_chunks == 1
            else pa.concat_arrays(array.chunks or [pa.array([], array.type)])
        )
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise TypeError(f"text must be string or large_string, not {array.type}")
    bytes_, offsets = view_buffers(array)
    if array.null_count and np.diff(offsets)[np.asarray(array.is_null())].any():
        bytes_, offsets = view_buffers(pc.fill_null(array, ""))
    return bytes_, offsets


def view_buffers(array: Any) -> tuple[Bytes, Offsets]:
    _, offset_buffer, byte_buffer = array.buffers()
    width = np.int32 if pa.types.is_string(array.type) else np.int64
    if offset_buffer is None or offset_buffer.size == 0:  # Arrow allows it for an array without rows
        offsets = np.zeros(1, np.int64)
    else:
        found = np.frombuffer(offset_buffer, width)[array.offset : array.offset + len(array) + 1]
        offsets = found.astype(np.int64, copy=False)
    bytes_ = np.frombuffer(byte_buffer if byte_buffer is not None else b"", np.uint8)
    return read_only(bytes_), read_only(offsets)


def list_strings(array: Any) -> list[str | None]:
    """The values of a string array as Python has them; broken UTF-8 is read with replacements."""
    values = array.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "replace") for value in values]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
