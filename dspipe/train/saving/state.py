"""The training state: all that the next step depends on as named tensors, and back, bit for bit.

Weights and biases stand under their own names, AdamW's moments under `optimizer.<what>.<name>`, the moving
average of the weights under `average.<name>`, the running counts under `run.`. Everything else is a function
of the step: learning rate, rows, micro-batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import torch
import xxhash
from torch import Tensor

from dspipe.model.transformer import Transformer
from dspipe.recipe import DspipeError, Train
from dspipe.train.guard import Guard
from dspipe.train.optimizer import MOMENTS, AdamW
from dspipe.train.saving.average import Average
from dspipe.train.start import describe_start

# What no bit of a step depends on: how far the training goes, how often it is saved, looked at and shown, and
# what is made again; and where it starts from, which is described by what is in there.
FREE = (
    "steps", "checkpoint_steps", "keep_last", "keep_every", "evaluation_tokens", "evaluation_steps",
    "held_out", "load_steps", "recompute", "start", "watch",
)  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Steps done and, of these, skipped; tokens consumed; tokens per expert, (S, E): over the run, in the last
    step, and since the last line of `expert_loads.jsonl`.
    """

    step: int
    skipped: int
    tokens: int
    loads_SE: Tensor
    last_loads_SE: Tensor
    recent_loads_SE: Tensor

    @classmethod
    def begin(cls, layers: int, experts: int) -> Progress:
        return cls(0, 0, 0, *(torch.zeros(layers, experts, dtype=torch.int64) for _ in range(3)))

    def forget_recent(self) -> Progress:
        return replace(self, recent_loads_SE=torch.zeros_like(self.recent_loads_SE))


@dataclass(frozen=True)
class Parts:
    """The things whose state is saved."""

    network: Transformer
    optimizer: AdamW
    guard: Guard
    average: Average | None


def collect_state(parts: Parts, progress: Progress) -> dict[str, Tensor]:
    """All tensors by name; nothing is copied."""
    state = dict(parts.network.state_dict())
    for name, parameter in parts.network.named_parameters():
        for key, value in parts.optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{key}.{name}"] = value
    if parts.average is not None:
        parts.average.settle()
        state |= {f"average.{name}": tensor for name, tensor in parts.average.tensors.items()}
        state["run.averaged"] = parts.average.updates
    return state | {
        "run.counts": torch.tensor([progress.step, progress.skipped, progress.tokens]),
        "run.loads": progress.loads_SE,
        "run.last_loads": progress.last_loads_SE,
        "run.recent_loads": progress.recent_loads_SE,
        "run.recent": parts.guard.recent_QW,
    }


def restore_state(parts: Parts, state: dict[str, Tensor]) -> Progress:
    """Write the tensors into the things of a run, which must have the shapes of those saved."""
    own = parts.network.state_dict()
    averages = {} if parts.average is None else {f"average.{name}": name for name in own}
    moments = {
        name: {key: f"optimizer.{key}.{name}" for key in ("step", *MOMENTS)}
        for name, _ in parts.network.named_parameters()
    }
    known = {*own, *averages, *(place for places in moments.values() for place in places.values())}
    wrong = [name for name, tensor in own.items() if name not in state or state[name].shape != tensor.shape]
    wrong += [name for name in state if name not in known and not name.startswith("run.")]
    wrong += [name for name in averages if name not in state]
    if wrong:
        raise DspipeError(f"the checkpoint is of another network ({wrong[0]} differs); use --rebuild train")
    parts.network.load_state_dict({name: state[name] for name in own})
    for name, parameter in parts.network.named_parameters():
        if all(place in state for place in moments[name].values()):  # not so where there was no gradient
            # Copied, for what was loaded lies in the file: its room on the disk would be held to the end.
            parts.optimizer.state[parameter] = {
                key: state[place].to(parameter.device, copy=True) for key, place in moments[name].items()
            }
    if parts.average is not None:
        parts.average.updates.copy_(state["run.averaged"])
        for place, name in averages.items():
            parts.average.tensors[name].copy_(state[place])
    parts.guard.recent_QW.copy_(state["run.recent"])
    step, skipped, tokens = state["run.counts"].tolist()
    loads = (state[f"run.{name}"].clone() for name in ("loads", "last_loads", "recent_loads"))
    return Progress(step, skipped, tokens, *loads)


def identify_training(settings: Train, vocabulary: int, rows: Mapping[int, int]) -> str:
    """A digest of what determines a step's bits, given the state before it. Tokens do where a named schedule
    is stretched over them.

    rows: how many there are of each length that the schedule asks for.
    """
    free = FREE if settings.schedule != "constant" else (*FREE, "tokens")
    fixed = {key: value for key, value in msgspec.to_builtins(settings).items() if key not in free}
    described = [fixed, vocabulary, sorted(rows.items()), describe_start(settings)]
    content = msgspec.json.encode(described, order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)
