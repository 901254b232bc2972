"""Documents → the order in which survivors are chosen, and each document's rank in it.

What a document is preferred by is written into bytes that compare as the preferences do, the weightiest
first and the id at the end. So no two are equal, and the order is the same however documents are divided.
Documents of earlier runs come before all new ones, in the order of their own ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.recipe import Dedup, Preference
from dspipe.text.hashing import parse_ids

Places = npt.NDArray[np.bytes_]

WIDTH: dict[Preference, str] = {
    "source": ">u2", "quality": ">u4", "longest": ">u8", "shortest": ">u8", "newest": ">u8", "oldest": ">u8",
}  # fmt: skip
EARLIER, NEW = 0, 1
ID_BYTES = 16
DATE = (
    r"^(?P<date>\d{4}(?:-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?)?)?)"  # ISO 8601, as much as there is
)
DATE_DIGITS = 14


def count_bytes(settings: Dedup) -> int:
    """The width of a document's place; those of earlier runs have a byte, the run's number and a rank."""
    return max(1 + sum(np.dtype(WIDTH[name]).itemsize for name in settings.order) + ID_BYTES, 13)


def make_places(batch: pa.RecordBatch, settings: Dedup) -> Places:
    """(n,) strings of bytes; the least is the best."""
    columns = [np.full((len(batch), 1), NEW, np.uint8)]
    columns += [as_bytes(measure(batch, name, settings.prefer), WIDTH[name]) for name in settings.order]
    columns += [as_bytes(parse_ids(batch["id"]).reshape(-1), ">u8").reshape(len(batch), ID_BYTES)]
    return join(columns, count_bytes(settings))


def make_earlier_places(number: int, ranks: npt.NDArray[np.int64], settings: Dedup) -> Places:
    """The places of documents of the earlier run of a number, which have ranks there."""
    head = np.full((len(ranks), 1), EARLIER, np.uint8)
    columns = [head, as_bytes(np.full(len(ranks), number), ">u4"), as_bytes(ranks, ">u8")]
    return join(columns, count_bytes(settings))


def join(columns: list[npt.NDArray[np.uint8]], width: int) -> Places:
    rows = np.zeros((len(columns[0]), width), np.uint8)
    joined = np.concatenate(columns, axis=1)
    rows[:, : joined.shape[1]] = joined
    return rows.reshape(-1).view(f"S{width}")


def as_bytes(numbers: npt.NDArray[Any], width: str) -> npt.NDArray[np.uint8]:
    return numbers.astype(width).view(np.uint8).reshape(len(numbers), -1)


def measure(batch: pa.RecordBatch, name: Preference, preferred: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A number for each document, the smaller the better."""
    if name == "source":
        place = pc.index_in(batch["source"], pa.array(preferred, pa.string()))
        return to_numbers(pc.fill_null(place, len(preferred)))
    if name == "quality":
        return order_floats(pc.fill_null(batch["quality"], np.nan).to_numpy(zero_copy_only=False))
    if name in ("longest", "shortest"):
        length = to_numbers(pc.fill_null(pc.binary_length(batch["text"]), 0))
        return invert(length, name == "longest")
    dates = read_dates(batch["date"])
    return np.where(dates == 0, np.uint64(2**64 - 1), invert(dates, name == "newest"))


def invert(numbers: npt.NDArray[np.uint64], largest_first: bool) -> npt.NDArray[np.uint64]:
    return np.uint64(2**64 - 2) - numbers if largest_first else numbers


def order_floats(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """Numbers that fall as the floats rise; what is no number comes last."""
    bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32)  # no negative zero
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return np.where(np.isnan(values), np.uint32(2**32 - 1), ~rising).astype(np.uint64)


def read_dates(dates: Any) -> npt.NDArray[np.uint64]:
    """The digits of dates as numbers of fourteen, 20240501000000; 0 where it is no date of ISO 8601.

    Dates are compared as they are written, without regard to time zones.
    """
    found = pc.struct_field(pc.extract_regex(dates, DATE), [0])
    digits = pc.utf8_rpad(pc.replace_substring_regex(found, r"\D", ""), DATE_DIGITS, "0")
    return to_numbers(pc.fill_null(digits.cast(pa.uint64()), 0))


def to_numbers(column: Any) -> npt.NDArray[np.uint64]:
    numbers: npt.NDArray[np.uint64] = column.to_numpy(zero_copy_only=False).astype(np.uint64)
    return numbers
