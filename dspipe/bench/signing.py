"""Documents → their texts in Latin letters, those in Chinese, Japanese or Korean, and what signs either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dspipe.bench.documents import Documents, measure_bytes
from dspipe.dedup.signatures.sign import make_bands, sign_texts
from dspipe.recipe import Dedup
from dspipe.shards import read_batches

SCRIPTS = {"Latin": r"\p{Latin}", "CJK": r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"}
LEAST_SHARE = 0.3  # of a text's characters that are of the script
HELD = 30_000_000  # bytes of text
REPEATED = 5_000_000  # bytes that less text is repeated to


def make_signer(settings: Dedup) -> Callable[[Any], object]:
    """What signs an Arrow array of texts: normalisation, words, shingles, permutations, bands."""
    return lambda texts: make_bands(sign_texts(texts, settings).minima, settings)


def choose_texts(documents: Documents, pattern: str) -> list[Any]:
    """Batches of the texts of a script; the first ones, and again and again where there are few."""
    chosen: list[Any] = []
    size = 0
    for file in documents.artifact.files:
        for batch in read_batches(file, ["text"]):
            if size < HELD:
                found = batch.filter(is_of_script(batch["text"], pattern))
                size += measure_bytes(found)
                chosen.extend([found] if found.num_rows else [])
    return chosen * max(1, -(-REPEATED // size)) if size else []


def is_of_script(texts: Any, pattern: str) -> Any:
    letters = pc.count_substring_regex(texts, pattern).cast(pa.float64())
    return pc.greater(letters, pc.multiply(pc.utf8_length(texts).cast(pa.float64()), LEAST_SHARE))
