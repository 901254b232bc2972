"""The mixture of experts: turns each token's hidden state into the sum of its shared and its chosen experts.

(DeepSeek-V3 report, 2.1.2.) The gate chooses (`gate.py`), the routed experts' products are in `routed.py`,
and what the training loop is told about loads in `balance.py`.

Legend: N tokens of all rows, D width, E experts, K chosen experts, F expert width, B rows, L tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dspipe.model.activation import swiglu
from dspipe.model.experts.balance import BalanceReport, report_balance
from dspipe.model.experts.gate import Gate, Routing
from dspipe.model.experts.routed import route, sort_by_expert
from dspipe.model.keeping import kept_narrow, made_again
from dspipe.model.products.linear import Linear
from dspipe.model.products.plain import PLAIN, Source
from dspipe.recipe import Model


class GatedMLP(nn.Module):
    """down(silu(gate x) * up x), with gate and up in one weight: a dense layer's MLP and the shared
    experts.
    """

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.gate_up = Linear(width, 2 * hidden_width)
        self.down = Linear(hidden_width, width, Source.ACTIVATION)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.gate_up(x)
        with kept_narrow("activations", hidden), made_again("activations", swiglu, hidden) as activated:
            y: Tensor = self.down(activated)
        return y


class Experts(nn.Module):
    def __init__(self, config: Model) -> None:
        super().__init__()
        self.config = config
        self.gate = Gate(config)
        self.gate_up = nn.Parameter(torch.empty(config.experts, 2 * config.expert_width, config.width))
        self.down = nn.Parameter(torch.empty(config.experts, config.width, config.expert_width))
        self.products = PLAIN
        self.shared = None
        if config.shared_experts:
            self.shared = GatedMLP(config.width, config.shared_experts * config.expert_width)

    def forward(self, x_BLD: Tensor, valid_BL: Tensor) -> tuple[Tensor, BalanceReport]:
        x_ND = x_BLD.flatten(0, 1)
        routing = self.gate(x_ND)
        y_BLD = self.run_experts(x_ND, routing).view_as(x_BLD)
        if self.shared is not None:
            y_BLD = y_BLD + self.shared(x_BLD)
        return y_BLD, report_balance(routing, valid_BL, self.config)

    def run_experts(self, x_ND: Tensor, routing: Routing) -> Tensor:
        dispatch = sort_by_expert(routing.experts_NK, self.config.experts)
        return route(x_ND, routing.gates_NK, (self.gate_up, self.down), dispatch, self.products)
