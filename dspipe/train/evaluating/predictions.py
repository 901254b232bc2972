"""A network and a batch of held-out rows → what each row adds to the sums that an evaluation divides.

A forward pass without gradient; losses of tokens are added up in 64 bits. Beside the loss of its next token a
row tells

    bytes and bits      the bytes that its targets stand for, and the loss of those that stand for any: the
                        end of a document and other marks have no bytes, and their losses are left out
    accepted drafts     what depth k predicts for a token is a draft; decoding takes it if the main model, a
                        step or more later, would choose the same, and if it has taken all drafts before it

Legend: B rows, L tokens, N tokens of all rows, D width, V vocabulary, K depths.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dspipe.batch import IGNORED, PackedBatch
from dspipe.model.precision import compute_dtype
from dspipe.model.transformer import Transformer
from dspipe.train.loss import differentiate_cross_entropy, multiply_by_chunks


@dataclass(frozen=True)
class Sums:
    """Of each row, float64: (B,), and of each row and depth, (B, K).

    `loss` is that of all `targets`, `text_loss` of those with `bytes`. Depths have a `depth_loss` each, and
    `drafts` of which some were `accepted`.
    """

    tokens: Tensor
    targets: Tensor
    loss: Tensor
    bytes: Tensor
    text_loss: Tensor
    depth_loss: Tensor
    drafts: Tensor
    accepted: Tensor

    def choose(self, rows: Tensor) -> Sums:
        """Those of some rows."""
        return Sums(*(getattr(self, field.name)[rows] for field in fields(self)))


def join(parts: list[Sums]) -> Sums:
    """One after the other, on the CPU."""
    return Sums(*(torch.cat([getattr(part, field.name).cpu() for part in parts]) for field in fields(Sums)))


@torch.no_grad()
def measure_rows(network: Transformer, batch: PackedBatch, bytes_V: Tensor) -> tuple[Sums, Tensor]:
    """The sums, and `loads_SE` of the forward pass; bytes_V: of each token, 0 where it is a mark."""
    output = network(batch)
    targets_BL = batch.targets()
    losses_BL, guesses_BL = predict(output.hidden_BLD[0], network.head, targets_BL)
    bytes_BL = bytes_V[targets_BL.clamp(min=0)] * (targets_BL != IGNORED)
    standing = torch.ones_like(targets_BL, dtype=torch.bool)  # all drafts before were taken
    depths: list[tuple[Tensor, Tensor, Tensor]] = []
    for ahead, hidden in enumerate(output.hidden_BLD[1:], 1):
        draft_targets_BL = batch.targets(1 + ahead)
        draft_losses_BL, drafts_BL = predict(hidden, network.head, draft_targets_BL)
        later_BL = torch.roll(guesses_BL, -ahead, 1)  # the main model's own choice for the same token
        drafted = draft_targets_BL != IGNORED
        standing = standing & (drafts_BL == later_BL)
        depths.append((draft_losses_BL, drafted, drafted & standing))
    columns = [torch.stack([sum_rows(part) for part in parts], 1) for parts in zip(*depths, strict=True)]
    none = torch.zeros(len(targets_BL), 0, dtype=torch.float64, device=targets_BL.device)
    sums = Sums(
        sum_rows(batch.valid_BL),
        sum_rows(targets_BL != IGNORED),
        sum_rows(losses_BL),
        sum_rows(bytes_BL),
        sum_rows(losses_BL * (bytes_BL > 0)),
        *(columns or [none] * 3),
    )
    return sums, output.loads_SE


def sum_rows(x_BL: Tensor) -> Tensor:
    return x_BL.double().sum(1)


def predict(hidden_BLD: Tensor, head_VD: Tensor, targets_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Of each token the loss, 0 where its target is none, and the likeliest next token."""
    hidden_ND, targets_N = hidden_BLD.flatten(0, 1), targets_BL.flatten()
    losses, guesses = [], []
    for place, _, logits_CV in multiply_by_chunks(hidden_ND, head_VD.to(compute_dtype(hidden_ND))):
        guesses.append(logits_CV.argmax(-1))  # before they are overwritten
        losses.append(differentiate_cross_entropy(logits_CV, targets_N[place])[0])
    losses_N = torch.cat(losses) * (targets_N != IGNORED)
    return losses_N.view_as(targets_BL), torch.cat(guesses).view_as(targets_BL)
