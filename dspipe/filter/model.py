"""Turns py3langid's packaged model into arrays that a kernel walks, mapped from files that all processes
share.

The package (BSD-3) holds 4.6 MB of LZMA that takes a second to unpack; unpacked once, the arrays stay as .npy
files in the cache folder, named by the model's own hash, and each process maps them: milliseconds, and one
copy in memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from dspipe.recipe import DspipeError
from dspipe.text.kernel import cache_folder

LAYOUT = 1  # of the arrays below; raise it when they change
LANES = 16  # weights of a feature are padded to whole vectors of float32
NAMES = {"nn": "no", "nb": "no", "zxx": "und"}  # recipes say "no"; zxx is text in no language


@dataclass(frozen=True)
class LanguageModel:
    """A finite automaton over bytes whose states count features, and naive Bayes over log1p of the counts.

    S states, R different rows of transitions, F features, C labels, P labels with padding.
    """

    transitions: NDArray[np.uint32]  # [R * 256]: next state
    states: NDArray[np.int32]  # [S, 2]: where the state's row starts, and the feature that it counts or -1
    weights: NDArray[np.float32]  # [F, P]
    priors: NDArray[np.float32]  # [P]
    logs: NDArray[np.float32]  # log1p of small counts
    merged: NDArray[
        np.int64
    ]  # [C]: the label that takes this one's score; itself where there is no other name for it
    labels: tuple[str, ...]


@cache
def load_model() -> LanguageModel:
    """Map the unpacked model, unpacking it first where this machine has not done so."""
    packed = find_packed_model()
    folder = cache_folder() / f"language-{LAYOUT}-{xxhash.xxh3_64(packed.read_bytes()).hexdigest()}"
    try:
        return map_model(folder)
    except (OSError, ValueError, EOFError):
        unpack_model(packed, folder)
    return map_model(folder)


def find_packed_model() -> Path:
    """The model's file, found without importing the package."""
    spec = find_spec("py3langid")
    path = Path(spec.origin).parent / "data" / "model.npz.xz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DspipeError(
            "py3langid 0.4 or newer with its model is not installed; pip install 'py3langid>=0.4'"
        )
    return path


def map_model(folder: Path) -> LanguageModel:
    labels = tuple(str(label) for label in np.load(folder / "labels.npy", allow_pickle=False))
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for name in ("transitions", "states", "weights", "priors", "logs", "merged")
    }
    return LanguageModel(**arrays, labels=labels)


def unpack_model(packed: Path, folder: Path) -> None:
    """Write the arrays beside each other and give the folder its name last."""
    from py3langid.modelio import load_model as load_packed

    weights, priors, labels, transitions, rows, features = load_packed(packed)
    names = [NAMES.get(str(label), str(label)) for label in labels]
    padding = -len(names) % LANES
    arrays = {
        "transitions": np.asarray(transitions, np.uint32),
        "states": np.stack([np.asarray(rows, np.int64) << 8, np.asarray(features, np.int64)], 1).astype(
            np.int32
        ),
        "weights": np.pad(np.asarray(weights, np.float32), ((0, 0), (0, padding))),
        "priors": np.pad(np.asarray(priors, np.float32), (0, padding)),
        "logs": np.log1p(np.arange(4096, dtype=np.float64)).astype(np.float32),
        "merged": np.array([names.index(name) for name in names], np.int64),
        "labels": np.array(names),
    }
    temporary = Path(tempfile.mkdtemp(prefix=".language-", dir=folder.parent))
    try:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", np.ascontiguousarray(array))
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(temporary, folder)
    except OSError:
        if not (folder / "labels.npy").is_file():  # else another process was first, with the same arrays
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
