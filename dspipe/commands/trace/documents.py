"""Places in the mixture → what the mixture says of the documents there, and of no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.shards import Artifact, read_rows
from dspipe.text.arrow import list_strings

Row = dict[str, Any]

FACTS = ("url", "source", "language", "domain")


def look_up(mixture: Artifact, places: Iterable[int]) -> dict[int, Row]:
    """Id, origin and `FACTS` of documents by their rows in the mixture, counted through its parts.

    Only the row groups that hold them are read. A place past the end is absent.
    """
    wanted = np.unique(np.fromiter(places, np.int64))
    found: dict[int, Row] = {int(place): {} for place in wanted[(wanted >= 0) & (wanted < mixture.rows)]}
    first = 0
    for part, file in zip(mixture.manifest.parts, mixture.files, strict=True):
        begin, end = wanted.searchsorted([first, first + part.rows])
        if end > begin:
            rows = wanted[begin:end] - first
            for name in ("id", "origin", *FACTS):
                for these, values in read_rows(file, name, rows):
                    fill(found, these + first, name, values)
        first += part.rows
    return found


def fill(found: dict[int, Row], places: NDArray[np.int64], name: str, values: pa.Array) -> None:
    """Add a column's values; strings may hold anything, and are decoded with care."""
    if name != "origin":
        for place, value in zip(places.tolist(), list_strings(values), strict=True):
            found[place][name] = value
        return
    files, offsets = list_strings(values.field("file")), values.field("offset").to_pylist()
    for place, file, offset in zip(places.tolist(), files, offsets, strict=True):
        found[place] |= {"file": file, "offset": offset}
