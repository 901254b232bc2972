"""A file that the recipe names outside the run → its manifest entry, with a digest of all that it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xxhash

CHUNK = 1 << 24


def describe_file(source: str, path: Path) -> dict[str, Any]:
    """The entry of a file; `source` is the name of the setting that names it.

    Raises:
        OSError: it cannot be read.
    """
    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return {"source": source, "file": path.name, "bytes": path.stat().st_size, "sample": digest.hexdigest()}
