"""Copies go, and only copies: against the slow twin, on chains made to mislead, and against earlier runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from dspipe import shards
from dspipe.dedup import runs
from dspipe.dedup.copies import candidates, find, verification
from dspipe.dedup.signatures import chunks
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup, DspipeError, Lines
from dspipe.schema import DOCUMENTS
from dspipe.shards import Artifact, Counts, Header, Output, open_artifact, write_parquet
from tests.reference.copies import jaccard, remove_copies
from tests.reference.shingles import shingle_set
from tests.support import document, make_artifact, make_id, make_output, make_workers, read_rows

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "eo", "ira", "ul", "ont")]
SURE = dict(bands=120, rows=1)  # so many candidates that none is missed
DEFAULTS = Dedup()
Row = dict[str, Any]


def write_text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choice(WORDS) for _ in range(words))


def change_words(random_: random.Random, text: str, number: int) -> str:
    words = text.split()
    for place in random_.sample(range(len(words)), number):
        words[place] = f"changed{random_.randrange(10**6)}"
    return " ".join(words)


def make_rows(texts: list[str], **columns: Any) -> list[Row]:
    return [document(text, name=f"{n:08d}", **columns) for n, text in enumerate(texts)]


def write_rows(random_: random.Random, number: int, first: int = 0) -> list[Row]:
    """Documents with all that the order of survivors asks for, and copies of all kinds among them."""
    rows: list[Row] = []
    while len(rows) < number:
        text = write_text(random_, random_.choice([3, 30, 60, 120]))
        copies = [text, " ".join(["", *text.split()]) + "\n", text.upper()]
        if len(text.split()) > 20:
            copies += [change_words(random_, text, changes) for changes in (1, 2, 5)]
            copies += [text + " " + write_text(random_, 9), text[: len(text) * 3 // 4]]
        for copy in [text, *random_.sample(copies, random_.randint(0, len(copies)))]:
            rows.append(
                document(
                    copy,
                    name=f"{first + len(rows)}",
                    source=random_.choice(["crawl", "books", "wiki"]),
                    quality=random_.choice([None, 0.25, 0.5]),
                    date=random_.choice([None, "2024-05-01", "2024-05-01T10:00:00Z", "2023", "yesterday"]),
                    url=random_.choice([None, "https://a.example/", f"https://b.example/{len(rows) % 7}"]),
                    language=random_.choice(["en", "de"]),
                )
            )
    return rows[:number]


def dedup(
    folder: Path, rows: list[Row], settings: Dedup = DEFAULTS, parts: int = 1, workers: int = 1
) -> Artifact:
    size = -(-len(rows) // parts)
    chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
    filtered = make_artifact(folder / "filtered", chunks)
    header = Header("dedup", 1, msgspec.to_builtins(settings), str(folder), [])
    run(settings, filtered, Output(folder / "distinct", header), make_workers(folder, workers))
    return open_artifact(folder / "distinct")


def evidence(artifact: Artifact) -> dict[str, tuple[str, str, float, float]]:
    rows = read_rows(artifact, "removed.parquet")
    return {row["removed"]: (row["kept"], row["kind"], row["jaccard"], row["containment"]) for row in rows}


@pytest.mark.parametrize(
    "settings",
    [
        Dedup(similarity=0.5, **SURE),
        Dedup(
            similarity=0.8,
            **SURE,
            prefer=["wiki", "books"],
            order=["quality", "source", "shortest", "oldest"],
        ),
        Dedup(similarity=0.7, **SURE, measure="containment", unit="characters", shingle=8),
        Dedup(similarity=0.8, **SURE, urls=True, order=[], hashing="datasketch"),
        Dedup(similarity=1.0, **SURE, shingle=1, order=["newest"]),
    ],
)
def test_removals_equal_those_of_the_slow_twin(tmp_path: Path, settings: Dedup) -> None:
    rows = write_rows(random.Random(3), 120)
    found = evidence(dedup(tmp_path, rows, settings, parts=3))
    assert found == remove_copies(rows, settings)
    assert len(found) > 30 and len({kind for _, kind, *_ in found.values()}) == 2 + settings.urls


def test_no_document_goes_because_of_a_chain_of_others(tmp_path: Path) -> None:
    random_ = random.Random(5)
    chain = [write_text(random_, 200)]
    for _ in range(30):  # each step is a near copy of the one before, the ends have little in common
        chain.append(change_words(random_, chain[-1], 2))
    artifact = dedup(tmp_path, make_rows(chain), Dedup(bands=64, rows=2))
    rows = {row["id"]: row["text"] for row in read_rows(artifact)}
    removed = evidence(artifact)
    texts = {make_id(f"{n:08d}"): text for n, text in enumerate(chain)}
    assert len(rows) > 2
    assert rows.keys() | removed.keys() == texts.keys()
    for gone, (kept, _, stated, _) in removed.items():
        assert kept in rows
        assert stated == jaccard(shingle_set(texts[gone]), shingle_set(texts[kept]))
        assert stated >= 0.8


def test_a_pair_exactly_at_the_threshold_is_removed(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(24)]
    # sets of 20 and 11 shingles, one within the other
    artifact = dedup(
        tmp_path, make_rows([" ".join(words), " ".join(words[:15])]), Dedup(similarity=0.55, **SURE)
    )
    assert [row[2:] for row in evidence(artifact).values()] == [(0.55, 1.0)]


def test_a_copy_with_one_changed_word_is_dropped_and_another_text_stays(tmp_path: Path) -> None:
    random_ = random.Random(7)
    text, other = write_text(random_, 150), write_text(random_, 150)
    artifact = dedup(tmp_path, make_rows([text, other, change_words(random_, text, 1)]))
    assert len(read_rows(artifact)) == 2
    [(kept, kind, found, _)] = evidence(artifact).values()
    assert kind == "near" and kept in {make_id("00000000"), make_id("00000002")} and found > 0.9


def test_short_documents_stay_unless_they_are_equal(tmp_path: Path) -> None:
    artifact = dedup(tmp_path, make_rows(["Yes.", "No.", "Yes.", "", "!!!", "???", "two words", " \n"]))
    left = sorted(row["text"] for row in read_rows(artifact))
    assert left == [" \n", "!!!", "???", "No.", "Yes.", "two words"]


def test_the_outcome_does_not_depend_on_how_documents_are_divided_or_ordered(tmp_path: Path) -> None:
    rows = write_rows(random.Random(11), 90)
    outcomes = [evidence(dedup(tmp_path / str(parts), rows, parts=parts)) for parts in (1, 3, 7)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "ROWS_IN_CHUNK", 10)
        patch.setattr(shards, "ROWS_IN_GROUP", 7)
        patch.setattr(verification, "SHINGLES_AT_ONCE", 50)
        outcomes.append(evidence(dedup(tmp_path / "chunks", rows, parts=2)))
    outcomes.append(evidence(dedup(tmp_path / "two", rows, parts=5, workers=2)))
    random.Random(1).shuffle(rows)
    outcomes.append(evidence(dedup(tmp_path / "shuffled", rows, parts=4)))
    assert all(outcome == outcomes[0] for outcome in outcomes) and len(outcomes[0]) > 25


def test_what_there_was_to_do_does_not_depend_on_how_keys_and_documents_are_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(random.Random(17), 90)
    whole = dedup(tmp_path / "whole", rows, Dedup(similarity=0.7, **SURE))
    monkeypatch.setattr(runs, "STEP", 8)
    monkeypatch.setattr(find, "divide", lambda found, most=0: runs.divide(found, 3000))
    monkeypatch.setattr(candidates, "PAIRS_IN_RUN", 20)
    pieces = dedup(tmp_path / "pieces", rows, Dedup(similarity=0.7, **SURE), parts=4)
    assert pieces.manifest.facts == whole.manifest.facts
    assert evidence(pieces) == evidence(whole)


def test_cjk_text_is_compared_by_characters(tmp_path: Path) -> None:
    text = "水壶在炉子上慢慢地唱着歌而窗外的雨下了整整一个晚上没有人愿意先开口说话"
    rows = make_rows([text * 2 + "甲", text * 2 + "乙", "另一篇完全不同的文章讲的是山里的车站"])
    assert len(read_rows(dedup(tmp_path, rows))) == 2


def test_a_bucket_of_thousands_costs_little_and_is_reported(tmp_path: Path) -> None:
    random_ = random.Random(2)
    shared = write_text(random_, 60)
    rows = make_rows([f"{shared} {write_text(random_, 25)}" for _ in range(2000)])
    artifact = dedup(tmp_path, rows, Dedup(similarity=0.9, bands=4, rows=1))
    facts = artifact.manifest.facts
    assert facts["largest_bucket"] > 1000 and facts["capped_buckets"] > 0
    assert facts["candidates"] <= 4 * 12 * 2000
    assert all(found >= 0.9 for _, _, found, _ in evidence(artifact).values())


def test_counts_and_facts_add_up(tmp_path: Path) -> None:
    rows = write_rows(random.Random(4), 100)
    artifact = dedup(tmp_path, rows, Dedup(urls=True), parts=2)
    counts, facts = artifact.manifest.counts, artifact.manifest.facts
    removed = evidence(artifact)
    assert (counts.in_, counts.out) == (100, len(read_rows(artifact)))
    assert sum(counts.dropped.values()) == len(removed) == 100 - counts.out
    sources = facts["removed"]["source"]
    gone = [row["source"] for row in rows if row["id"] in removed]
    assert {name: numbers["removed"] for name, numbers in sources.items()} == {
        name: gone.count(name) for name in ("books", "crawl", "wiki")
    }
    kept = [one for one, *_ in removed.values()]
    assert facts["largest_cluster"] == 1 + max(kept.count(one) for one in kept)


def test_bytes_that_are_no_utf8_in_any_column_stop_nothing(tmp_path: Path) -> None:
    text = write_text(random.Random(18), 60)
    table = pa.Table.from_pylist(make_rows([f"{text} {n}" for n in range(9)], url="u", date="d"), DOCUMENTS)
    for number, field in enumerate(DOCUMENTS):
        if field.name in ("text", "source", "url", "date", "language", "domain"):
            broken = [(value or "").encode() + b"\xff\xc3" for value in table[number].to_pylist()]
            large = field.type == pa.large_string()
            column = pa.array(broken, pa.large_binary() if large else pa.binary())
            column = pa.Array.from_buffers(field.type, len(column), column.buffers())
            table = table.set_column(number, field, column)
    filtered = make_output(tmp_path / "filtered")
    part = write_parquet(filtered.folder, "part-00000.parquet", DOCUMENTS, table.to_batches())
    filtered.close([part], Counts(9, 9))
    filtered_, distinct = open_artifact(filtered.folder), make_output(tmp_path / "distinct")
    with pytest.raises(DspipeError, match="max_cluster = 5"):
        run(Dedup(max_cluster=5), filtered_, distinct, make_workers(tmp_path))
    run(Dedup(lines=Lines(documents=2)), filtered_, distinct, make_workers(tmp_path))
    assert open_artifact(distinct.folder).manifest.counts.out == 1


def test_a_stage_that_removes_too_much_stops_and_shows_the_clusters(tmp_path: Path) -> None:
    text = write_text(random.Random(1), 80)
    rows = make_rows([f"{text} page {number}" for number in range(120)])
    with pytest.raises(DspipeError, match="max_cluster = 50") as refused:
        dedup(tmp_path / "cluster", rows, Dedup(max_cluster=50))
    assert text[:40] in str(refused.value)
    with pytest.raises(DspipeError, match=r"of domain web 119 of 120"):
        dedup(tmp_path / "share", rows, Dedup(max_removed=0.5))
    assert len(read_rows(dedup(tmp_path / "allowed", rows, Dedup(max_removed=1.0, max_cluster=120)))) == 1


@pytest.mark.parametrize(
    "settings", [Dedup(similarity=0.7, **SURE), Dedup(similarity=0.7, **SURE, urls=True)]
)
def test_a_run_against_earlier_ones_equals_one_over_all_with_the_old_preferred(
    tmp_path: Path, settings: Dedup
) -> None:
    random_ = random.Random(6)
    pool = write_rows(random_, 150)
    random_.shuffle(pool)
    crawls = [pool[:50], pool[50:100], pool[100:]]
    against: list[str] = []
    kept: list[Row] = []
    for number, crawl in enumerate(crawls):
        own = msgspec.structs.replace(settings, against=list(against))
        artifact = dedup(tmp_path / str(number), crawl, own, parts=2)
        expected = remove_copies(crawl, settings, kept)
        assert evidence(artifact) == expected, number
        left = {row["id"] for row in read_rows(artifact)}
        order = [row["id"] for row in read_rows(artifact, "index-00000.parquet")]
        assert set(order) <= {row["id"] for row in crawl}
        ranks = {
            row["id"]: row["rank"]
            for part in range(2)
            for row in read_rows(artifact, f"index-{part:05d}.parquet")
        }
        kept += sorted((row for row in crawl if row["id"] in left), key=lambda row: ranks[row["id"]])
        against.append(str(artifact.folder))


def test_an_exact_copy_of_what_an_earlier_run_removed_names_what_was_kept(tmp_path: Path) -> None:
    random_ = random.Random(8)
    text = write_text(random_, 100)
    near = change_words(random_, text, 1)
    first = dedup(tmp_path / "first", make_rows([text + " end", near]))
    [(removed, (kept, _, found, _))] = evidence(first).items()
    copied = next(row["text"] for row in make_rows([text + " end", near]) if row["id"] == removed)
    settings = Dedup(against=[str(first.folder)])
    again = dedup(tmp_path / "again", [document(copied + "\n", name="new")], settings)
    assert evidence(again) == {make_id("new"): (kept, "near", found, found_containment(first))}


def found_containment(artifact: Artifact) -> float:
    [row] = read_rows(artifact, "removed.parquet")
    return float(row["containment"])


def test_copies_of_what_earlier_runs_removed_count_for_what_stayed(tmp_path: Path) -> None:
    random_ = random.Random(15)
    text = write_text(random_, 100)
    rows = make_rows([change_words(random_, text, 1) for _ in range(30)])
    first = dedup(tmp_path / "first", rows)
    [stayed] = read_rows(first)
    settings = Dedup(against=[str(first.folder)], max_cluster=31)
    again = dedup(tmp_path / "again", rows, settings)
    assert again.manifest.facts["largest"] == [{"kept": stayed["id"], "documents": 31}]
    with pytest.raises(DspipeError, match="a cluster has 31 documents"):
        dedup(tmp_path / "refused", rows, msgspec.structs.replace(settings, max_cluster=30))


def test_a_document_that_was_new_in_every_run_stays(tmp_path: Path) -> None:
    random_ = random.Random(9)
    first = dedup(tmp_path / "first", make_rows([write_text(random_, 50) for _ in range(5)]))
    rows = [document(write_text(random_, 50), name=f"new {n}") for n in range(5)]
    again = dedup(tmp_path / "again", rows, Dedup(against=[str(first.folder)]))
    assert [row["id"] for row in read_rows(again)] == [row["id"] for row in rows]
    assert evidence(again) == {}


def test_an_earlier_part_of_which_nothing_has_a_signature_is_compared_by_its_keys(tmp_path: Path) -> None:
    text = write_text(random.Random(10), 50)
    first = dedup(tmp_path / "first", make_rows(["Yes.", "No.", text, text]), parts=2)
    new = [document("No.", name="short"), document(text, name="long"), document("Perhaps.", name="new")]
    again = dedup(tmp_path / "again", new, Dedup(against=[str(first.folder)]))
    assert {removed: kind for removed, (_, kind, *_) in evidence(again).items()} == {
        make_id("short"): "exact",
        make_id("long"): "exact",
    }
    assert [row["text"] for row in read_rows(again)] == ["Perhaps."]


def test_documents_with_a_url_of_white_space_are_no_copies(tmp_path: Path) -> None:
    random_ = random.Random(15)
    urls = [None, "", " ", "  ", "\n", "\t"]
    rows = [document(write_text(random_, 30), name=str(n), url=url) for n, url in enumerate(urls)]
    assert evidence(dedup(tmp_path, rows, Dedup(urls=True))) == {}


def test_short_documents_of_one_url_are_not_said_to_be_alike(tmp_path: Path) -> None:
    rows = make_rows(["Yes, it is.", "No.", "No."], url="https://a.example/")
    first = dedup(tmp_path / "first", rows, Dedup(urls=True))
    assert [row[1:] for row in evidence(first).values()] == [("url", 0.0, 0.0)] * 2
    new = [document("No.", name="new")]  # what went for its URL was like nothing that stayed
    assert evidence(dedup(tmp_path / "again", new, Dedup(against=[str(first.folder)]))) == {}


def test_a_filter_that_kept_nothing_is_told(tmp_path: Path) -> None:
    filtered = make_artifact(tmp_path / "filtered", [[]])
    with pytest.raises(DspipeError, match="filter kept no document"):
        run(Dedup(), filtered, make_output(tmp_path / "distinct"), make_workers(tmp_path))


def test_pieces_that_repeat_are_taken_out_of_what_stays(tmp_path: Path) -> None:
    random_ = random.Random(12)
    notice = "This notice stands at the foot of every page of the house, and nobody has ever read it."
    passage = write_text(random_, 60)
    pages = [f"{write_text(random_, 90)}\n{notice}" for _ in range(12)]
    pages[3] += f"\n{passage}"
    pages[7] = f"{passage}\n{pages[7]}"
    rows = make_rows([*pages, notice, pages[5]], url="https://a.example/page")
    settings = Dedup(lines=Lines(documents=5), substrings=200)
    artifact = dedup(tmp_path, rows, settings, parts=3)
    counts, facts = artifact.manifest.counts, artifact.manifest.facts
    assert counts.dropped == {"exact-copy": 1, "nothing-left": 1}
    texts = [row["text"] for row in read_rows(artifact)]
    assert sum(notice in text for text in texts) == 1 and sum(passage in text for text in texts) == 1
    pieces = [row for row in read_rows(artifact, "removed.parquet") if row["kind"] != "exact"]
    assert facts["pieces"]["line"]["documents"] == sum(row["kind"] == "line" for row in pieces) == 12
    before = {row["id"]: row["text"] for row in rows}
    left = {row["id"]: row["text"] for row in read_rows(artifact)}
    for row in pieces:
        piece = before[row["removed"]].encode()[row["start"] : row["start"] + row["bytes"]].decode()
        assert piece.strip() in left[row["kept"]] and row["jaccard"] is None
    assert sum(row["bytes"] for row in pieces) == sum(
        facts["pieces"][kind]["bytes"] for kind in facts["pieces"]
    )


def test_later_runs_compare_with_texts_as_they_were_before_pieces_went(tmp_path: Path) -> None:
    random_ = random.Random(13)
    notice = write_text(random_, 40)
    pages = [f"{write_text(random_, 60)}\n{notice}" for _ in range(12)]
    rows = make_rows([*pages, notice], url="https://a.example/page")
    settings = Dedup(lines=Lines(documents=5), similarity=0.9)
    first = dedup(tmp_path / "first", rows, settings, parts=2)
    again = [document(change_words(random_, page, 1), name=f"new {n}") for n, page in enumerate(pages)]
    again.append(document(notice, name="the notice alone"))
    found = evidence(dedup(tmp_path / "again", again, Dedup(similarity=0.9, against=[str(first.folder)])))
    assert found == remove_copies(again, Dedup(similarity=0.9), sorted(rows, key=lambda row: row["id"]))
    assert len(found) == 13


def test_code_and_mathematics_lose_no_pieces(tmp_path: Path) -> None:
    random_ = random.Random(14)
    passage = write_text(random_, 60)
    texts = [f"{write_text(random_, 90)}\n{passage}\n{write_text(random_, 90)}" for _ in range(6)]
    rows = [
        document(text, domain=("code", "math", "web")[n % 3], name=str(n)) for n, text in enumerate(texts)
    ]
    artifact = dedup(tmp_path, rows, Dedup(substrings=200))
    whole = [row["domain"] for row in read_rows(artifact) if passage in row["text"]]
    assert sorted(whole) == ["code", "code", "math", "math", "web"]
