"""The language of one text by py3langid itself: the slow twin of `dspipe.filter.language`."""

from __future__ import annotations

import numpy as np
from py3langid.langid import _get_identifier

NAMES = {"nn": "no", "nb": "no", "zxx": "und"}


def guess(text: str) -> tuple[str | None, float]:
    """(label, lead over the next of another name), or (None, 0) where no feature of the model occurs."""
    identifier = _get_identifier()
    ranked: dict[str, float] = {}
    for label, score in identifier.rank(text):
        ranked.setdefault(NAMES.get(label, label), score)
    scores = list(ranked.items())
    if scores[0][1] <= float(np.finfo(np.float32).min):
        return None, 0.0
    assert identifier.classify(text)[0] in (
        scores[0][0],
        *(old for old, new in NAMES.items() if new == scores[0][0]),
    )
    return scores[0][0], scores[0][1] - scores[1][1]
