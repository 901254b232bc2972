"""Texts → ids and back by the `tokenizers` library, for what the kernels do not know."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np

from dspipe.bpe.encoding.engine import Ids
from dspipe.bpe.files import TokenizerFile
from dspipe.recipe import DspipeError
from dspipe.text.arrow import Bytes, Offsets

BATCH_BYTES = 4 << 20  # the library takes twenty times that


class Library:
    """The library's tokenizer of a file, with its added tokens (`special`) or without."""

    def __init__(self, file: TokenizerFile, special: bool) -> None:
        from tokenizers import Tokenizer

        description = json.loads(file.content)
        try:
            self._whole = Tokenizer.from_str(json.dumps(description))
            self._tokenizer = self._whole if special else Tokenizer.from_str(forget_added(description))
        except Exception as error:  # the library raises bare Exceptions
            raise DspipeError(f"{file.file}: `tokenizers` does not read it ({error})") from None
        for tokenizer in (self._whole, self._tokenizer):
            tokenizer.no_truncation()
            tokenizer.no_padding()

    def encode(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """All ids, (t,), and where each text begins, (n + 1,); broken UTF-8 is read with replacements."""
        return encode_batches(self._encode_texts, text, offsets)

    def _encode_texts(self, texts: list[str]) -> list[list[int]]:
        return [one.ids for one in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, ids: list[int]) -> str:
        text: str = self._whole.decode(ids, skip_special_tokens=False)
        return text


def forget_added(description: dict[str, Any]) -> str:
    """The file without added tokens, and without merges that would make one of them."""
    marks = {token["content"] for token in description["added_tokens"]}
    model = dict(description["model"])
    if model.get("merges"):
        model["merges"] = [merge for merge in model["merges"] if join_merge(merge) not in marks]
    return json.dumps({**description, "added_tokens": [], "model": model})


def join_merge(merge: str | list[str]) -> str:
    return merge.replace(" ", "") if isinstance(merge, str) else "".join(merge)


def encode_batches(encode: Any, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
    """Have a function encode lists of strings, some megabytes at a time."""
    parts, counts, first = [np.empty(0, np.uint32)], [np.zeros(1, np.int64)], 0
    while first < offsets.size - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + BATCH_BYTES)) - 1)
        bounds = offsets[first : last + 1].tolist()
        texts = [
            text[begin:end].tobytes().decode("utf-8", "replace") for begin, end in itertools.pairwise(bounds)
        ]
        lists = encode(texts)
        counts.append(np.array([len(ids) for ids in lists], np.int64))
        parts += [np.array(ids, np.uint32) for ids in lists]
        first = last
    return np.concatenate(parts), np.cumsum(np.concatenate(counts))
