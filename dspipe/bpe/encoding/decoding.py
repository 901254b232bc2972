"""Token ids → the bytes they stand for, all at once or one after the other as a model makes them."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dspipe.text.kernel import kernel


@kernel
def gather_bytes(ids, text, offsets, out):  # type: ignore[no-untyped-def]
    """Copy the bytes of each id, one after the other."""
    written = 0
    for number in ids:
        for place in range(offsets[number], offsets[number + 1]):
            out[written] = text[place]
            written += 1


def decode_ids(ids: NDArray[np.int64], text: NDArray[np.uint8], offsets: NDArray[np.int64]) -> bytes:
    """The bytes of ids that there are."""
    out = np.empty(int((offsets[ids + 1] - offsets[ids]).sum()), np.uint8)
    gather_bytes(ids, text, offsets, out)
    return out.tobytes()


class StreamDecoder:
    """Gives text as soon as its characters are complete.

    What it gave, with what `finish` gives, is what decoding all ids at once gives.
    """

    def __init__(self, decode_bytes: Callable[[list[int]], bytes]) -> None:
        self._decode_bytes = decode_bytes
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The characters that this token completes."""
        return self._characters.decode(self._decode_bytes([token]))

    def finish(self) -> str:
        """What is left: a replacement character for one that was never completed."""
        return self._characters.decode(b"", final=True)
