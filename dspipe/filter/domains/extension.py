"""Turns the names that come with documents into the extension of each one's file: `src/Main.JAVA` → `java`.

Asked are, in this order, the source's own id, the path of the URL, and the file that a document was read
from, unless that is a container such as `x.jsonl.gz`. An extension has a letter in it, for `v1.2` and
`10.1000/7` name no files. Nor does a host: neither `https://example.rs` nor a bare `www.example.py`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

LONGEST = 12
EXTENSION = rf"(?P<extension>[A-Za-z0-9]{{1,{LONGEST}}})"
# The last part of a path, which does not begin with the dot before the extension: `.gitignore` has none.
NAME = rf"[^/\\:?#]*[^/\\:?#.]\.{EXTENSION}"
PATH = rf"(?s)(?:^|[/\\:]){NAME}$"
ADDRESS = rf"(?s)^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+/(?:[^?#]*/)?{NAME}(?:[?#].*)?$"
SCHEME = r"^[A-Za-z][A-Za-z0-9+.-]*://"
# Ids without a "/" that end as source files do but have the form of a host, under the domain of a country.
HOST = (
    r"(?i)^(?:www\.[^/\\]*|[a-z0-9-]+(?:\.[a-z0-9-]+)+"
    r"\.(?:cc|cl|es|hr|mk|ml|mm|pl|pm|ps|pw|py|rs|sc|sh|st|tf|tk|vb))$"
)
COMPRESSED = r"(?i)\.(?:gz|bz2|xz|zst|zstd|lz4)$"
CONTAINERS = "jsonl ndjson json csv tsv parquet arrow feather ipc warc wet wat arc zip tar tgz"


def find_extension(batch: Any) -> Any:
    """The extension of each row of `documents`, in lower case, without the dot; null where there is none."""
    file = pc.replace_substring_regex(pc.struct_field(batch.column("origin"), "file"), COMPRESSED, "")
    read_from = take_extension(file)
    contains = pc.is_in(read_from, value_set=pa.array(CONTAINERS.split()))
    return pc.coalesce(
        take_extension(batch.column("source_id")),
        take_extension(batch.column("url")),
        pc.if_else(contains, pa.scalar(None, pa.string()), read_from),
    )


def take_extension(names: Any) -> Any:
    """The extension of each path or address, in lower case; null where there is none."""
    addressed = pc.match_substring_regex(names, SCHEME)
    taken = pc.if_else(addressed, take_group(names, ADDRESS), take_group(names, PATH))
    real = pc.and_(
        pc.match_substring_regex(taken, "[A-Za-z]"), pc.invert(pc.match_substring_regex(names, HOST))
    )
    return pc.if_else(real, pc.ascii_lower(taken), pa.scalar(None, pa.string()))


def take_group(names: Any, pattern: str) -> Any:
    return pc.struct_field(pc.extract_regex(names, pattern), "extension")
