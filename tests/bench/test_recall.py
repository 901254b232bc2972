"""What is found of pairs, and what is lost, is counted pair by pair."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspipe.bench import recall
from dspipe.bench.pairs import Pair
from dspipe.bench.yardsticks import Peer
from tests.bench.test_pairs import make_page
from tests.support import document, make_artifact


def test_a_pair_is_found_if_one_goes_and_lost_if_none_that_is_like_it_stays() -> None:
    alike, unlike = Pair("edit", "a", "b", 0.8), Pair("edit", "c", "d", 0.79)
    for pair, gone, found, lost in (
        (alike, alike.ids[:1], 1, 0),
        (alike, alike.ids, 1, 1),
        (alike, (), 0, 0),
        (unlike, unlike.ids[1:], 1, 1),
        (unlike, unlike.ids, 1, 2),
    ):
        judged = recall.judge([pair], {"tool": frozenset(gone)})
        assert (judged.found["tool"], judged.lost["tool"]) == (found, lost)
    assert recall.judge([], {"tool": frozenset()}).share("tool") is None


def test_recall_counts_pairs_at_the_threshold() -> None:
    pairs = [Pair("edit", name, name, jaccard) for name, jaccard in (("a", 0.9), ("b", 0.8), ("c", 0.7))]
    assert recall.recall_above(pairs, frozenset([pairs[0].ids[0], pairs[2].ids[0]])) == 0.5
    assert recall.recall_above(pairs[2:], frozenset()) is None


def test_the_error_of_the_evidence_is_the_largest() -> None:
    pair = Pair("edit", "a", "b", 0.9)
    removed = [
        {"removed": pair.ids[0], "kind": "near", "jaccard": 0.875},
        {"removed": pair.ids[1], "kind": "exact"},
    ]
    assert recall.compare_evidence([pair], removed) == pytest.approx(0.025)
    assert recall.compare_evidence([pair], []) == 0.0


def test_dspipe_and_a_yardstick_are_judged_on_the_same_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [document(make_page(number)) for number in range(60)]
    documents = make_artifact(tmp_path / "documents", [rows])
    monkeypatch.setattr(recall, "ask_kept", lambda peer, filtered, folder: frozenset())  # keeps nothing
    said: list[str] = []
    figures = recall.measure_recall(documents, tmp_path, [Peer("eager", "python")], said.append)
    assert figures["pairs"] == 30 and figures["lost"]["dspipe"] == 0
    alike = sum(band["pairs"] for name, band in figures["bands"].items() if "above" in name or "0.9" in name)
    assert figures["lost"]["eager"] == 60 - alike and figures["recall_at_threshold"]["eager"] == 1.0
    assert figures["edits"]["no-break spaces"]["found"] == {"dspipe": 1.0, "eager": 1.0}
    assert figures["edits"]["20 % of words"]["found"] == {"dspipe": 0.0, "eager": 1.0}
    assert said[0].startswith("30 pairs") and any(line.startswith("below 0.7") for line in said)
