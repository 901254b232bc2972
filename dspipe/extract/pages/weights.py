"""The weights of the measures in `content.py`, learned by `benchmarks/train_content.py`.

Learned from 990 pages and 177,195 blocks.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dspipe.extract.pages.content import MEASURES

BIAS = 3.3342
WEIGHTS = {
    "size": 0.1788,
    "links": -1.3881,
    "punctuation": -0.4792,
    "stops": 0.6649,
    "ended": 0.1541,
    "is paragraph": 0.9460,
    "is heading": 0.5641,
    "is item": 1.7933,
    "is cell": 1.8322,
    "is code": 1.3962,
    "is quote": 1.3691,
    "is term": 1.9385,
    "is caption": -2.8331,
    "in pre": 1.3962,
    "in navigation": 0.3785,
    "in header": -0.3573,
    "in footer": -0.1640,
    "in side": -0.1654,
    "in comments": -1.2454,
    "in sharing": -0.6897,
    "in related": 0.0163,
    "in notice": -0.3800,
    "in byline": -0.0196,
    "in form": -0.6552,
    "in article": 0.3747,
    "in main": 0.2920,
    "in body": 0.4519,
    "in listed": -0.7496,
    "in table": 0.0814,
    "in quoted": 1.3761,
    "in figure": -0.0088,
    "in teaser": -0.7855,
    "place": -0.2343,
    "text before": -0.2696,
    "blocks of page": 4.2477,
    "text of page": -6.3356,
    "links of page": -3.4958,
    "in best": 0.4399,
    "steps to best": -1.0952,
    "near best": -0.0877,
    "score of parent": 1.1467,
    "log score of parent": -0.7064,
    "score of grandparent": 0.4966,
    "links of parent": -0.4351,
    "links of grandparent": -0.3531,
    "share of parent": 1.8620,
    "share of grandparent": -0.0142,
    "size of parent": -1.1348,
    "before best": 0.2341,
    "behind best": -0.5924,
    "blocks to best": -0.0035,
    "size of previous": 0.2607,
    "links of previous": -0.4653,
    "ended of previous": -0.1759,
    "paragraph of previous": -0.1788,
    "stops of previous": 0.0838,
    "size of next": 0.5475,
    "links of next": -0.3189,
    "ended of next": -0.1046,
    "paragraph of next": -0.1644,
    "stops of next": -0.0040,
    "beside previous": 0.3114,
    "beside next": 0.4048,
    "gap": -0.1323,
    "sentences before": 0.7302,
    "sentences behind": 0.2508,
    "prose of item": -0.0093,
    "text of item": -1.2320,
    "item in best": -0.2866,
    "prose of cell": -0.5889,
    "cell in best": 1.4462,
}


@cache
def load_weights() -> NDArray[np.float64]:
    """The weights in the order of `MEASURES`, and the bias."""
    return np.array([*(WEIGHTS[name] for name in MEASURES), BIAS])
