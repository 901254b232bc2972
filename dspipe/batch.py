"""Rows of packed tokens: turns token numbers and document numbers into inputs, positions, targets and masks.

The packing rule is written here and nowhere else. A row is one sequence: positions run 0..L-1 through all of
its documents, attention is causal over the whole row, and a document's last token predicts the next
document's first (DeepSeek-V3 report, 4.1: no cross-sample mask). What follows the last document is padding,
which is neither a source nor a target.

Or the documents of a row are kept apart: each then is what it would be in a row of its own. Attention ends
where the document ends, and no token predicts one of another document. Positions still run through the row,
since only their differences count.

Legend: B rows, L tokens of a row, D documents of all rows, runs of padding among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

IGNORED = -100  # a target that is none


@dataclass(frozen=True)
class PackedBatch:
    """B rows of L tokens.

    `tokens_BL` is int32, half the bytes of what targets are; `document_BL` is int32, the number of the
    document within its row, -1 where padding. `ends_D`, int32, says where documents end, counted through the
    tokens of all rows, if they are kept apart.

    One row of six tokens that holds the documents [7, 8, 9] and [5, 6], with one token of padding:

    >>> batch = PackedBatch.from_lengths(np.array([[7, 8, 9, 5, 6, 0]], np.uint32), [[3, 2]])
    >>> batch.document_BL.tolist()
    [[0, 0, 0, 1, 1, -1]]
    >>> batch.targets(1).tolist()  # main loss: 9 predicts 5, across the documents; 6 predicts nothing
    [[8, 9, 5, 6, -100, -100]]
    >>> batch.targets(2).tolist()  # depth 1 of multi-token prediction
    [[9, 5, 6, -100, -100, -100]]
    >>> batch.shift(1).tokens_BL.tolist()  # what depth 1 sees beside the hidden state
    [[8, 9, 5, 6, 0, 0]]
    >>> batch.shift(1).valid_BL.tolist()
    [[True, True, True, True, False, False]]
    """

    tokens_BL: Tensor
    document_BL: Tensor
    ends_D: Tensor | None = None

    @classmethod
    def from_lengths(
        cls, tokens_BL: np.ndarray, lengths: Sequence[Sequence[int] | np.ndarray]
    ) -> PackedBatch:
        """Number the documents of each row from their token counts; what is left of the row is padding."""
        document_BL = np.full(tokens_BL.shape, -1, np.int32)
        for row, counts in zip(document_BL, lengths, strict=True):
            numbers = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
            row[: len(numbers)] = numbers
        return cls(torch.from_numpy(tokens_BL.astype(np.int32)), torch.from_numpy(document_BL))

    @property
    def positions_L(self) -> Tensor:
        """The position of each token in its row, which its documents do not restart."""
        return torch.arange(self.tokens_BL.shape[1], device=self.tokens_BL.device)

    @property
    def valid_BL(self) -> Tensor:
        """True where there is a token, False at padding."""
        return self.document_BL >= 0

    def keep_apart(self) -> PackedBatch:
        """The batch with its documents apart.

        >>> batch = PackedBatch.from_lengths(np.array([[7, 8, 9, 5, 6, 0]], np.uint32), [[3, 2]]).keep_apart()
        >>> batch.ends_D.tolist()
        [3, 5, 6]
        >>> batch.targets(1).tolist()
        [[8, 9, -100, 6, -100, -100]]
        """
        changes_BL = self.document_BL.diff(dim=1, append=torch.full_like(self.document_BL[:, :1], -2)) != 0
        ends_D = changes_BL.flatten().nonzero().flatten() + 1
        return replace(self, ends_D=ends_D.int())

    def shift(self, ahead: int) -> PackedBatch:
        """The batch seen `ahead` tokens later: place i holds token i+ahead, and padding where there is none,
        or where it is one of another document and they are apart.
        """
        tokens_BL, document_BL = torch.zeros_like(self.tokens_BL), torch.full_like(self.document_BL, -1)
        kept = max(self.tokens_BL.shape[1] - ahead, 0)
        tokens_BL[:, :kept] = self.tokens_BL[:, ahead:]
        document_BL[:, :kept] = self.document_BL[:, ahead:]
        if self.ends_D is not None:
            document_BL = document_BL.masked_fill(document_BL != self.document_BL, -1)
        return replace(self, tokens_BL=tokens_BL.masked_fill(document_BL < 0, 0), document_BL=document_BL)

    def targets(self, ahead: int = 1) -> Tensor:
        """Token i+ahead for place i, int64: 1 for the main loss, 1+k for depth k; `IGNORED` where there is no
        such pair.
        """
        later = self.shift(ahead)
        return later.tokens_BL.long().masked_fill(~(self.valid_BL & later.valid_BL), IGNORED)

    def rows(self, start: int, stop: int) -> PackedBatch:
        """Some of the rows, e.g. a micro-batch."""
        part = PackedBatch(self.tokens_BL[start:stop], self.document_BL[start:stop])
        return part if self.ends_D is None else part.keep_apart()

    def to(self, device: torch.device) -> PackedBatch:
        """The batch on a device; from pinned memory to a GPU, it is copied while others work."""
        away = device.type == "cuda"  # back from there, nothing would say when the copy is whole
        tokens_BL, document_BL = (
            part.to(device, non_blocking=away) for part in (self.tokens_BL, self.document_BL)
        )
        ends_D = self.ends_D
        return PackedBatch(
            tokens_BL, document_BL, None if ends_D is None else ends_D.to(device, non_blocking=away)
        )
