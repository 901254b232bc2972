"""A flatbuffer → the fields of its tables, each looked up when it is asked for."""

from __future__ import annotations

import struct

import pyarrow as pa


class Table:
    """A table of a flatbuffer: fields are found by way of a list of their offsets.

    Raises:
        ValueError, struct.error: what is to be read does not lie in the buffer.
    """

    def __init__(self, data: pa.Buffer, position: int) -> None:
        self._data = data
        self._position = position

    def _read(self, layout: str, position: int) -> tuple[int, ...]:
        if position < 0:
            raise ValueError("before the buffer")
        return struct.unpack_from("<" + layout, self._data, position)

    def follow(self, distance: int) -> Table:
        """The table that an offset in here points to."""
        place = self._position + distance
        return Table(self._data, place + self._read("I", place)[0])

    def _find(self, slot: int) -> int | None:
        """How far from here a field is, unless it is left out."""
        offsets = self._position - self._read("i", self._position)[0]
        if 4 + 2 * slot >= self._read("H", offsets)[0]:
            return None
        return self._read("H", offsets + 4 + 2 * slot)[0] or None

    def number(self, slot: int, layout: str) -> int:
        distance = self._find(slot)
        return 0 if distance is None else self._read(layout, self._position + distance)[0]

    def table(self, slot: int) -> Table | None:
        distance = self._find(slot)
        return None if distance is None else self.follow(distance)

    def vector(self, slot: int, layout: str) -> tuple[tuple[int, ...], ...]:
        """The structs of 64-bit numbers in a vector."""
        distance = self._find(slot)
        if distance is None:
            return ()
        start = self.follow(distance)._position
        (count,) = self._read("I", start)
        width = struct.calcsize("<" + layout)
        if start + 4 + count * width > self._data.size:
            raise ValueError("behind the buffer")
        return tuple(self._read(layout, start + 4 + number * width) for number in range(count))
