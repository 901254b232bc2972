"""Arrow's buffers as kernels see them."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.text.arrow import text_buffers
from tests.text.strategies import batches


def read_back(array: pa.Array | pa.ChunkedArray) -> list[str]:
    text, offsets = text_buffers(array)
    assert text.dtype == "uint8" and offsets.dtype == "int64" and len(offsets) == len(array) + 1
    assert not text.flags.writeable and not offsets.flags.writeable
    return [bytes(text[a:b]).decode() for a, b in pairwise(offsets)]


@settings(max_examples=100, deadline=None)
@given(batches, st.integers(0, 3), st.sampled_from([pa.string(), pa.large_string()]))
def test_every_slice_reads_back_and_null_is_empty(
    texts: list[str | None], start: int, kind: pa.DataType
) -> None:
    expected = [text or "" for text in texts]
    array = pa.array(texts, kind)
    assert read_back(array.slice(start)) == expected[start:]
    assert read_back(pa.chunked_array([array, array.slice(start)], kind)) == expected + expected[start:]


def test_a_large_string_array_is_not_copied() -> None:
    array = pa.array(["ab", "cd"], pa.large_string())
    assert text_buffers(array)[0].ctypes.data == array.buffers()[2].address
    assert text_buffers(array)[1].ctypes.data == array.buffers()[1].address


def test_bytes_hidden_under_a_null_are_not_seen() -> None:
    whole = pa.array(["ab", "cd"], pa.large_string())
    hidden = pa.Array.from_buffers(pa.large_string(), 2, [pa.py_buffer(b"\x02"), *whole.buffers()[1:]])
    assert read_back(hidden) == ["", "cd"]


def test_arrays_without_rows_or_chunks_are_empty() -> None:
    assert read_back(pa.array([], pa.string())) == []
    assert read_back(pa.chunked_array([], pa.large_string())) == []


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="int64"):
        text_buffers(pa.array([1]))
