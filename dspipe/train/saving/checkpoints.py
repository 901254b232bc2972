"""A training state → one file, written by a thread while training goes on; and the newest file, read back.

One safetensors file per checkpoint, no pickle. Its header holds a digest of the training, so that no
checkpoint is continued under settings or on rows that are not its own. The state is copied before the next
step changes it; the file is written under a temporary name, synced and renamed, and older ones go only after
that. So whenever the machine stops, the newest file with a proper name is complete: one that cannot be read
was damaged later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dspipe.recipe import DspipeError
from dspipe.shards import remove_leftovers, replacing, sync

MEND = "or train again with --rebuild train"


class Checkpoints:
    """The checkpoints of one training in a folder.

    last: how many of the newest are kept. every: of which steps (multiples of it) all are kept; None: of
    none. lines: files that must be on the disk before a checkpoint counts on them.
    """

    def __init__(
        self, folder: Path, training: str, last: int, every: int | None, lines: Iterable[Path] = ()
    ) -> None:
        self.folder, self.training, self.last, self.every = folder, training, last, every
        self.lines = list(lines)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._work: Future[None] | None = None

    def save(self, state: Mapping[str, Tensor], step: int) -> None:
        """Copy the state and have it written; waits for the one before, and raises what went wrong there."""
        self.settle()
        copies = {name: copy_to_host(tensor) for name, tensor in state.items()}
        self._work = self._thread.submit(self._write, copies, step)

    def _write(self, state: dict[str, Tensor], step: int) -> None:
        for path in self.lines:  # a checkpoint must not know steps that the lines do not
            if path.exists():
                sync(path)
        # One entry: safetensors writes several in random order, and equal runs would differ in their bytes.
        about = json.dumps({"training": self.training, "step": step})
        write_tensors(locate(self.folder, step), state, {"progress": about})
        state.clear()
        self.tidy()

    def settle(self) -> None:
        """Wait until the last one is on the disk."""
        if self._work is not None:
            work, self._work = self._work, None
            work.result()

    def close(self) -> None:
        """Wait for the thread, whatever became of its work."""
        self._thread.shutdown()

    def load(self) -> dict[str, Tensor] | None:
        """The newest, or None; what has a temporary name is none.

        Raises:
            DspipeError: it cannot be read, or is of another training.
        """
        steps = list_steps(self.folder)
        if not steps:
            return None
        path = locate(self.folder, steps[-1])
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {}).get("progress", "{}"))
                if about.get("training") != self.training:
                    raise DspipeError(
                        f"{path}: is of another training (other settings, vocabulary or rows); go back to "
                        f"those, {MEND}"
                    )
                if about["step"] != steps[-1]:
                    raise ValueError(f"it says that it is of step {about['step']}")
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        except (SafetensorError, OSError, LookupError, ValueError) as error:
            # Not passed over: an older one, or none, would go on without a word, and delete the evidence.
            older = f"delete it to go on from step {steps[-2]}, " if len(steps) > 1 else ""
            raise DspipeError(
                f"{path}: cannot be read ({error}); restore it from a copy, {older}{MEND}"
            ) from None

    def tidy(self) -> None:
        """Delete what is not to be kept, and what was being written when a run was stopped."""
        steps = list_steps(self.folder)
        for step in steps[: -self.last]:
            if self.every is None or step % self.every:
                locate(self.folder, step).unlink()
        remove_leftovers(self.folder)


def copy_to_host(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def list_steps(folder: Path) -> list[int]:
    """Of the checkpoints in a folder, ascending."""
    names = (re.fullmatch(r"step-(\d{9,})\.safetensors", path.name) for path in folder.glob("step-*"))
    return sorted(int(name[1]) for name in names if name)


def locate(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}.safetensors"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    with replacing(path) as temporary:
        whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(whole, temporary, metadata)
        temporary.chmod(0o644)  # safetensors leaves files that only their owner reads
