"""Bytes in Thrift's compact protocol → integers, structs and lists of structs, by the numbers of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Converter = Callable[[dict[int, Any]], Any]
INTEGERS = (4, 5, 6)
BINARY, LIST, SET, STRUCT = 8, 9, 10, 12
SIZES = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}  # bytes of other types: true, false, byte, double, UUID
DEEPEST = 32  # levels


def read_struct(
    data: bytes, position: int = 0, depth: int = 0, converters: dict[int, Converter] | None = None
) -> tuple[dict[int, Any], int]:
    """The fields of a struct, and the position behind it; strings and the like are passed over.

    `converters` say for the numbers of some fields, lists, what is to be kept of each element.

    Raises:
        IndexError: the data end before it does.
        ValueError: it is no struct, or one with more levels than any in Parquet.
    """
    if depth > DEEPEST:
        raise ValueError("too deep")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[position]:
        position += 1
        if head >> 4:
            number += head >> 4
        else:
            number, position = read_integer(data, position)
        convert = converters.get(number) if converters else None
        value, position = read_value(data, position, head & 15, depth, convert)
        if value is not None:
            fields[number] = value
    return fields, position + 1


def read_value(
    data: bytes, position: int, kind: int, depth: int, convert: Converter | None = None
) -> tuple[Any, int]:
    """A value of one of Thrift's types, and the position behind it."""
    if kind in INTEGERS:
        return read_integer(data, position)
    if kind == BINARY:
        length, position = read_unsigned(data, position)
        return None, position + length
    if kind == STRUCT:
        return read_struct(data, position, depth + 1)
    if kind in (LIST, SET):
        return read_list(data, position, depth + 1, convert)
    if kind not in SIZES:
        raise ValueError("no type")
    return None, position + SIZES[kind]


def read_list(
    data: bytes, position: int, depth: int, convert: Converter | None
) -> tuple[list[Any] | None, int]:
    """The elements of a list of structs, and the position behind a list of whatever."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    head, position = data[position], position + 1
    kind, count = head & 15, head >> 4
    if count == 15:
        count, position = read_unsigned(data, position)
    if count > len(data) - position:  # no element is shorter than a byte
        raise IndexError
    if kind in (1, 2):  # which take no byte as fields, where the type is the value
        return None, position + count
    elements = []
    for _ in range(count):
        value, position = read_value(data, position, kind, depth)
        if kind == STRUCT:
            elements.append(convert(value) if convert else value)
    return (elements if kind == STRUCT else None), position


def read_integer(data: bytes, position: int) -> tuple[int, int]:
    number, position = read_unsigned(data, position)
    return (number >> 1) ^ -(number & 1), position


def read_unsigned(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    position += 1
    if byte < 128:
        return byte, position
    number, shift = byte & 127, 7
    while True:
        byte = data[position]
        number |= (byte & 127) << shift
        position += 1
        if byte < 128:
            return number, position
        shift += 7
        if shift > 63:
            raise ValueError("no number")
