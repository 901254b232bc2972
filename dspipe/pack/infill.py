"""Documents → documents of which a share is turned to fill-in-the-middle, by hash(seed, id, draw).

Prefix-suffix-middle at document level, before packing (DeepSeek-V3 report 4.1, rate 0.1): `begin PREFIX hole
SUFFIX end MIDDLE eos`. The text is cut at two uniformly drawn code points and the three parts are encoded on
their own, so no token ever straddles a cut and no cut can fall inside a character. They are encoded where
they lie in the batch's buffer, and only their tokens change places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dspipe.text.hashing import Numbers, draw
from dspipe.text.kernel import kernel

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


@kernel
def place_cuts(text, offsets, infilled, cuts, bounds):  # type: ignore[no-untyped-def]
    """Write to `bounds` where the parts of documents begin, in bytes: three of an infilled one, else one.

    Document i is text[offsets[i] : offsets[i + 1]]; `cuts` are in code points.
    """
    part = 0
    for document in range(infilled.size):
        position, end = offsets[document], offsets[document + 1]
        bounds[part] = position
        part += 1
        if infilled[document]:
            passed = 0
            for cut in range(2):
                while position < end and (passed < cuts[document, cut] or text[position] & 0xC0 == 0x80):
                    passed += text[position] & 0xC0 != 0x80
                    position += 1
                bounds[part] = position
                part += 1
    bounds[part] = offsets[infilled.size]


@kernel
def frame_documents(tokens, bounds, infilled, marks, framed, offsets):  # type: ignore[no-untyped-def]
    """Copy documents to `framed` in the order in which the model reads them, and where they end to `offsets`.

    `marks` are the ids of begin, hole, end and eos.
    """
    part, written = 0, 0
    for document in range(infilled.size):
        order = (0, 2, 1) if infilled[document] else (0, 0, 0)
        for index in range(3 if infilled[document] else 1):
            if infilled[document]:
                framed[written] = marks[index]
                written += 1
            for place in range(bounds[part + order[index]], bounds[part + order[index] + 1]):
                framed[written] = tokens[place]
                written += 1
        framed[written] = marks[3]
        written += 1
        part += 3 if infilled[document] else 1
        offsets[document + 1] = written
