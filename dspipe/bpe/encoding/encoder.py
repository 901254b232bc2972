"""A tokenizer's file and texts → token ids and back, by the kernels, `tokenizers` or sentencepiece.

In ordinary mode, which is the default, no text ever yields an added token: a page that quotes
`<｜end▁of▁sentence｜>` must not end a document, and sentinels are put in by id, by whoever means them. With
`special` added tokens are found in texts as `tokenizers` finds them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.bpe.encoding.added import Marks, build_marks, cut_marks, put_marks, spell_added, spell_out
from dspipe.bpe.encoding.decoding import StreamDecoder, decode_ids
from dspipe.bpe.encoding.engine import Engine, Ids
from dspipe.bpe.encoding.library import Library
from dspipe.bpe.encoding.sentences import Sentences
from dspipe.bpe.encoding.tables import Tables, build_tables
from dspipe.bpe.files import TokenizerFile, explain_library, find_file, read_tokenizer
from dspipe.bpe.layout import model_rows
from dspipe.bpe.pieces.splitter import Splitter
from dspipe.recipe import DspipeError
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import compiling_once


class Engines(Protocol):
    def encode(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]: ...


class Encoder:
    """Encodes and decodes with a tokenizer.json or a sentencepiece .model, or with the folder of one.

    Attributes:
        added: the id of each added token. size: how many ids there are, these included. rows: the same,
            padded for the model. note: why the library does the work, where it does: one sentence.
    """

    def __init__(self, file: Path, threads: int = 1, special: bool = False) -> None:
        self._file = find_file(file)
        with compiling_once():
            if self._file.suffix == ".model":
                self._open_sentences()
            else:
                self._open_tokenizer(read_tokenizer(self._file), threads, special)
            self.size = self._offsets.size - 1
            self.rows = model_rows(self.size)
            self.decode_bytes(self.encode(["a"])[0])

    def _open_sentences(self) -> None:
        self._engine: Engines = Sentences(self._file)
        self._decode_whole: Any = self._engine.decode
        self.note: str | None = f"{self._file}: sentencepiece encodes, which is slower"
        tokens = self._engine.tokens
        self._text = np.frombuffer(b"".join(tokens), np.uint8)
        self._offsets = np.cumsum([0, *map(len, tokens)])
        self._known = np.ones(len(tokens), np.bool_)
        self.added, self._skipped = self._engine.added, np.array(list(self._engine.added.values()), np.int64)
        self._marks: list[Marks] = []
        self._spelled: dict[int, list[int]] = {}

    def _open_tokenizer(self, file: TokenizerFile, threads: int, special: bool) -> None:
        self._text, self._offsets, self._known = file.text, file.offsets, file.known
        self.added = {token.content: token.id for token in file.added}
        self._skipped = np.array([token.id for token in file.added if token.special], np.int64)
        self._marks, self._spelled, self._decode_whole = [], {}, None
        self.note = file.note or explain_marks(file, special)
        tables = None if self.note else find_tables(file, special)
        if self.note is None and tables is None:
            self.note = (
                f"{file.file}: it lists merges before those that make their halves, so `tokenizers` encodes"
            )
        if tables is None:
            library = Library(file, special)
            self._engine, self._decode_whole = library, library.decode
            return
        splitter = Splitter(file.pre_tokenizer)
        if not splitter.in_kernel:
            self.note = (
                f"{file.file}: no kernel knows its pattern, so `tokenizers` cuts text, which is slower"
            )
        self._engine = Engine(splitter, tables, self._text, self._offsets, threads)
        if special:
            kinds = [[token for token in file.added if token.normalized == kind] for kind in (False, True)]
            self._marks = [build_marks(tokens) for tokens in kinds if tokens]
        else:
            self._spelled = spell_added(file, tables)

    @cached_property
    def tokens(self) -> list[bytes]:
        """The bytes that each id stands for; none for an id that does not exist."""
        text, bounds = self._text.tobytes(), self._offsets.tolist()
        return [text[begin:end] for begin, end in itertools.pairwise(bounds)]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many bytes of text each id stands for; none for special tokens."""
        sizes = np.diff(self._offsets).astype(np.int64)
        sizes[self._skipped] = 0
        return sizes

    def special(self, token: str) -> int:
        """The id of an added token."""
        if token not in self.added:
            raise DspipeError(f"{self._file}: the tokenizer has no {token}; train one that has it")
        return self.added[token]

    def encode(self, texts: pa.Array | pa.ChunkedArray | Sequence[str]) -> tuple[Ids, Offsets]:
        """Encode texts; returns all ids one after the other, (t,), and where each text begins, (n + 1,)."""
        if not isinstance(texts, pa.Array | pa.ChunkedArray):
            texts = pa.array(texts, pa.large_string())
        return self.encode_bytes(*text_buffers(texts))

    def encode_bytes(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """The same for text i in text[offsets[i] : offsets[i + 1]], as `text_buffers` gives them."""
        if not self._marks:
            ids, bounds = self._engine.encode(text, offsets)
            return spell_out(ids, bounds, self._spelled) if self._spelled else (ids, bounds)
        cuts, marks = cut_marks(text, offsets, self._marks)
        ids, bounds = put_marks(*self._engine.encode(text, cuts), marks)
        return ids, bounds[np.searchsorted(cuts, offsets)]

    @property
    def in_kernel(self) -> bool:
        """Whether merges are done by the kernels of dspipe, whoever cuts the text."""
        return isinstance(self._engine, Engine)

    def encode_pieces(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """As `encode_bytes`, but each text is one piece: it is not cut again. For `in_kernel` alone."""
        assert isinstance(self._engine, Engine)
        return self._engine.encode_pieces(text, offsets)

    def count(self, texts: pa.Array | pa.ChunkedArray | Sequence[str]) -> NDArray[np.int64]:
        """How many tokens each text has."""
        return np.diff(self.encode(texts)[1])

    def decode_bytes(self, ids: Sequence[int] | NDArray[Any], skip_special: bool = False) -> bytes:
        """The bytes that ids stand for; DspipeError for an id that there is not."""
        return decode_ids(self._check_ids(ids, skip_special), self._text, self._offsets)

    def decode(self, ids: Sequence[int] | NDArray[Any], skip_special: bool = False) -> str:
        """The text that ids stand for, with U+FFFD for broken UTF-8 as `tokenizers` has it."""
        if self._decode_whole is not None:
            text: str = self._decode_whole(self._check_ids(ids, skip_special).tolist())
            return text
        return self.decode_bytes(ids, skip_special).decode("utf-8", "replace")

    def stream(self) -> StreamDecoder:
        """A decoder for tokens that come one after the other."""
        return StreamDecoder(self.decode_bytes)

    def _check_ids(self, ids: Sequence[int] | NDArray[Any], skip_special: bool) -> NDArray[np.int64]:
        try:
            checked = np.asarray(ids)
            checked = checked.astype(np.int64, casting="safe" if checked.size else "unsafe")
        except (TypeError, ValueError, OverflowError):
            raise DspipeError(f"{self._file}: ids are whole numbers below {self.size:,}") from None
        outside = (checked < 0) | (checked >= self.size)
        unknown = outside | ~self._known[np.where(outside, 0, checked)]
        if unknown.any():
            raise DspipeError(f"{self._file}: there is no token {int(checked[unknown][0])}")
        return checked[~np.isin(checked, self._skipped)] if skip_special else checked


def explain_marks(file: TokenizerFile, special: bool) -> str | None:
    """Why the library has to find the added tokens, or None."""
    for token in file.added if special else ():
        if token.lstrip or token.rstrip or token.single_word:
            what = "must be a word of its own" if token.single_word else "takes in spaces beside it"
            return explain_library(file.file, f"its added token {token.content} {what}")
    return None


def find_tables(file: TokenizerFile, special: bool) -> Tables | None:
    assert file.merges is not None
    whole = np.zeros(0, np.int64)
    if file.ignore_merges:
        whole = file.entries
        if not special:
            whole = whole[~np.isin(whole, [token.id for token in file.added])]
        whole = whole[np.diff(file.offsets)[whole] > 0]
    return build_tables(file.merges, file.text, file.offsets, whole)
