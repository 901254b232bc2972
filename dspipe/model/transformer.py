"""The transformer: turns a batch of packed rows into hidden states for the head, one per depth of prediction.

Pre-norm blocks of latent attention and a dense or mixture-of-experts MLP (DeepSeek-V3 report, 2.1), then the
multi-token-prediction modules. Logits are not made here: they are too large to exist at once, so that the
loss (`dspipe.train.loss`) and generation multiply by the head themselves. All that a training step must know
about a forward pass is in the returned `Output`; modules keep nothing.

Legend: B rows, L tokens, D width, V vocabulary, S sparse (mixture-of-experts) layers, E experts,
T terms of balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dspipe.batch import PackedBatch
from dspipe.model.attention.layer import Attention
from dspipe.model.attention.rope import Rotary, turn_positions
from dspipe.model.experts.balance import BalanceReport
from dspipe.model.experts.layer import Experts, GatedMLP
from dspipe.model.keeping import made_again
from dspipe.model.mtp import Depth
from dspipe.model.norm import Norm
from dspipe.recipe import Model


@dataclass(frozen=True)
class Output:
    """What a forward pass gives.

    `hidden_BLD[0]` is ready for the head's main prediction, `hidden_BLD[k]` for that of depth k, 1+k tokens
    ahead. `loads_SE` and `balance_ST` report on each sparse layer in the order of `Transformer.sparse_layers`
    what `BalanceReport` has: tokens per expert, and the four terms of balance, summed over rows.
    """

    hidden_BLD: tuple[Tensor, ...]
    loads_SE: Tensor
    balance_ST: Tensor


class Block(nn.Module):
    def __init__(self, config: Model, sparse: bool) -> None:
        super().__init__()
        self.attention_norm = Norm(config.width, config.norm_epsilon)
        self.attention = Attention(config)
        self.mlp_norm = Norm(config.width, config.norm_epsilon)
        self.mlp = Experts(config) if sparse else GatedMLP(config.width, config.dense_width)

    def forward(
        self, x_BLD: Tensor, rotary: Rotary, valid_BL: Tensor, ends_D: Tensor | None = None
    ) -> tuple[Tensor, BalanceReport | None]:
        with made_again("norms", self.attention_norm, x_BLD) as normed_BLD:
            x_BLD = x_BLD + self.attention(normed_BLD, rotary, ends_D)
        with made_again("norms", self.mlp_norm, x_BLD) as normed_BLD:
            if isinstance(self.mlp, GatedMLP):
                return x_BLD + self.mlp(normed_BLD), None
            y_BLD, report = self.mlp(normed_BLD, valid_BL)
            return x_BLD + y_BLD, report


class Transformer(nn.Module):
    """The whole network.

    Attributes:
        extended: whether `config.yarn` is in force, as it is but for a training that has yet to come to rows
            that need it. No part of the state: it follows from where the training stands.
    """

    def __init__(self, config: Model, vocabulary: int) -> None:
        super().__init__()
        self.config, self.extended = config, True
        self.embedding = nn.Parameter(torch.empty(vocabulary, config.width))
        self.blocks = nn.ModuleList(Block(config, n >= config.dense_layers) for n in range(config.layers))
        self.norm = Norm(config.width, config.norm_epsilon)
        self.depths = nn.ModuleList(
            Depth(config, Block(config, sparse=True)) for _ in range(config.mtp_depth)
        )
        self.head = nn.Parameter(torch.empty(vocabulary, config.width))

    def forward(self, batch: PackedBatch) -> Output:
        config, reports = self.config, list[BalanceReport | None]()
        rotary = turn_positions(batch.positions_L, config, self.extended)
        valid_BL, ends_D = batch.valid_BL, batch.ends_D
        x_BLD = F.embedding(batch.tokens_BL, self.embedding)
        for block in self.blocks:
            x_BLD, report = block(x_BLD, rotary, valid_BL, ends_D)
            reports.append(report)
        hidden = [self.norm(x_BLD)]
        if config.mtp_input == "norm":
            x_BLD = hidden[0]
        for ahead, depth in enumerate(self.depths, 1):
            assert isinstance(depth, Depth)
            later = batch.shift(ahead)
            x_BLD = depth.join(F.embedding(later.tokens_BL, self.embedding), x_BLD)
            x_BLD, report = depth.block(x_BLD, rotary, later.valid_BL & valid_BL, ends_D)
            hidden.append(depth.norm(x_BLD))
            reports.append(report)
        return Output(tuple(hidden), *stack_reports(reports, self.head, config.experts))

    @property
    def sparse_layers(self) -> dict[str, Experts]:
        """The mixture-of-experts layers by name, those of multi-token prediction last."""
        return {name: module for name, module in self.named_modules() if isinstance(module, Experts)}

    def compute_logits(self, hidden: Tensor) -> Tensor:
        """For tests and generation, where there are few tokens."""
        return F.linear(hidden, self.head)


def stack_reports(reports: list[BalanceReport | None], like: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    """`loads_SE` and `balance_ST`, of no rows where no layer is sparse."""
    sparse = [report for report in reports if report is not None]
    if not sparse:
        loads_SE = torch.zeros(0, experts, dtype=torch.int64, device=like.device)
        return loads_SE, torch.zeros(0, 4, device=like.device)
    return (
        torch.stack([report.loads_E for report in sparse]),
        torch.stack([report.terms_T for report in sparse]),
    )


def initialize_weights(network: Transformer, seed: int) -> None:
    """Matrices from a normal distribution, norms 1, biases 0; a function of the seed and the shapes alone."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                parameter.normal_(0.0, network.config.initial_deviation, generator=generator)
        for bias in network.buffers():
            bias.zero_()


def build_transformer(config: Model, vocabulary: int, seed: int) -> Transformer:
    """A fresh network on the CPU, whatever random numbers were drawn before."""
    with torch.device("meta"):  # so that torch's own initialisation costs nothing and draws nothing
        network = Transformer(config, vocabulary)
    network = network.to_empty(device="cpu")
    initialize_weights(network, seed)
    return network
