"""The id of a document: a function of where it stands in its source, and of nothing else.

Content may change between two crawls of a page and a checkout may move to another folder; neither may change
the draws that later stages make from an id.
"""

from __future__ import annotations

import xxhash


def identify(source: str, file: str, offset: int) -> str:
    """The 32 hexadecimal digits of the document at `offset` of `file`, a path relative to its source.

    NUL separates the three: it can stand in neither a source's name nor a path nor a number.
    """
    return xxhash.xxh3_128_hexdigest(f"{source}\0{file}\0{offset}".encode("utf-8", "backslashreplace"))
