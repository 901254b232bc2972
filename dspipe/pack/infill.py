"""Documents → documents of which a share is turned to fill-in-the-middle, by hash(seed, id, draw).

A text is cut at two uniformly drawn code points, and its three parts are encoded on their own, so no token
ever straddles a cut and no cut can fall inside a character. They are encoded where they lie in the batch's
buffer, and only their tokens change places:

    PSM   begin PREFIX hole SUFFIX end MIDDLE      (DeepSeek-V3 report 4.1, with rate 0.1, before packing)
    SPM   begin hole SUFFIX end PREFIX MIDDLE      (Bavarian and others 2022, trained jointly)

SPM is PSM with an empty prefix and the prefix before the middle, so one rule undoes both: what stands between
begin and hole, what follows end, what stands between hole and end.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.text.hashing import Numbers, draw_shares
from dspipe.text.kernel import kernel

Forms = npt.NDArray[np.int8]

PLAIN, PSM, SPM = range(3)
BEGIN_FIM, HOLE, END_FIM, BEGIN, END, PADDING = range(6)  # which mark is where
NO_TOKEN = 0xFFFFFFFF  # of a mark that is not written


def choose_forms(
    seed: int,
    fim_rate: float | Mapping[str, float],
    spm_rate: float | Mapping[str, float],
    domains: pa.Array,
    ids: Numbers,
    draws: npt.NDArray[np.int64],
) -> Forms:
    """The form of each document, (n,): drawn anew for each repeat, at the rates of its domain."""
    turned = draw_shares(seed, "fim", ids, draws) < spread_rate(fim_rate, domains)
    swapped = draw_shares(seed, "spm", ids, draws) < spread_rate(spm_rate, domains)
    return np.where(turned, np.where(swapped, SPM, PSM), PLAIN).astype(np.int8)


def spread_rate(rate: float | Mapping[str, float], domains: pa.Array) -> npt.NDArray[np.float64]:
    """The rate for each document by its domain, (n,)."""
    if not isinstance(rate, Mapping):
        return np.full(len(domains), rate)
    coded = domains.dictionary_encode()
    rates = [rate.get(domain, rate.get("default", 0.0)) for domain in coded.dictionary.to_pylist()]
    codes = coded.indices.fill_null(len(rates)).to_numpy(zero_copy_only=False)
    spread: npt.NDArray[np.float64] = np.array([*rates, rate.get("default", 0.0)])[codes]
    return spread


def choose_cuts(
    seed: int, ids: Numbers, draws: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Two cut points for each document in code points, (n, 2), 0 ≤ first ≤ second ≤ length, uniform."""
    numbers = np.stack(
        [draw_shares(seed, purpose, ids, draws) for purpose in ("fim first", "fim second")], axis=1
    )
    cuts = np.minimum((numbers * (lengths[:, None] + 1)).astype(np.int64), lengths[:, None])
    return np.sort(cuts, axis=1)


@kernel
def place_cuts(text, offsets, forms, cuts, bounds):  # type: ignore[no-untyped-def]
    """Write to `bounds` where the parts of documents begin, in bytes: three of a turned one, else one.

    Document i is text[offsets[i] : offsets[i + 1]]; `cuts` are in code points.
    """
    part = 0
    for document in range(forms.size):
        position, end = offsets[document], offsets[document + 1]
        bounds[part] = position
        part += 1
        if forms[document]:
            passed = 0
            for cut in range(2):
                while position < end and (passed < cuts[document, cut] or text[position] & 0xC0 == 0x80):
                    passed += text[position] & 0xC0 != 0x80
                    position += 1
                bounds[part] = position
                part += 1
    bounds[part] = offsets[forms.size]


@kernel
def frame_documents(tokens, bounds, forms, marks, framed, offsets):  # type: ignore[no-untyped-def]
    """Copy documents to `framed` in the order in which the model reads them, and where they end to `offsets`.

    `marks` are their ids, by `BEGIN_FIM` and so on; `NO_TOKEN` for one that is not written.
    """
    part, written = 0, 0
    for document in range(forms.size):
        form = forms[document]
        if marks[BEGIN] != NO_TOKEN:
            framed[written] = marks[BEGIN]
            written += 1
        if form == PLAIN:
            written = copy_part(tokens, bounds, part, framed, written)
        else:
            framed[written] = marks[BEGIN_FIM]
            written += 1
            if form == PSM:
                written = copy_part(tokens, bounds, part, framed, written)
            framed[written] = marks[HOLE]
            written = copy_part(tokens, bounds, part + 2, framed, written + 1)
            framed[written] = marks[END_FIM]
            written += 1
            if form == SPM:
                written = copy_part(tokens, bounds, part, framed, written)
            written = copy_part(tokens, bounds, part + 1, framed, written)
        if marks[END] != NO_TOKEN:
            framed[written] = marks[END]
            written += 1
        part += 1 if form == PLAIN else 3
        offsets[document + 1] = written


@kernel
def copy_part(tokens, bounds, part, framed, written):  # type: ignore[no-untyped-def]
    """Copy the tokens of one part behind what is written, and return where they end."""
    for place in range(bounds[part], bounds[part + 1]):
        framed[written] = tokens[place]
        written += 1
    return written
