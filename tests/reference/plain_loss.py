"""The slow twin of `dspipe.train.loss`: all logits at once, and multi-token targets shifted by hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.batch import PackedBatch


def sum_cross_entropy(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, scale: float) -> Tensor:
    return F.cross_entropy(hidden_ND @ head_VD.T, targets_N, ignore_index=-100, reduction="sum") * scale


def multi_token_loss(hidden_BLD: Tensor, head_VD: Tensor, batch: PackedBatch, depth: int) -> Tensor:
    """L^k: the terms of each row, one by one, over the valid tokens of all rows."""
    total, tokens = torch.zeros(()), 0
    for hidden_LD, tokens_L, document_L in zip(hidden_BLD, batch.tokens_BL, batch.document_BL, strict=True):
        valid = int((document_L >= 0).sum())
        tokens += valid
        for place in range(valid - 1 - depth):
            logits = head_VD @ hidden_LD[place]
            total = total - logits.log_softmax(0)[tokens_L[place + 1 + depth]]
    return total / max(tokens, 1)
