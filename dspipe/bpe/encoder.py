"""A tokenizer.json and texts → token ids, in ordinary mode: no text ever yields a special token.

A page that quotes `<｜end▁of▁sentence｜>` must not end a document, so the added tokens are taken out of the
encoder; sentinels are put in by id, by whoever means them. So far the `tokenizers` library does the work.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.bpe.layout import model_rows
from dspipe.recipe import DspipeError

Ids = npt.NDArray[np.uint32]


class Encoder:
    """Encodes texts with a byte-level BPE tokenizer.

    Attributes:
        size: how many ids there are, added tokens included. rows: the same, padded for the model.
    """

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            description = json.loads(file.read_text("utf-8"))
            self._ids: dict[str, int] = {
                token["content"]: token["id"] for token in description["added_tokens"]
            }
            self.size = 1 + max(*description["model"]["vocab"].values(), *self._ids.values())
            self._tokenizer = Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))
        except Exception as error:  # the library raises bare Exceptions
            raise DspipeError(f"{file}: not a tokenizer.json that `tokenizers` reads ({error})") from None
        self.rows = model_rows(self.size)

    def special(self, token: str) -> int:
        """The id of an added token."""
        if token not in self._ids:
            raise DspipeError(f"the tokenizer has no {token}; train it with this version of dspipe")
        return self._ids[token]

    def encode(self, texts: list[str]) -> tuple[Ids, npt.NDArray[np.int64]]:
        """Encode texts; returns all ids one after the other, (t,), and where each text begins, (n + 1,)."""
        encoded = [
            encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(ids) for ids in encoded], out=offsets[1:])
        flat = np.fromiter((token for ids in encoded for token in ids), np.uint32, int(offsets[-1]))
        return flat, offsets

    def count(self, texts: pa.Array) -> npt.NDArray[np.int64]:
        """How many tokens each text has."""
        return np.diff(self.encode(texts.to_pylist())[1])
