"""An index of dspipe ↔ `datasketch.MinHashLSH`: signatures are the same numbers, so nothing is signed again.

With `[dedup] hashing = "datasketch"` they also are the numbers that `MinHash.update` makes of the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from dspipe.dedup.curve import find_bands
from dspipe.dedup.signatures.minhash import SEED
from dspipe.recipe import Dedup, DspipeError
from dspipe.shards import open_artifact, read_batches

SCHEME = "affine32"

Minima = npt.NDArray[np.uint32]


def read_signatures(folder: Path) -> tuple[list[str], Minima]:
    """(ids, (n, permutations)) of the documents of a `distinct` that have a signature."""
    artifact = open_artifact(folder)
    bands, rows = find_bands(msgspec.convert(artifact.manifest.settings, Dedup))
    ids: list[str] = []
    signatures: list[bytes] = []
    for part in artifact.manifest.beside:
        if part.file.startswith("index-"):
            for batch in read_batches(folder / part.file, ["id", "shingles", "signature"]):
                for id_, shingles, signature in zip(*(batch[n].to_pylist() for n in range(3)), strict=True):
                    if signature is not None and shingles:
                        ids.append(id_)
                        signatures.append(signature)
    return ids, np.frombuffer(b"".join(signatures), np.uint32).reshape(-1, bands * rows)


def make_lsh(folder: Path) -> Any:
    """A `MinHashLSH` of the documents of a `distinct`, by id, with its bands and rows; in memory."""
    from datasketch import MinHash, MinHashLSH

    settings = msgspec.convert(open_artifact(folder).manifest.settings, Dedup)
    bands, rows = find_bands(settings)
    lsh = MinHashLSH(threshold=settings.similarity, num_perm=bands * rows, params=(bands, rows))
    for id_, minima in zip(*read_signatures(folder), strict=True):
        lsh.insert(id_, MinHash(seed=SEED, hashvalues=minima, scheme=SCHEME), check_duplication=False)
    return lsh


def take_lsh(lsh: Any) -> tuple[list[Any], Minima]:
    """(keys, (n, permutations)) of what a `MinHashLSH` holds: its bands' hash values, put together again.

    Raises:
        DspipeError: it keeps hashes of them, or values of another scheme.
    """
    if lsh.hashfunc is not None or getattr(lsh, "_minhash_scheme", SCHEME) != SCHEME:
        raise DspipeError(
            f"this MinHashLSH does not hold values of the scheme {SCHEME}; make it of datasketch.MinHash "
            "without a hashfunc of its own"
        )
    keys = list(lsh.keys.keys())
    bands: Sequence[Sequence[bytes]] = [lsh.keys.get(key) for key in keys]
    values = np.frombuffer(b"".join(band for row in bands for band in row), ">u4")
    return keys, values.reshape(len(keys), lsh.b * lsh.r).astype(np.uint32)
