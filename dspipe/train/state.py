"""The training state: turns all that the next step depends on into one file, and back, bit for bit.

One safetensors file per checkpoint: weights and biases under their own names, AdamW's moments under
`optimizer.<what>.<name>`, the running counts under `run.`, and a few numbers as JSON in its header. No
pickle. Everything else is a function of the step: learning rate, rows, micro-batches.

A file is written under a temporary name, synced and renamed; older ones go only after that. So whenever the
machine stops, the newest file with a proper name is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dspipe.recipe import DspipeError


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps done, tokens consumed, and tokens per expert over the run and in the last
    step.
    """

    step: int
    tokens: int
    loads_SE: Tensor
    last_loads_SE: Tensor


def collect_state(network: nn.Module, optimizer: torch.optim.AdamW, progress: Progress) -> dict[str, Tensor]:
    """All tensors by name; nothing is copied."""
    state = dict(network.state_dict())
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{key}.{name}"] = value
    return {**state, "run.loads": progress.loads_SE, "run.last_loads": progress.last_loads_SE}


def restore_state(network: nn.Module, optimizer: torch.optim.AdamW, state: dict[str, Tensor]) -> None:
    """Write the tensors into a network and its optimizer, which must have the shapes of those saved."""
    own = network.state_dict()
    wrong = [name for name, tensor in own.items() if name not in state or state[name].shape != tensor.shape]
    if wrong:
        raise DspipeError(f"the checkpoint is of another network ({wrong[0]} differs); use --rebuild train")
    network.load_state_dict({name: state[name] for name in own})
    for name, parameter in network.named_parameters():
        saved = {key: f"optimizer.{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
        if all(place in state for place in saved.values()):
            optimizer.state[parameter] = {
                key: state[place].to(parameter.device) for key, place in saved.items()
            }


def save_checkpoint(folder: Path, state: dict[str, Tensor], progress: Progress) -> Path:
    """Write `step-<number>.safetensors` and delete older ones once it is durable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{progress.step:09d}.safetensors"
    numbers = {"step": progress.step, "tokens": progress.tokens}
    write_safely(path, state, {"progress": json.dumps(numbers)})
    for old in folder.iterdir():
        if old != path:
            old.unlink()
    return path


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], Progress] | None:
    """The newest checkpoint that is complete, or None."""
    for path in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            with safe_open(path, "pt") as file:
                numbers = json.loads(file.metadata()["progress"])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        except (SafetensorError, OSError):
            continue
        loads = state.pop("run.loads"), state.pop("run.last_loads")
        return state, Progress(numbers["step"], numbers["tokens"], *loads)
    return None


def write_safely(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Temporary name, sync, rename, sync of the folder: afterwards the file is there, and whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, temporary, metadata)
    temporary.chmod(0o644)  # safetensors leaves files that only their owner reads
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def write_text_safely(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, "utf-8")
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_metrics(path: Path, step: int) -> None:
    """Drop the lines of steps after `step`, which will be run again, and a last line that was cut off."""

    def kept() -> Iterator[str]:
        for line in path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []:
            if not line.endswith("\n") or json.loads(line)["step"] > step:
                return
            yield line

    write_text_safely(path, "".join(kept()))
