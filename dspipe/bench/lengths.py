"""A mixture and a tokenizer, or a distribution → lengths of millions of documents in tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dspipe.bench import Say
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.shards import Artifact, read_batches

Lengths = npt.NDArray[np.int64]

SEED = 0
MEAN, DEVIATION = 6.3, 1.2  # of the logarithm of the lengths: 1,120 tokens on average, 545 in the median


def measure_lengths(mixture: Artifact, tokenizer: Path) -> Lengths:
    """Tokens of each document, the one that ends it included, and no fill-in-the-middle."""
    encoder = Encoder(tokenizer)
    lengths = [
        np.diff(encoder.encode(batch["text"])[1]) + 1
        for file in mixture.files
        for batch in read_batches(file, ["text"])
    ]
    return np.concatenate(lengths)


def resample(lengths: Lengths, count: int) -> Lengths:
    """So many of them at random, each as often as chance has it."""
    return np.random.default_rng(SEED).choice(lengths, count)


def draw_lengths(count: int) -> Lengths:
    """A log-normal distribution."""
    drawn = np.random.default_rng(SEED).lognormal(MEAN, DEVIATION, count)
    return np.maximum(1, drawn.astype(np.int64))


def describe_lengths(name: str, lengths: Lengths, say: Say) -> dict[str, Any]:
    """Their number, sum, mean and quantiles, and the share of all tokens that the longest hundredth has."""
    ordered = np.sort(lengths)
    quantiles = {
        f"{share:g}": int(ordered[int(share * (lengths.size - 1))]) for share in (0.1, 0.5, 0.9, 0.99)
    }
    longest = float(ordered[-max(1, lengths.size // 100) :].sum() / ordered.sum())
    say(
        f"{name}: {lengths.size:,} documents, {lengths.sum():,} tokens, {lengths.mean():,.0f} each; "
        f"a tenth below {quantiles['0.1']:,}, half below {quantiles['0.5']:,}, a tenth above "
        f"{quantiles['0.9']:,}; the longest hundredth has {100 * longest:.0f} % of the tokens"
    )
    return {
        "documents": lengths.size,
        "tokens": int(lengths.sum()),
        "mean": float(lengths.mean()),
        "longest": int(ordered[-1]),
        "quantiles": quantiles,
        "share_of_the_longest_hundredth": longest,
    }
