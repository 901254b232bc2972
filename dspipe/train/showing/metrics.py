"""The outcome of a step → a line of `metrics.jsonl`, and the few numbers of it that a terminal shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepMetrics:
    """One line of `metrics.jsonl`.

    `tokens` have been consumed up to and with this step, padding not counted. `loss` is the main loss in nats
    per token, `mtp_loss` the unweighted mean over depths, `balance_loss` the unweighted mean of V3's Σ f·P
    over layers (1 in perfect balance), `grad_norm` that before clipping. `lr`, `bias_speed`, `mtp_weight` and
    `balance_weight` are the learning rate, γ, λ and α of the step. `skipped`: its batch stood out, and
    nothing was learned from it. `max_violation` is MaxVio of its loads, averaged over layers and by layer.
    `seconds` are those of the step, of which it `waited` some for its batch (on a GPU for the next one);
    `tokens_per_second` counts what `tokens` counts; `mfu` is the share that the step's operations are of what
    the device can do, `memory` the most bytes held so far. None: the network has no such part, or the machine
    does not tell.
    """

    step: int
    tokens: int
    loss: float
    mtp_loss: float | None
    balance_loss: float | None
    lr: float
    grad_norm: float
    bias_speed: float
    mtp_weight: float
    balance_weight: float
    batch_size: int
    sequence_length: int
    skipped: bool
    max_violation: float | None
    max_violation_by_layer: list[float | None]
    seconds: float
    waited: float
    tokens_per_second: float
    mfu: float | None
    memory: int | None

    def describe(self) -> str:
        """For a line that is rewritten with every step: what there is to watch."""
        parts = [f"loss {self.loss:.3f}", f"{self.tokens_per_second:,.0f} tokens/s"]
        if self.mfu is not None:
            parts.append(f"MFU {self.mfu:.0%}")
        if self.memory is not None:
            parts.append(f"{self.memory / 1e9:.1f} GB")
        if self.max_violation is not None:
            parts.append(f"MaxVio {self.max_violation:.2f}")
        return "  ".join(parts)
