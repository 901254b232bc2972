"""Documents by cell as numbers on disk, as the survey of an artifact leaves them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from dspipe.mix.cells import Group
from dspipe.mix.draws import DOCUMENT
from dspipe.mix.numbers import name_stocks, take_stock
from dspipe.mix.survey import Survey, join_surveys
from dspipe.recipe import Mix
from tests.reference.draws import Document


def write_survey(
    folder: Path, settings: Mix, documents: list[tuple[Group, Document]], parts: int = 1
) -> Survey:
    """The survey of some documents, dealt out to parts, each of which numbers its groups by itself."""
    files = []
    for part in range(parts):
        own = documents[part::parts]
        groups: dict[Group, int] = {}
        numbers = np.zeros(len(own), DOCUMENT)
        for row, (group, document) in zip(numbers, own, strict=True):
            number = groups.setdefault(group, len(groups))
            row["hash"], row["amount"], row["size"] = document.hash, document.amount, document.amount
            row["weight"], row["group"] = document.weight, number
        files.append(folder / f"numbers-{part}")
        numbers.tofile(files[-1])
        name_stocks(files[-1]).write_bytes(msgspec.json.encode(take_stock(files[-1], settings, list(groups))))
    return join_surveys(settings, files)
