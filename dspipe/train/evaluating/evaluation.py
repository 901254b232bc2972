"""A network + held-out rows → its losses there, by domain and language too, and the balance of its experts.

Nothing is learned and nothing changed. Rows of infilled documents are apart: their text is in another order,
so they have a loss of their own, and count nowhere else but in the experts' loads.

Legend: R rows, S sparse layers, E experts, V vocabulary.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.shards import write_file
from dspipe.train.balance import average_violation, max_violations
from dspipe.train.evaluating.held_out import HeldOut, Label
from dspipe.train.evaluating.predictions import Sums, join, measure_rows
from dspipe.train.machine.device import choose_precision


@dataclass(frozen=True)
class Domain:
    """The main loss on rows of one domain and language, in nats per token over so many targets, and in bits
    per byte; None where none of them has bytes.
    """

    domain: str | None
    language: str | None
    rows: int
    targets: int
    loss: float
    bits_per_byte: float | None


@dataclass(frozen=True)
class Scores:
    """How good weights are. Losses are in nats per token.

    `loss` is the main loss over targets and `mtp_loss` the mean over depths, over tokens as in training.
    `acceptance` is the share of each depth's drafts that decoding would take. None: there is no such part,
    or no such row.
    """

    loss: float | None
    bits_per_byte: float | None
    mtp_loss: float | None
    acceptance: list[float]
    fim_loss: float | None
    domains: list[Domain]


@dataclass(frozen=True)
class Evaluation(Scores):
    """A line of `evaluations.jsonl`; the last one is `evaluation.json`, too.

    `rows` and the `tokens` and `targets` in them, infilled ones apart. `max_violation` is MaxVio over all
    rows together, averaged over layers and by layer. `average`: the scores of the weights' moving average.
    """

    step: int
    sequence_length: int
    rows: int
    tokens: int
    targets: int
    fim_targets: int
    max_violation: float | None
    layers: list[str]
    max_violation_by_layer: list[float | None]
    average: Scores | None = None

    def describe(self) -> str:
        """For people, in a line."""
        parts = [] if self.loss is None else [f"{self.loss:.3f} on {self.tokens:,} held-out tokens"]
        if self.average is not None and self.average.loss is not None:
            parts.append(f"{self.average.loss:.3f} with averaged weights")
        if self.bits_per_byte is not None:
            parts.append(f"{self.bits_per_byte:.3f} bits per byte")
        if self.fim_loss is not None:
            parts.append(f"infilled {self.fim_loss:.3f}")
        if self.acceptance:
            parts.append(f"drafts taken {100 * self.acceptance[0]:.1f} %")
        if self.max_violation is not None:
            parts.append(f"MaxVio {self.max_violation:.2f}")
        return ", ".join(parts)


def evaluate(
    network: Transformer, held_out: HeldOut, settings: Train, size: int, bytes_V: Tensor, step: int
) -> Evaluation | None:
    """Run a network over held-out rows, `size` at a time; None where there is no target among them.

    Raises:
        DspipeError: a row is damaged, or has a token beyond the vocabulary.
    """
    measured = measure_batches(network, held_out, settings, size, bytes_V)
    if measured is None or not measured[0].targets.any():
        return None
    sums, violations = measured[0], max_violations(measured[1])
    infilled = torch.tensor([label.infilled for label in held_out.labels])
    plain = sums.choose(~infilled)
    return Evaluation(
        **vars(score(sums, held_out.labels)),
        step=step,
        sequence_length=held_out.parts.length,
        rows=len(plain.tokens),
        tokens=int(plain.tokens.sum()),
        targets=int(plain.targets.sum()),
        fim_targets=int(sums.choose(infilled).targets.sum()),
        max_violation=average_violation(violations),
        layers=list(network.sparse_layers),
        max_violation_by_layer=violations,
    )


def measure_batches(
    network: Transformer, held_out: HeldOut, settings: Train, size: int, bytes_V: Tensor
) -> tuple[Sums, Tensor] | None:
    """Of each row what it adds, and `loads_SE` of all together; None where there is no row."""
    device = network.head.device
    bytes_V = bytes_V.to(device)
    parts: list[Sums] = []
    loads_SE = torch.zeros(len(network.sparse_layers), network.config.experts, dtype=torch.int64)
    for batch in held_out.batches(size):
        rows = (batch.keep_apart() if settings.attention == "document" else batch).to(device)
        with choose_precision(device, settings):
            sums, loads = measure_rows(network, rows, bytes_V)
        parts.append(sums)
        loads_SE += loads.cpu()
    return (join(parts), loads_SE) if parts else None


def score(sums: Sums, labels: Sequence[Label]) -> Scores:
    """labels: of each row."""
    infilled = torch.tensor([label.infilled for label in labels])
    plain, turned = sums.choose(~infilled), sums.choose(infilled)
    kept = [label for label in labels if not label.infilled]
    drafts, accepted = plain.drafts.sum(0).tolist(), plain.accepted.sum(0).tolist()
    depths = plain.depth_loss.shape[1]
    return Scores(
        loss=divide(plain.loss, plain.targets),
        bits_per_byte=count_bits(plain),
        mtp_loss=divide(plain.depth_loss.mean(1), plain.tokens) if depths else None,
        acceptance=[taken / made if made else 0.0 for made, taken in zip(drafts, accepted, strict=True)],
        fim_loss=divide(turned.loss, turned.targets),
        domains=list_domains(plain, kept),
    )


def divide(sums: Tensor, counts: Tensor) -> float | None:
    count = float(counts.sum())
    return float(sums.sum()) / count if count else None


def count_bits(sums: Sums) -> float | None:
    """Bits per byte of text."""
    nats = divide(sums.text_loss, sums.bytes)
    return None if nats is None else nats / math.log(2)


def list_domains(sums: Sums, labels: Sequence[Label]) -> list[Domain]:
    """Rows' losses by domain and language, in the order of their names."""
    found: dict[Label, list[int]] = {}
    for row, label in enumerate(labels):
        found.setdefault(label, []).append(row)
    domains = []
    for label in sorted(found, key=lambda label: tuple(name or "" for name in label[:2])):
        own = sums.choose(torch.tensor(found[label]))
        loss = divide(own.loss, own.targets)
        if loss is not None:
            domain, language, _ = label
            targets = int(own.targets.sum())
            domains.append(Domain(domain, language, len(found[label]), targets, loss, count_bits(own)))
    return domains


def write_evaluation(evaluation: Evaluation | None, path: Path) -> None:
    content: dict[str, Any] = {"tokens": 0} if evaluation is None else asdict(evaluation)
    write_file(path, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")
