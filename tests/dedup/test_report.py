"""How large clusters are, what went of each group, and the refusal of what is too much."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.dedup import report
from dspipe.dedup.report import (
    Cluster,
    check_limits,
    count_removed,
    describe_clusters,
    find_excesses,
    sum_removed,
)
from dspipe.recipe import Dedup, DspipeError


@st.composite
def decisions(draw: st.DrawFn) -> list[int]:
    """For each rank a kept one: itself, or one that stays and is ranked before it."""
    kept: list[int] = []
    for rank in range(draw(st.integers(0, 60))):
        stay = [other for other, own in enumerate(kept) if other == own]
        kept.append(draw(st.sampled_from([rank, *stay[:4]])))
    return kept


def name_size(size: int) -> str:
    """2, 3-4, 5-8 …, found by doubling."""
    most = 2
    while most < size:
        most *= 2
    return "2" if most == 2 else f"{most // 2 + 1}-{most}"


@given(decisions(), st.integers(1, 9), st.integers(1, 9))
def test_clusters_are_those_that_counting_one_by_one_finds(kept: list[int], span: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "SPAN", span)
        patch.setattr(report, "CHUNK", chunk)
        found = describe_clusters(np.array(kept, np.int64))
    sizes = {rank: size for rank, size in Counter(kept).items() if size > 1}
    assert found.histogram == Counter(map(name_size, sizes.values()))
    assert found.largest == sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:10]
    assert found.most == max(sizes.values(), default=1)


def test_sizes_stand_in_the_order_of_sizes() -> None:
    kept = np.concatenate([np.full(size, 0) for size in (9, 2, 5, 3, 2)])
    first = 0
    for size in (9, 2, 5, 3, 2):
        kept[first : first + size] = first
        first += size
    found = describe_clusters(kept)
    assert list(found.histogram.items()) == [("2", 2), ("3-4", 1), ("5-8", 1), ("9-16", 1)]
    assert found.largest == [(0, 9), (11, 5), (16, 3), (9, 2), (19, 2)]


def test_decisions_may_be_mapped_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "kept.npy", np.array([0, 0, 2, 0], np.int64))
    mapped = np.load(tmp_path / "kept.npy", mmap_mode="r")
    assert describe_clusters(mapped).largest == [(0, 3)]
    assert describe_clusters(np.empty(0, np.int64)).most == 1


def test_what_went_of_each_group_adds_up_over_parts() -> None:
    def part(sources: list[str | None], removed: list[bool]) -> report.Removed:
        groups = [[name, "web", None] for name in dict.fromkeys(sources)]
        numbers = np.array([[group[0] for group in groups].index(name) for name in sources], np.int64)
        return count_removed(groups, numbers, np.array(removed, bool))

    total = sum_removed([part(["b", "a", "b"], [True, False, False]), part(["a"], [True]), part([], [])])
    assert total == {
        "source": {"a": {"in": 2, "removed": 1}, "b": {"in": 2, "removed": 1}},
        "domain": {"web": {"in": 4, "removed": 2}},
        "language": {"unknown": {"in": 4, "removed": 2}},
    }
    assert list(total["source"]) == ["a", "b"]
    assert sum_removed([]) == {"source": {}, "domain": {}, "language": {}}


def facts(largest: int, **sources: tuple[int, int]) -> dict[str, Any]:
    names = {name: {"in": total, "removed": removed} for name, (total, removed) in sources.items()}
    return {"largest_cluster": largest, "removed": {"source": names, "domain": {}, "language": {}}}


def test_what_is_within_the_limits_passes() -> None:
    settings = Dedup(max_cluster=12, max_removed=0.5)
    check_limits(settings, facts(12, web=(1000, 500)), [])
    check_limits(settings, facts(1, few=(99, 99)), [])  # of so few a share says little
    check_limits(Dedup(), facts(10**9, web=(1000, 1000)), [])
    assert list(find_excesses(settings, facts(13, web=(1000, 501), few=(99, 99)))) == [
        ("max_cluster", "a cluster has 13 documents, more than max_cluster = 12"),
        (
            "max_removed",
            "of source web 501 of 1,000 documents (50.1 %) would go, more than max_removed = 0.5",
        ),
    ]


def test_a_refusal_says_what_is_too_much_what_to_do_and_shows_clusters() -> None:
    rows = [
        {"id": "0" * 32, "source": "web", "url": "https://a.example/\n1", "text": "Kept \x1b[31m text " * 40},
        {"id": "1" * 32, "source": "web", "url": None, "text": "Removed\n\ntext"},
        {"id": "2" * 32, "source": "web", "url": "https://a.example/3", "text": "Second"},
        {"id": "3" * 32, "source": "web", "url": "https://a.example/4", "text": "Third"},
    ]
    clusters = [Cluster("0" * 32, 1234 - number, rows) for number in range(11)]
    with pytest.raises(DspipeError) as refused:
        check_limits(Dedup(max_cluster=1000), facts(1234), clusters)
    assert refused.value.exit_code == 1
    first, *others = str(refused.value).split("\n")
    assert first == (
        "dedup: a cluster has 1,234 documents, more than max_cluster = 1000; look at the clusters: if they "
        "are copies, raise dedup.max_cluster and run the same command again (finished parts are kept), else "
        "raise dedup.similarity"
    )
    assert len([line for line in others if "documents for" in line]) == 10
    text = "\n".join(others)
    assert "removed  " + "1" * 32 in text and "Removed text" in text and "Second" in text
    assert "Third" not in text and all(line.isprintable() and len(line) < 200 for line in others)


def test_of_several_groups_the_worst_is_named_first() -> None:
    counted = facts(3, a=(200, 150), b=(200, 190), c=(200, 10), d=(100, 80))
    with pytest.raises(DspipeError, match=r"source b 190 of 200 documents \(95.0 %\).*\(and 2 more\)"):
        check_limits(Dedup(max_removed=0.5), counted, [])
    both = Dedup(max_removed=0.5, max_cluster=2)
    with pytest.raises(
        DspipeError, match=r"max_cluster = 2, and of source b .*dedup.max_cluster and dedup.max_r"
    ):
        check_limits(both, counted, [])
