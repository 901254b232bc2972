"""The gate: turns each token's hidden state into the experts that it goes to, and their weights.

K of E experts are chosen on affinity + bias and weighed by affinity alone (DeepSeek-V3 report, 2.1.2); the
bias is moved by the training loop (`dspipe.train.balance`), never by a gradient. V2's gate has softmax for
sigmoid, no bias, and weights that are not made to sum to one.

Legend: N tokens of all rows, D width, E experts, K chosen experts, G groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dspipe.model.precision import raise_precision
from dspipe.recipe import Model


@dataclass(frozen=True)
class Routing:
    """Which experts each token goes to, with which weight.

    `affinity_NE` is un-biased. `experts_NK` holds expert numbers, `gates_NK` the weights in float32.
    """

    affinity_NE: Tensor
    experts_NK: Tensor
    gates_NK: Tensor


class Gate(nn.Module):
    bias: Tensor | None

    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.empty(config.experts, config.width))
        # V2's softmax gate has no bias. Float32 whatever the computation: steps of 0.001 vanish in bfloat16.
        has_bias = config.gate == "sigmoid"
        self.register_buffer("bias", torch.zeros(config.experts, dtype=torch.float32) if has_bias else None)

    def forward(self, x_ND: Tensor) -> Routing:
        with torch.autocast(x_ND.device.type, enabled=False):
            scores_NE = F.linear(raise_precision(x_ND), raise_precision(self.weight))
        sigmoid = self.config.gate == "sigmoid"
        affinity_NE = scores_NE.sigmoid() if sigmoid else scores_NE.softmax(-1)
        experts_NK = choose_experts(affinity_NE.detach(), self.bias, self.config)
        gates_NK = affinity_NE.gather(1, experts_NK)
        if sigmoid:
            gates_NK = gates_NK / (gates_NK.sum(-1, keepdim=True) + 1e-20)
        return Routing(affinity_NE, experts_NK, gates_NK * self.config.gate_scale)


def choose_experts(affinity_NE: Tensor, bias_E: Tensor | None, config: Model) -> Tensor:
    """The K experts of each token, as `experts_NK`: top-K of affinity + bias within the best groups.

    A group's score is the sum of its two best experts in V3, the best one in V2. Experts of other groups get
    -inf, not 0, which would win over a negative biased affinity.
    """
    biased_NE = affinity_NE if bias_E is None else affinity_NE + bias_E
    if config.chosen_groups < config.groups:
        biased_NGE = biased_NE.view(len(biased_NE), config.groups, -1)
        best = min(2 if bias_E is not None else 1, biased_NGE.shape[-1])
        groups_NG = biased_NGE.topk(best, -1).values.sum(-1).topk(config.chosen_groups, -1).indices
        rejected_NG = torch.ones(biased_NGE.shape[:2], dtype=torch.bool, device=biased_NE.device)
        rejected_NG.scatter_(1, groups_NG, False)
        biased_NE = biased_NGE.masked_fill(rejected_NG[..., None], -torch.inf).flatten(1)
    return biased_NE.topk(config.chosen_experts, -1).indices
