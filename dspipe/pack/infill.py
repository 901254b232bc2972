"""Documents → documents of which a share is turned to fill-in-the-middle, by hash(seed, id, draw).

Prefix-suffix-middle at document level, before packing (DeepSeek-V3 report 4.1, rate 0.1): `begin PREFIX hole
SUFFIX end MIDDLE eos`. The text is cut at two uniformly drawn code points and the three parts are encoded on
their own, so no token ever straddles a cut and no cut can fall inside a character.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dspipe.text.hashing import Numbers, draw

UNIT = 2.0**-64


def choose_infilled(
    seed: int, rate: float, ids: Numbers, draws: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which documents are turned: (n,), each with probability `rate`, anew for each repeat."""
    return draw(seed, "fim", ids, draws) * UNIT < rate


def choose_cuts(
    seed: int, ids: Numbers, draws: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Two cut points for each document in code points, (n, 2), 0 ≤ first ≤ second ≤ length, uniform."""
    numbers = np.stack(
        [draw(seed, purpose, ids, draws) * UNIT for purpose in ("fim first", "fim second")], axis=1
    )
    cuts = np.minimum((numbers * (lengths[:, None] + 1)).astype(np.int64), lengths[:, None])
    return np.sort(cuts, axis=1)


def split_text(text: str, first: int, second: int) -> tuple[str, str, str]:
    """Prefix, suffix, middle: the order in which the model reads them."""
    return text[:first], text[second:], text[first:second]
