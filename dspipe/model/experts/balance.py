"""Balance: turns a layer's routing into the loads of its experts and how even they are.

What the training loop needs to know is returned, not kept in a module, so that nothing is counted twice:
neither when a block is computed again for its gradient, nor in evaluation.

Legend: B rows, L tokens, N tokens of all rows, E experts, K chosen experts, G groups, T the four terms of
balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dspipe.model.experts.gate import Routing
from dspipe.recipe import Model


@dataclass(frozen=True)
class BalanceReport:
    """What one layer tells the training loop about one forward pass; padding is in none of it.

    `loads_E` counts tokens per expert (int64). `terms_T` are sums over rows of Σ f·P, each 1 for a row in
    perfect balance: V3's within sequences, V2's of experts, of devices (its groups) and of communication.
    Their gradients go through P alone. They cost little more together than one, so that the network need not
    know which of them the loss takes.
    """

    loads_E: Tensor
    terms_T: Tensor


def report_balance(routing: Routing, valid_BL: Tensor, config: Model) -> BalanceReport:
    """Count loads, and compute the balance of each row (V3 report, equations 17 to 20; V2 report, 2.2.3).

    V3's f counts the top-K of the affinities as they are, without bias and groups; V2's count the experts
    that were chosen, of a device their mean, or the tokens sent to a device. P is normalised over all E
    experts.
    """
    top_NK = routing.affinity_NE.detach().topk(config.chosen_experts, -1).indices
    chosen_BE = count_by_row(routing.experts_NK, valid_BL, config.experts)
    tokens_B1 = valid_BL.sum(1, keepdim=True).clamp(min=1)
    even = config.experts / config.chosen_experts
    sequence_BE = count_by_row(top_NK, valid_BL, config.experts) * even / tokens_B1
    expert_BE = chosen_BE * even / tokens_B1
    sent_BG = count_sent(routing.experts_NK, valid_BL, config)
    communication_BG = sent_BG * (config.groups / config.chosen_groups) / tokens_B1
    share_BE = sum_shares(routing.affinity_NE, valid_BL) / tokens_B1
    share_BGE, expert_BGE = (by_E.view(len(by_E), config.groups, -1) for by_E in (share_BE, expert_BE))
    device_BG, share_BG = expert_BGE.mean(-1), share_BGE.sum(-1)
    terms = (
        sequence_BE * share_BE, expert_BE * share_BE, device_BG * share_BG, communication_BG * share_BG
    )  # fmt: skip
    return BalanceReport(chosen_BE.sum(0), torch.stack([term.sum() for term in terms]))


def count_by_row(experts_NK: Tensor, valid_BL: Tensor, experts: int) -> Tensor:
    """Tokens per row and expert, `counts_BE`."""
    rows, length = valid_BL.shape
    row_N1 = torch.arange(rows, device=valid_BL.device).repeat_interleave(length)[:, None]
    # Padding goes to one more bin, which is cut off.
    bins_NK = torch.where(valid_BL.flatten()[:, None], row_N1 * experts + experts_NK, rows * experts)
    return count_bins(bins_NK.flatten(), rows * experts + 1)[:-1].view(rows, experts)


def count_sent(experts_NK: Tensor, valid_BL: Tensor, config: Model) -> Tensor:
    """Tokens per row and group that have an expert there, `sent_BG`."""
    groups_NK1 = (experts_NK // (config.experts // config.groups))[..., None]
    sent_NG = (groups_NK1 == torch.arange(config.groups, device=experts_NK.device)).any(1)
    return (sent_NG.view(*valid_BL.shape, -1) & valid_BL[..., None]).sum(1)


def sum_shares(affinity_NE: Tensor, valid_BL: Tensor) -> Tensor:
    """Each token's affinities as shares of their sum, added up over a row: `share_BE`."""
    share_NE = affinity_NE / affinity_NE.sum(-1, keepdim=True).clamp(min=1e-20)
    return (share_NE * valid_BL.flatten()[:, None]).view(*valid_BL.shape, -1).sum(1)


def count_bins(numbers: Tensor, bins: int) -> Tensor:
    """How often each number 0..bins-1 occurs; unlike `bincount`, without waiting for a GPU."""
    counts = torch.zeros(bins, dtype=torch.int64, device=numbers.device)
    return counts.scatter_add_(0, numbers, torch.ones_like(numbers))
