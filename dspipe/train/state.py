"""The training state: turns all that the next step depends on into one file, and back, bit for bit.

One safetensors file per checkpoint: weights and biases under their own names, AdamW's moments under
`optimizer.<what>.<name>`, the running counts under `run.`, and a few numbers as JSON in its header. No
pickle. Everything else is a function of the step: learning rate, rows, micro-batches. The header also holds a
digest of the training, so that no checkpoint is continued under settings or on rows that are not its own.

A file is written under a temporary name, synced and renamed; older ones go only after that. So whenever the
machine stops, the newest file with a proper name is complete: one that cannot be read was damaged later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dspipe.recipe import DspipeError, Train
from dspipe.shards import remove_leftovers, replacing, write_file
from dspipe.train.optimizer import MOMENTS, AdamW
from dspipe.train.start import describe_start


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps done, tokens consumed, and tokens per expert over the run and in the last
    step.
    """

    step: int
    tokens: int
    loads_SE: Tensor
    last_loads_SE: Tensor


def collect_state(network: nn.Module, optimizer: AdamW, progress: Progress) -> dict[str, Tensor]:
    """All tensors by name; nothing is copied."""
    state = dict(network.state_dict())
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            state[f"optimizer.{key}.{name}"] = value
    return {**state, "run.loads": progress.loads_SE, "run.last_loads": progress.last_loads_SE}


def restore_state(network: nn.Module, optimizer: AdamW, state: dict[str, Tensor]) -> None:
    """Write the tensors into a network and its optimizer, which must have the shapes of those saved."""
    own = network.state_dict()
    moments = {
        name: {key: f"optimizer.{key}.{name}" for key in ("step", *MOMENTS)}
        for name, _ in network.named_parameters()
    }
    known = {*own, *(place for places in moments.values() for place in places.values())}
    wrong = [name for name, tensor in own.items() if name not in state or state[name].shape != tensor.shape]
    wrong += [name for name in state if name not in known]
    if wrong:
        raise DspipeError(f"the checkpoint is of another network ({wrong[0]} differs); use --rebuild train")
    network.load_state_dict({name: state[name] for name in own})
    for name, parameter in network.named_parameters():
        if all(place in state for place in moments[name].values()):  # not so where there was no gradient
            optimizer.state[parameter] = {
                key: state[place].to(parameter.device) for key, place in moments[name].items()
            }


def identify_training(settings: Train, vocabulary: int, rows: Mapping[int, int]) -> str:
    """A digest of what determines a step's bits, given the state before it: not how far a run goes, nor how
    often it is saved, on how much it is evaluated, and what is made again.

    rows: how many there are of each length that the schedule asks for.
    """
    fixed = msgspec.to_builtins(settings)
    for key in ("steps", "checkpoint_steps", "evaluation_tokens", "recompute", "start"):  # which is described
        del fixed[key]
    described = [fixed, vocabulary, sorted(rows.items()), describe_start(settings)]
    content = msgspec.json.encode(described, order="deterministic")
    return xxhash.xxh3_128_hexdigest(content)


def save_checkpoint(folder: Path, state: dict[str, Tensor], progress: Progress, training: str) -> None:
    """Write `step-<number>.safetensors` and delete older ones once it is durable."""
    path = locate_checkpoint(folder, progress.step)
    numbers = {"training": training, "step": progress.step, "tokens": progress.tokens}
    # One entry: safetensors writes several in random order, and equal runs would differ in their bytes.
    write_tensors(path, state, {"progress": json.dumps(numbers)})
    remove_others(path)


def load_checkpoint(folder: Path, training: str) -> tuple[dict[str, Tensor], Progress] | None:
    """The newest checkpoint, or None; what has a temporary name is none.

    Raises:
        DspipeError: it cannot be read, or is of another training than the one so identified.
    """
    path = max(folder.glob("step-*.safetensors"), default=None)
    if path is None:
        return None
    try:
        with safe_open(path, "pt") as file:
            numbers = json.loads((file.metadata() or {}).get("progress", "{}"))
            if numbers.get("training") != training:
                raise DspipeError(
                    f"{path}: is of another training (other settings, vocabulary or rows); "
                    "go back to those, or train again with --rebuild train"
                )
            if locate_checkpoint(folder, numbers["step"]) != path:
                raise ValueError(f"it says that it is of step {numbers['step']}")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        loads = state.pop("run.loads"), state.pop("run.last_loads")
        return state, Progress(numbers["step"], numbers["tokens"], *loads)
    except (SafetensorError, OSError, LookupError, ValueError) as error:
        # Not passed over: the run would begin anew without a word, and its first save delete the evidence.
        raise DspipeError(
            f"{path}: cannot be read ({error}); restore it from a copy, or train again with --rebuild train"
        ) from None


def locate_checkpoint(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}.safetensors"


def remove_others(path: Path) -> None:
    """Delete the checkpoints beside `path`, and what was being written when a run was stopped."""
    for other in path.parent.glob("step-*.safetensors"):
        if other != path:
            other.unlink()
    remove_leftovers(path.parent)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    with replacing(path) as temporary:
        whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(whole, temporary, metadata)
        temporary.chmod(0o644)  # safetensors leaves files that only their owner reads


def cut_metrics(path: Path, step: int) -> None:
    """Drop the lines of steps after `step`, which will be run again, and a last line that was cut off."""

    def kept() -> Iterator[str]:
        for line in path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []:
            if not line.endswith("\n") or json.loads(line)["step"] > step:
                return
            yield line

    write_file(path, "".join(kept()).encode())
