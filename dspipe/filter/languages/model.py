"""Turns py3langid's packaged model into arrays that kernels read, mapped from files that all processes share.

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
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from dspipe.filter.languages.automaton import Automaton, list_ngrams
from dspipe.filter.languages.files import find_packed_model
from dspipe.filter.languages.guess import NAMES
from dspipe.filter.languages.trie import build_trie
from dspipe.text.kernel import cache_folder

LAYOUT = 2  # of the arrays below; raise it when they change
LANES = 16  # weights of a row are padded to whole vectors
TOGETHER = 8  # weights whose sum fits a uint16
COUNTS = 4096  # for so many the factor is in a table
ARRAYS = ("pairs", "slots", "weights", "priors", "factors", "aliases")


@dataclass(frozen=True)
class LanguageModel:
    """Naive Bayes over log1p of the counts of n-grams, and the trie that finds them.

    F n-grams, which are counted as rows 1 to F; C labels, P labels with padding; A labels with a second name.
    """

    pairs: NDArray[np.int64]
    slots: NDArray[np.int64]
    weights: NDArray[np.uint16]  # [1 + F, P]: -log-probabilities in units; row 0 is of no n-gram, zeros
    priors: NDArray[np.float32]  # [P]
    factors: NDArray[np.float32]  # [COUNTS]: -unit * log1p(count)
    aliases: NDArray[np.int64]  # [A, 2]: labels of one name, of which the first takes the higher score
    names: tuple[str, ...]  # [C]


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


def map_model(folder: Path) -> LanguageModel:
    names = tuple(str(name) for name in np.load(folder / "names.npy", allow_pickle=False))
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for name in ARRAYS
    }
    return LanguageModel(**arrays, names=names)


def unpack_model(packed: Path, folder: Path) -> None:
    """Write the arrays beside each other and give the folder its name last."""
    temporary = Path(tempfile.mkdtemp(prefix=".language-", dir=folder.parent))
    try:
        for name, array in arrange_model(packed).items():
            np.save(temporary / f"{name}.npy", np.ascontiguousarray(array))
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(temporary, folder)
    except OSError:
        if not (folder / "names.npy").is_file():  # else another process was first, with the same arrays
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def arrange_model(packed: Path) -> dict[str, NDArray[Any]]:
    from py3langid.modelio import load_model as load_packed

    logarithms, priors, labels, transitions, rows, features = load_packed(packed)
    ngrams = list_ngrams(
        Automaton(
            np.asarray(transitions).reshape(-1, 256),
            np.asarray(rows, np.int64),
            np.asarray(features, np.int64),
        )
    )
    order = order_ngrams(np.asarray(logarithms, np.float32))
    trie = build_trie([ngrams[place] for place in order])
    weights, unit = make_weights(np.asarray(logarithms, np.float64)[order])
    names = [NAMES.get(str(label), str(label)) for label in labels]
    firsts = [names.index(name) for name in names]
    aliases = [(first, label) for label, first in enumerate(firsts) if label != first]
    return {
        **trie._asdict(),
        "weights": weights,
        "priors": np.pad(np.asarray(priors, np.float32), (0, -len(names) % LANES)),
        "factors": (-unit * np.log1p(np.arange(COUNTS, dtype=np.float64))).astype(np.float32),
        "aliases": np.array(aliases, np.int64).reshape(-1, 2),
        "names": np.array(names),
    }


def order_ngrams(logarithms: NDArray[np.float32]) -> NDArray[np.int64]:
    """By the label that an n-gram speaks for most, then by how frequent it is there.

    What a text needs so lies in few pages of memory.
    """
    heights = logarithms - logarithms.min(axis=0)
    return np.lexsort((-heights.max(axis=1), heights.argmax(axis=1)))


def make_weights(logarithms: NDArray[np.float64]) -> tuple[NDArray[np.uint16], float]:
    """(rows of whole numbers with zeros first, their unit), small enough that TOGETHER add up in a uint16.

    The unit is a power of two. py3langid's logarithms have eleven bits at most: none of 0.4.0 is rounded.
    """
    unit = 2.0 ** -np.floor(np.log2(65535 / TOGETHER / -logarithms.min()))
    whole = np.rint(-logarithms / unit).astype(np.uint16)
    return np.pad(whole, ((1, 0), (0, -whole.shape[1] % LANES))), float(unit)
