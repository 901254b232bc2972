"""A part of documents → files of what its copies are found by, each sorted: runs of keys, bands and places.

All that is known of the texts is found here, in one reading: the exact key, the bands of the MinHash
signature, and where the document stands in the order of survivors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.dedup.signatures.chunks import Signed, write_chunks
from dspipe.dedup.signatures.order import make_places
from dspipe.dedup.signatures.sign import hash_keys, make_bands, make_keys, make_sets, sign_texts
from dspipe.recipe import Dedup
from dspipe.shards import read_batches
from dspipe.text.arrow import list_strings, text_buffers
from dspipe.text.hashing import parse_ids
from dspipe.text.kernel import compiling_once

GROUP = ("source", "domain", "language")  # of which the removed are counted apart
COLUMNS = ["id", "text", "url", "date", "quality", *GROUP]


@dataclass(frozen=True)
class Signing:
    number: int
    part: Path
    settings: Dedup
    scratch: Path


def sign_part(task: Signing) -> Signed:
    """Sign every document of a part."""
    groups: dict[tuple[str | None, ...], int] = {}
    out = task.scratch / f"signed-{task.number:05d}"
    batches = (sign_batch(batch, task, groups) for batch in read_batches(task.part, COLUMNS))
    chunks = write_chunks(out, batches, task.settings)
    return Signed([list(group) for group in groups], out.name, chunks)


def compile_kernels(settings: Dedup) -> None:
    """Compile what signing needs, so that no two processes do it at once."""
    text = pa.array(["one two"], pa.large_string())
    with compiling_once():
        make_bands(sign_texts(text, settings).minima, settings)
        make_keys(text, np.zeros(1, np.uint8))
        make_sets(text, settings, np.zeros(1, np.uint8))


def sign_batch(
    batch: pa.RecordBatch, task: Signing, groups: dict[tuple[str | None, ...], int]
) -> dict[str, Any]:
    signed = sign_texts(batch["text"], task.settings)
    columns = {
        "ids": parse_ids(batch["id"]),
        "counts": signed.counts,
        "needs": signed.needs,
        "groups": number_groups(batch, groups),
        "keys": make_keys(batch["text"], signed.needs),
        "minima": signed.minima,
        "places": make_places(batch, task.settings),
        "named": np.ones(len(batch), bool),
        "comparable": signed.counts > 0,
    }
    return columns | ({"urls": hash_urls(batch["url"])} if task.settings.urls else {})


def number_groups(batch: pa.RecordBatch, groups: dict[tuple[str | None, ...], int]) -> npt.NDArray[np.uint32]:
    """The number of each document's group; new ones are added."""
    columns = [batch[name].dictionary_encode(null_encoding="encode") for name in GROUP]
    joined = np.zeros(len(batch), np.int64)
    for column in columns:
        joined = joined * len(column.dictionary) + column.indices.to_numpy()
    _, first, own = np.unique(joined, return_index=True, return_inverse=True)
    known = zip(*(list_strings(batch[name].take(pa.array(first))) for name in GROUP), strict=True)
    numbers = [groups.setdefault(names, len(groups)) for names in known]
    return np.array(numbers, np.uint32)[own]


def hash_urls(urls: Any) -> npt.NDArray[np.uint64]:
    """(n, 2): a 128-bit hash of each URL; zeros where there is none, or nothing but white space."""
    hashed = hash_keys(*text_buffers(urls))
    written = pc.binary_length(pc.ascii_trim_whitespace(urls))
    hashed[pc.fill_null(written, 0).to_numpy(zero_copy_only=False) == 0] = 0
    return hashed
