"""Fill-in-the-middle: at its rates, cut at code points, in both forms, and always to be undone."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dspipe.pack.infill import (
    NO_TOKEN,
    PLAIN,
    PSM,
    SPM,
    choose_cuts,
    choose_forms,
    frame_documents,
    place_cuts,
)
from dspipe.text.arrow import text_buffers
from tests.reference.packing import undo_infilling

IDS = np.arange(40_000, dtype=np.uint64).reshape(-1, 2)
NONE = np.zeros(len(IDS), np.int64)
WEB = pa.array(["web"] * len(IDS))


def test_the_share_of_infilled_documents_is_the_rate_and_changes_with_the_draw() -> None:
    first, again, second = (choose_forms(1, 0.1, 0.0, WEB, IDS, NONE + draw) for draw in (0, 0, 1))
    assert abs((first == PSM).mean() - 0.1) < 0.01 and (first == again).all() and (first != SPM).all()
    assert abs(((first == PSM) & (second == PSM)).mean() - 0.01) < 0.004


def test_a_share_of_the_infilled_has_the_suffix_first() -> None:
    forms = choose_forms(1, 0.5, 0.5, WEB, IDS, NONE)
    shares = np.bincount(forms) / len(forms)
    assert abs(shares - [0.5, 0.25, 0.25]).max() < 0.015
    assert (choose_forms(1, 1.0, 1.0, WEB, IDS, NONE) == SPM).all()
    assert (choose_forms(1, 0.0, 1.0, WEB, IDS, NONE) == PLAIN).all()


def test_rates_hold_by_domain_and_those_not_named_have_the_default() -> None:
    domains = pa.array(["code", "web", None, "math"] * (len(IDS) // 4))
    forms = choose_forms(1, {"code": 1.0, "default": 0.2}, {"code": 1.0}, domains, IDS, NONE).reshape(-1, 4)
    assert (forms[:, 0] == SPM).all() and (forms[:, 1:] != SPM).all()
    assert (abs((forms[:, 1:] == PSM).mean(axis=0) - 0.2) < 0.02).all()
    assert (choose_forms(1, {"web": 1.0}, 0.0, domains, IDS, NONE).reshape(-1, 4) == [0, 1, 0, 0]).all()


def test_cuts_are_uniform_over_code_points() -> None:
    cuts = choose_cuts(1, IDS, NONE, np.full(len(IDS), 9))
    assert cuts.min() == 0 and cuts.max() == 9 and (cuts[:, 0] <= cuts[:, 1]).all()
    both = np.bincount(cuts.ravel(), minlength=10) / cuts.size
    assert abs(both - 0.1).max() < 0.01


DOCUMENTS = st.lists(
    st.tuples(st.text(max_size=9), st.sampled_from([PLAIN, PSM, SPM]), st.integers(0, 9), st.integers(0, 9)),
    max_size=9,
)


@given(DOCUMENTS, st.booleans(), st.booleans())
def test_documents_are_cut_at_code_points_and_their_parts_change_places(
    documents: list[tuple[str, int, int, int]], bos: bool, eos: bool
) -> None:
    texts = pa.array([text for text, *_ in documents], pa.large_string())
    forms = np.array([form for _, form, *_ in documents], np.int8)
    cuts = np.array([sorted((a % (len(t) + 1), b % (len(t) + 1))) for t, _, a, b in documents], np.int64)
    text, offsets = text_buffers(texts)
    bounds = np.empty(offsets.size + 2 * int((forms > 0).sum()), np.int64)
    place_cuts(text, offsets, forms, cuts.reshape(-1, 2), bounds)
    # every byte is a token of its own here, and the marks are no bytes
    framed = np.empty(text.size + 5 * len(documents), np.uint32)
    starts = np.zeros(len(documents) + 1, np.int64)
    marks = np.array([256, 257, 258, 259 if bos else NO_TOKEN, 260 if eos else NO_TOKEN], np.uint32)
    frame_documents(text.astype(np.uint32), bounds, forms, marks, framed, starts)
    made = [framed[a:b].tolist() for a, b in itertools.pairwise(starts.tolist())]
    for (whole, form, *_), (first, second), tokens in zip(
        documents, cuts.reshape(-1, 2).tolist(), made, strict=True
    ):
        prefix, middle, suffix = (
            list(part.encode()) for part in (whole[:first], whole[first:second], whole[second:])
        )
        body = {
            PLAIN: [*prefix, *middle, *suffix],
            PSM: [256, *prefix, 257, *suffix, 258, *middle],
            SPM: [256, 257, *suffix, 258, *prefix, *middle],
        }[form]
        assert tokens == [259] * bos + body + [260] * eos
        assert bytes(undo_infilling(body, 256, 257, 258)).decode() == whole
