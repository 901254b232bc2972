"""The loss: turns hidden states into cross entropy, depth by depth, without ever holding all logits.

The head's logits, N tokens by V vocabulary, are larger than everything else together. They are made for a
thousand tokens at a time, and their gradient at once, so that the head is multiplied three times and never
again.

Every mean is over the global batch: a step counts its targets first (`count_targets`), and each micro-batch
contributes sums divided by those counts. So accumulation over micro-batches of uneven padding equals the full
batch.

    main      Σ cross entropy / main targets
    depth k   Σ cross entropy / T, where T counts valid tokens although a row of T tokens has only T-1-k
              terms (DeepSeek-V3 report, equation 24); L_MTP = λ/D · Σ_k
    balance   Σ over sparse layers of the mean over rows of Σ f·P, times α; V2 has three such terms

Legend: B rows, L tokens, N tokens of all rows, D width, V vocabulary, C tokens of a chunk, S sparse layers,
T terms of balance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dspipe.batch import IGNORED, PackedBatch
from dspipe.model.memory import CHUNK_LOGITS
from dspipe.model.precision import compute_dtype, raise_precision
from dspipe.model.transformer import Output
from dspipe.train.schedule.course import Weights


@dataclass(frozen=True)
class Counts:
    """What the means of a step divide by, counted over its global batch."""

    targets: int
    tokens: int
    sequences: int


@dataclass(frozen=True)
class Losses:
    """One micro-batch's share in the means of its step; `total` is what has a gradient to follow.

    `main` and `mtp` are in nats per token, `mtp` averaged over depths; `balance` is V3's term, whichever are
    in the total, averaged over sparse layers, 1 in perfect balance. None of the three is weighted; None where
    the network has no such part.
    """

    total: Tensor
    main: Tensor
    mtp: Tensor | None
    balance: Tensor | None


def count_targets(batch: PackedBatch) -> Counts:
    valid_BL = batch.valid_BL
    targets = int((batch.targets() != IGNORED).sum())
    return Counts(targets, int(valid_BL.sum()), int(valid_BL.any(1).sum()))


def compute_losses(
    output: Output, head_VD: Tensor, batch: PackedBatch, counts: Counts, weights: Weights
) -> Losses:
    """A batch without a single target has a loss of 0, not NaN."""
    divisors = [counts.targets] + [counts.tokens] * (len(output.hidden_BLD) - 1)
    main, *depths = (
        sum_cross_entropy(hidden.flatten(0, 1), head_VD, batch.targets(ahead).flatten(), 1 / max(divisor, 1))
        for ahead, (hidden, divisor) in enumerate(zip(output.hidden_BLD, divisors, strict=True), 1)
    )
    total, mtp, balance = main, None, None
    if depths:
        mtp = torch.stack(depths).mean()
        total = total + weights.mtp * mtp
    if len(output.balance_ST):
        terms_T = output.balance_ST.sum(0) / max(counts.sequences, 1)
        for weight, term in zip(weights[2:], terms_T, strict=True):
            if weight:
                total = total + weight * term
        balance = terms_T[0] / len(output.balance_ST)
    return Losses(total, main.detach(), detach(mtp), detach(balance))


def detach(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.detach()


def sum_cross_entropy(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, scale: float) -> Tensor:
    """`scale` · Σ cross entropy over the targets that are not `IGNORED`."""
    total: Tensor = ChunkedCrossEntropy.apply(hidden_ND, head_VD, targets_N, scale)  # type: ignore[no-untyped-call]
    return total


@torch.no_grad()
def measure_cross_entropy(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor) -> Tensor:
    """The cross entropy of each token, `losses_N`, 0 where its target is `IGNORED`; for evaluation."""
    head = head_VD.to(compute_dtype(hidden_ND))
    chunks = multiply_by_chunks(hidden_ND, head)
    losses = [differentiate_cross_entropy(logits, targets_N[place])[0] for place, _, logits in chunks]
    return torch.cat(losses) * (targets_N != IGNORED)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Computes the gradient together with the value; backward only scales it."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, scale: float) -> Tensor:
        head = head_VD.to(compute_dtype(hidden_ND))
        hidden_grad, head_grad = torch.empty_like(hidden_ND), torch.zeros_like(head_VD)
        total = hidden_ND.new_zeros((), dtype=torch.promote_types(hidden_ND.dtype, torch.float32))
        for place, hidden, logits in multiply_by_chunks(hidden_ND, head):
            losses, slope = differentiate_cross_entropy(logits, targets_N[place])
            counted = targets_N[place] != IGNORED
            total += (losses * counted).sum()
            if any(ctx.needs_input_grad):
                hidden_grad[place] = (slope @ head) * counted[:, None]
                accumulate_product(head_grad, slope, hidden * counted[:, None])
        ctx.save_for_backward(hidden_grad, head_grad)
        ctx.scale = scale  # last, in float32: in bfloat16 it would be off by up to 0.4 %
        return total * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_grad, head_grad = ctx.saved_tensors
        grad = grad * ctx.scale
        return hidden_grad * grad.to(hidden_grad.dtype), head_grad * grad, None, None


def multiply_by_chunks(hidden_ND: Tensor, head_VD: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (which tokens, their hidden states, their logits); the logits' memory is used again."""
    size = max(CHUNK_LOGITS // len(head_VD), 1)
    logits_CV = head_VD.new_empty(min(size, len(hidden_ND)), len(head_VD))
    for start in range(0, len(hidden_ND), size):
        place = slice(start, start + size)
        hidden_CD = hidden_ND[place].to(head_VD.dtype)
        yield place, hidden_CD, torch.mm(hidden_CD, head_VD.T, out=logits_CV[: len(hidden_CD)])


def differentiate_cross_entropy(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
    """Losses and their slopes by the logits, softmax - one-hot; logits of 32 or 64 bits are overwritten.

    The logarithm of the normaliser is recovered at the largest logit, whose probability cannot underflow;
    taking it at the target, or with `logsumexp`, would lose digits or time.
    """
    logits = raise_precision(logits_CV)
    index_C1 = targets_C.clamp(min=0)[:, None]
    largest_C, target_C = logits.amax(-1), logits.gather(1, index_C1)[:, 0]
    softmax = torch.softmax(logits, -1, out=logits)
    losses_C = largest_C - softmax.amax(-1).log() - target_C
    slope = softmax.scatter_add_(1, index_C1, -torch.ones_like(target_C)[:, None])
    return losses_C, slope.to(logits_CV.dtype)


def accumulate_product(sum_VD: Tensor, slope_CV: Tensor, hidden_CD: Tensor) -> None:
    """sum += slopeᵀ · hidden, in float32."""
    if slope_CV.dtype == sum_VD.dtype:
        sum_VD.addmm_(slope_CV.T, hidden_CD)
    else:
        sum_VD += slope_CV.T @ hidden_CD
