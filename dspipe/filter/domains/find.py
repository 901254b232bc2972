"""Turns documents whose source names no domain into `code`, `math` or `web`; other domains only recipes name.

A document whose name ends as source files do is `code`. Of all others the first `PREFIX` bytes are read:
marks of code, of mathematics and of prose are counted (`domains/counts.py`) and weighed by a logistic
regression (`domains/weights.py`). What does not score above `MARGIN` is `web`: text in a human language,
whatever it is about, with some code or a few formulas in it too, and logs, tables and lists. Sources of LaTeX
and problems of school mathematics in words are `math`; notebooks, HTML, XML, JSON and YAML as they are in
files are `code`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.domains.counts import PREFIX, count_all_marks
from dspipe.filter.domains.extension import find_extension
from dspipe.filter.domains.measures import add_scores, measure_all_marks
from dspipe.filter.domains.weights import load_weights
from dspipe.text.arrow import Bytes, Offsets, text_buffers

FOUND = ("web", "code", "math")
MARGIN = 0.5  # of a score to that of web, 0: the logarithm of how much likelier the domain is

# No php, html or pl: most addresses that end so show pages. No tex: that is mathematics more often than code.
EXTENSIONS = (
    "c h cc hh cpp hpp cxx hxx cu cs py pyx pxd ipynb rs go java kt kts scala swift m mm jl lua r rb pm sh "
    "bash zsh ps1 js mjs cjs jsx ts tsx vue svelte hs ml mli clj ex exs erl hrl f90 f for asm s sql vhd "
    "vhdl v sv lean coq proto cmake zig nim dart css scss less json yaml yml toml xml xsl svg gradle groovy "
    "tcl el lisp scm rkt"
)


def find_domain(batch: Any) -> Any:
    """The domain of each row of `documents`: its own where it has one, else by its name, else by its text."""
    given = batch.column("domain")
    missing = given.is_null()
    if not missing.true_count:
        return given
    asked = batch.take(pa.array(np.flatnonzero(np.asarray(missing))))
    named = pc.fill_null(pc.is_in(find_extension(asked), value_set=pa.array(EXTENSIONS.split())), False)
    found = pc.if_else(named, "code", guess_domain(*text_buffers(asked.column("text"))))
    return pc.replace_with_mask(given, missing, found)


def guess_domain(text: Bytes, offsets: Offsets) -> Any:
    """The domain of each document from its text alone."""
    return pa.array(np.array(FOUND)[choose_domains(score_domains(text, offsets))], pa.string())


def score_domains(text: Bytes, offsets: Offsets, prefix: int = PREFIX) -> NDArray[np.float64]:
    """(documents, 2) scores of code and of mathematics; web's is 0."""
    halves, weights = load_weights()
    measures = measure_all_marks(count_all_marks(text, offsets, prefix), halves)
    scores = np.zeros((offsets.size - 1, len(FOUND) - 1))
    add_scores(measures, weights, scores)
    return scores


def choose_domains(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The place in `FOUND` of each row's best score, 0 where that is not above `MARGIN`."""
    return np.where(scores.max(1) > MARGIN, scores.argmax(1) + 1, 0)
