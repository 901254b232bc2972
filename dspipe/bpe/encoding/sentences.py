"""Texts → ids and back by a sentencepiece model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dspipe.bpe.encoding.engine import Ids
from dspipe.bpe.encoding.library import encode_batches
from dspipe.recipe import DspipeError
from dspipe.text.arrow import Bytes, Offsets

SPACE = "▁"


class Sentences:
    """A sentencepiece model: `tokens` are the bytes of each id, `added` the control tokens by name."""

    def __init__(self, file: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        try:
            self._model: Any = SentencePieceProcessor(model_file=str(file))
        except Exception as error:  # bare exceptions of the library
            raise DspipeError(f"{file}: not a model that sentencepiece reads ({error})") from None
        self.size = int(self._model.get_piece_size())
        self.tokens = [self._read_token(number) for number in range(self.size)]
        self.added = {
            self._model.id_to_piece(number): number
            for number in range(self.size)
            if self._model.is_control(number) or self._model.is_unknown(number)
        }

    def _read_token(self, number: int) -> bytes:
        piece: str = self._model.id_to_piece(number)
        if self._model.is_byte(number):  # <0x41>
            return bytes([int(piece[3:-1], 16)])
        if self._model.is_control(number):
            return b""
        return piece.replace(SPACE, " ").encode()

    def encode(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """All ids, (t,), and where each text begins, (n + 1,); broken UTF-8 is read with replacements."""
        return encode_batches(self._model.encode, text, offsets)

    def decode(self, ids: list[int]) -> str:
        text: str = self._model.decode(ids)
        return text
