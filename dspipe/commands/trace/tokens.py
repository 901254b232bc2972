"""Token ids of a row → the text of one of them and of those beside it, whatever the ids are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import DspipeError

AROUND = 16  # tokens on each side


def describe_token(
    tokens: NDArray[np.uint32], place: int, first: int, end: int, encoder: Encoder | None
) -> dict[str, Any]:
    """A token's id and text, and what stands beside it in its chunk, tokens[first:end]."""
    shown: dict[str, Any] = {"place": place, "id": int(tokens[place])}
    if encoder is None:
        return shown | {"text": None, "note": "the tokenizer that the rows were packed with is not at hand"}
    before, after = (
        tokens[max(first, place - AROUND) : place],
        tokens[place + 1 : min(end, place + 1 + AROUND)],
    )
    return shown | {
        "text": decode(encoder, tokens[place : place + 1]),
        "before": decode(encoder, before),
        "after": decode(encoder, after),
    }


def decode(encoder: Encoder, tokens: NDArray[np.uint32]) -> str:
    """Their text, with U+FFFD for what is no whole character, and for a token that there is not."""
    try:
        return encoder.decode(tokens)
    except DspipeError:
        return b"".join(decode_one(encoder, token) for token in tokens.tolist()).decode("utf-8", "replace")


def decode_one(encoder: Encoder, token: int) -> bytes:
    try:
        return encoder.decode_bytes([token])
    except DspipeError:
        return "\N{REPLACEMENT CHARACTER}".encode()
