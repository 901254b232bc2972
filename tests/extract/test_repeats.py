"""Of documents of one source with the same URL one is kept, whoever reads them in whatever pieces."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dspipe.extract import repeats, stage
from dspipe.extract.repeats import ENTRIES_IN_RANGE, FIELDS, find_beaten
from dspipe.recipe import Source
from tests.extract.test_part import block
from tests.extract.test_stage import blocks, extract, read_rows

assert blocks  # the fixture


def name_page(number: int, date: str, length: int) -> str:
    return f"https://example.org/{number}@{date} " + "x" * length


def make_pages(count: int) -> list[str]:
    """Texts with few URLs, dates and lengths, so that all ways to decide are met; some without a URL."""
    draw = random.Random(3)
    pages = [
        name_page(draw.randrange(40), draw.choice(["2024-01-02", "2024-01-03", ""]), draw.choice([100, 150]))
        for _ in range(count)
    ]
    return [f"no page {n}" if n % 10 == 3 else f"drop {n}" if n % 10 == 7 else p for n, p in enumerate(pages)]


def choose(rows: list[dict[str, Any]], preference: str) -> list[dict[str, Any]]:
    """The rows that stay, found the slow way."""
    best: dict[str, dict[str, Any]] = {}

    def rank(row: dict[str, Any]) -> tuple[Any, ...]:
        newer, longer = row["date"] or "", len(row["text"])
        first = (newer, longer) if preference == "newest" else (longer, newer)
        return (*first, -int(row["id"], 16))

    for row in rows:
        if row["url"] and (row["url"] not in best or rank(row) > rank(best[row["url"]])):
            best[row["url"]] = row
    return [row for row in rows if not row["url"] or best[row["url"]] is row]


@pytest.mark.parametrize("preference", ["newest", "longest"])
def test_one_document_of_a_url_is_kept(tmp_path: Path, blocks: None, preference: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"".join(map(block, make_pages(200))))
    every = extract(tmp_path / "all", f"{tmp_path}/a.txt")
    rows, unused = (read_rows(tmp_path / "all", parts) for parts in (every.parts, every.beside))
    one = extract(tmp_path / "one", f"{tmp_path}/a.txt", 1, same_url=preference)
    three = extract(tmp_path / "three", f"{tmp_path}/a.txt", 3, same_url=preference)
    assert one.parts == three.parts and one.beside == three.beside and one.counts == three.counts
    kept = read_rows(tmp_path / "one", one.parts)
    assert kept == choose(rows, preference) and len(kept) < len(rows) - 50
    assert one.counts.in_ == 200 and one.counts.out == len(kept) == one.facts["rows"]["blocks"]
    assert one.counts.dropped == {**every.counts.dropped, "same-url": len(rows) - len(kept)}
    listed = read_rows(tmp_path / "one", one.beside)
    assert [row for row in listed if row["reason"] != "same-url"] == unused
    gone = {(row["file"], row["offset"]) for row in listed if row["reason"] == "same-url"}
    assert gone == {(r["origin"]["file"], r["origin"]["offset"]) for r in rows} - {
        (r["origin"]["file"], r["origin"]["offset"]) for r in kept
    }
    on_disk = {path.name for path in (tmp_path / "one" / "documents").glob("*.parquet")}
    assert on_disk == {part.file for part in (*one.parts, *one.beside)}


def test_two_sources_may_have_the_same_url(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(block(name_page(1, "2024", 10)) + block(name_page(1, "2023", 10)))
    (tmp_path / "b.txt").write_bytes(block(name_page(1, "2025", 10)))
    sources = [Source(name=name, path=f"{tmp_path}/{name}.txt") for name in "ab"]
    manifest = extract(tmp_path, "", 1, same_url="newest", sources=sources)
    assert [row["date"] for row in read_rows(tmp_path, manifest.parts)] == ["2024", "2025"]
    assert manifest.facts["rows"] == {"a": 1, "b": 1}


def test_what_loses_nothing_is_linked_and_nothing_need_have_a_url(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(block("no page") + block("drop") + block("neither"))
    manifest = extract(tmp_path, f"{tmp_path}/a.txt", 1, same_url="longest")
    assert manifest.counts.out == 2 and manifest.counts.dropped == {"malformed": 1}
    for part in (*manifest.parts, *manifest.beside):
        scratch = tmp_path / ".progress" / "extract" / "scratch" / "every" / part.file
        assert scratch.samefile(tmp_path / "documents" / part.file)


@pytest.mark.parametrize("function", ["extract_span", "hash_urls", "find_losers", "keep_rows"])
def test_a_run_killed_anywhere_goes_on(
    tmp_path: Path, blocks: None, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    (tmp_path / "a.txt").write_bytes(b"".join(map(block, make_pages(100))))
    expected = extract(tmp_path / "whole", f"{tmp_path}/a.txt", 1, same_url="newest")

    def stop(*arguments: Any) -> Any:
        if function == "find_losers" or len(done := list(journal.glob(f"{function}-*.json"))) == 0:
            raise KeyboardInterrupt
        done[-1].unlink()
        raise KeyboardInterrupt

    journal = tmp_path / "cut" / ".progress" / "extract"
    place, name = {
        "extract_span": (stage, "drop_repeats"),
        "hash_urls": (repeats, "find_losers"),
        "find_losers": (repeats, "find_losers"),
        "keep_rows": (stage, "close"),
    }[function]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(place, name, stop)
        extract(tmp_path / "cut", f"{tmp_path}/a.txt", 1, same_url="newest")
    manifest = extract(tmp_path / "cut", f"{tmp_path}/a.txt", 1, same_url="newest")
    assert (manifest.parts, manifest.beside) == (expected.parts, expected.beside)


def test_ranges_of_hashes_change_nothing(
    tmp_path: Path, blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_bytes(b"".join(map(block, make_pages(100))))
    expected = extract(tmp_path / "whole", f"{tmp_path}/a.txt", 1, same_url="newest")
    monkeypatch.setattr(repeats, "ENTRIES_IN_RANGE", 3)
    assert extract(tmp_path / "some", f"{tmp_path}/a.txt", 1, same_url="newest").parts == expected.parts


def test_a_range_is_decided_in_seconds() -> None:
    draw = np.random.default_rng(1)
    entries = np.zeros(ENTRIES_IN_RANGE // 8, np.dtype(FIELDS))
    for name in ("key", "id", "length"):
        entries[name] = draw.integers(0, len(entries), len(entries))
    assert 0 < len(find_beaten("newest", entries)) < len(entries)
