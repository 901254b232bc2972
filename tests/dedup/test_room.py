"""The disk that dedup needs is told from its settings alone, quickly."""

from __future__ import annotations

import subprocess
import sys

from dspipe.dedup.room import LASTING, disk_per_document
from dspipe.recipe import Dedup


def test_more_bands_and_urls_take_more_room() -> None:
    few, many = disk_per_document(Dedup(bands=10, rows=4)), disk_per_document(Dedup(bands=30, rows=4))
    assert many["bands"] == 3 * few["bands"] == 360
    assert many[LASTING] - few[LASTING] == many["signatures"] - few["signatures"] == 20 * 4 * 4
    assert {name for name in few if few[name] != many[name]} == {"signatures", "bands", LASTING}
    with_urls = disk_per_document(Dedup(bands=10, rows=4, urls=True))
    assert sum(with_urls.values()) - sum(few.values()) == 20


def test_no_array_library_is_needed_to_know() -> None:
    code = "import sys, dspipe.dedup.room\nassert not {'numpy', 'pyarrow', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
