"""A network + held-out rows → its losses there, by domain and language too, and the balance of its experts.

Nothing is learned and nothing changed: a forward pass without gradient returns all that is counted. Losses of
tokens are added up in 64 bits, row by row, in the order of the rows.

Legend: B rows, L tokens, S sparse layers, E experts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspipe.batch import IGNORED
from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.shards import write_file
from dspipe.train.balance import average_violation, max_violations
from dspipe.train.loading.held_out import HeldOut, Label
from dspipe.train.loss import measure_cross_entropy
from dspipe.train.machine import choose_precision
from dspipe.train.schedule import Phase


@dataclass(frozen=True)
class Domain:
    """The main loss on rows of one domain and language, in nats per token, over so many targets."""

    domain: str | None
    language: str | None
    rows: int
    targets: int
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """What `evaluation.json` says.

    `loss` is the main loss in nats per token, over `targets`, `mtp_loss` the mean over depths, over `tokens`
    as in training. `max_violation` is MaxVio over all rows together, averaged over layers and by layer.
    None: the network has no such part.
    """

    sequence_length: int
    rows: int
    tokens: int
    targets: int
    loss: float
    mtp_loss: float | None
    max_violation: float | None
    layers: list[str]
    max_violation_by_layer: list[float | None]
    domains: list[Domain]


def evaluate(network: Transformer, held_out: HeldOut, settings: Train, size: int) -> Evaluation | None:
    """Run a network over held-out rows, `size` at a time; None where there is no target among them.

    Raises:
        DspipeError: a row is damaged, or has a token beyond the vocabulary.
    """
    sums, loads_SE = measure_batches(network, held_out, settings, size)
    if not sums or not sums[1].any():
        return None
    tokens, targets, main, *depths = sums
    violations = max_violations(loads_SE)
    return Evaluation(
        sequence_length=held_out.parts.length,
        rows=len(held_out.rows),
        tokens=int(tokens.sum()),
        targets=int(targets.sum()),
        loss=float(main.sum() / targets.sum()),
        mtp_loss=float(torch.stack(depths).sum() / tokens.sum() / len(depths)) if depths else None,
        max_violation=average_violation(violations),
        layers=list(network.sparse_layers),
        max_violation_by_layer=violations,
        domains=divide(held_out.labels, targets, main),
    )


@torch.no_grad()
def measure_batches(
    network: Transformer, held_out: HeldOut, settings: Train, size: int
) -> tuple[list[Tensor], Tensor]:
    """Of each row its tokens, its targets, its main loss and that of each depth, float64; and `loads_SE`."""
    device = network.head.device
    shape = len(network.sparse_layers), network.config.experts
    loads_SE = torch.zeros(shape, dtype=torch.int64, device=device)
    measured: list[Tensor] = []
    for batch in held_out.batches(size):
        part = (batch.keep_apart() if settings.attention == "document" else batch).to(device)
        with choose_precision(device, settings):
            output = network(part)
            losses = [
                sum_losses(hidden, network.head, part.targets(ahead))
                for ahead, hidden in enumerate(output.hidden_BLD, 1)
            ]
        loads_SE += output.loads_SE
        targets_B = (part.targets() != IGNORED).sum(1)
        measured.append(torch.stack([part.valid_BL.sum(1).double(), targets_B.double(), *losses]))
    return list(torch.cat(measured, 1).cpu()) if measured else [], loads_SE.cpu()


def sum_losses(hidden_BLD: Tensor, head_VD: Tensor, targets_BL: Tensor) -> Tensor:
    """Of each row the sum of its tokens' losses."""
    losses_N = measure_cross_entropy(hidden_BLD.flatten(0, 1), head_VD, targets_BL.flatten())
    return losses_N.view_as(targets_BL).double().sum(1)


def divide(labels: Sequence[Label], targets_R: Tensor, losses_R: Tensor) -> list[Domain]:
    """Rows' targets and losses by domain and language, in the order of their names."""
    found: dict[Label, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    domains = []
    for label in sorted(found, key=lambda label: tuple(name or "" for name in label)):
        rows = found[label]
        targets, loss = float(targets_R[rows].sum()), float(losses_R[rows].sum())
        if targets:
            domains.append(Domain(*label, len(rows), int(targets), loss / targets))
    return domains


def choose_size(settings: Train, phases: Sequence[Phase], length: int) -> int:
    """Rows at a time: a micro-batch, or the smallest batch of that length that was trained on."""
    return settings.micro_batch or min(phase.batch_size for phase in phases if phase.length == length)


def write_evaluation(evaluation: Evaluation | None, path: Path) -> None:
    content: dict[str, Any] = {"tokens": 0} if evaluation is None else asdict(evaluation)
    write_file(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
