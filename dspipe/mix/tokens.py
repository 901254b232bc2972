"""The tokenizer with which a mixture is measured that is asked for in tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xxhash

from dspipe.recipe import Mix, RecipeError


def find_tokenizer(settings: Mix) -> Path | None:
    """The tokenizer's file that `[mix] tokenizer` names, as a file or the folder that holds it."""
    if settings.tokens is None or settings.tokenizer is None:
        return None
    from dspipe.bpe.files import find_file  # not where nothing is counted in tokens: plans are to be quick

    file = find_file(Path(settings.tokenizer))
    if not file.is_file():
        raise RecipeError(f"mix.tokenizer: there is no {file}; name a tokenizer.json or the folder of one")
    return file


def describe_tokenizer(settings: Mix) -> list[dict[str, Any]]:
    """What the mixture depends on outside the run, for its fingerprint."""
    file = find_tokenizer(settings)
    if file is None:
        return []
    content = file.read_bytes()
    return [
        {
            "source": "tokenizer",
            "file": file.name,
            "bytes": len(content),
            "sample": xxhash.xxh3_64_hexdigest(content),
        }
    ]
