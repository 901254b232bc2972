"""Copies go, and only copies: against datasketch, against the slow twin, and on chains made to mislead."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash

from dspipe.dedup.signatures import exact_keys, make_permutations, shingle_texts, sign
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup
from dspipe.shards import Artifact, open_artifact
from tests.reference.copies import jaccard, remove_copies, shingle_set
from tests.support import document, make_artifact, make_id, make_output, make_workers, read_rows

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "eo", "ira", "ul", "ont")]


def write_text(random_: random.Random, words: int) -> str:
    return " ".join(random_.choice(WORDS) for _ in range(words))


def change_words(random_: random.Random, text: str, number: int) -> str:
    words = text.split()
    for place in random_.sample(range(len(words)), number):
        words[place] = "changed"
    return " ".join(words)


def dedup(folder: Path, texts: list[str], settings: Dedup = Dedup(), parts: int = 1) -> Artifact:  # noqa: B008
    rows = [document(text, name=f"{n:08d}") for n, text in enumerate(texts)]
    size = -(-len(rows) // parts)
    chunks = [rows[i : i + size] for i in range(0, len(rows), size)]
    filtered = make_artifact(folder / "filtered", chunks)
    run(settings, filtered, make_output(folder / "distinct"), make_workers(folder))
    return open_artifact(folder / "distinct")


def removed_by_text(artifact: Artifact) -> dict[str, tuple[str, str, float]]:
    rows = read_rows(artifact, "removed.parquet")
    return {row["removed"]: (row["kept"], row["kind"], row["jaccard"]) for row in rows}


def test_minhash_values_are_those_of_datasketch() -> None:
    texts = ["one two three four five six seven", "short text here that has enough words in it to be signed"]
    shingles, counts = shingle_texts(pa.array(texts, pa.large_string()), 3)
    permutations = make_permutations(40)
    start = 0
    for count in counts.tolist():
        values = [int(value) & 0xFFFFFFFF for value in shingles[start : start + count]]
        sketch = MinHash(num_perm=40, seed=1, hashfunc=lambda value: value)
        sketch.update_batch(values)
        for band in (
            1,
            4,
            40,
        ):
            ours = sign(shingles[start : start + count], np.array([count]), permutations, band)
            again = sign(shingles[start : start + count][::-1].copy(), np.array([count]), permutations, band)
            assert (ours == again).all()
        single = sign(shingles[start : start + count], np.array([count]), permutations, 40)[0]
        assert [
            mix_band(number, int(value)) for number, value in enumerate(sketch.hashvalues)
        ] == single.tolist()
        start += count


def mix_band(number: int, value: int) -> int:
    """The hash of a band of one row, from a MinHash value."""
    mask = (1 << 64) - 1
    mixed = (((number + 1) * 0x9E3779B97F4A7C15) & mask) ^ value
    mixed = (mixed * 0xFF51AFD7ED558CCD) & mask
    return mixed ^ (mixed >> 31)


def test_shingle_sets_have_the_jaccard_of_word_sets() -> None:
    random_ = random.Random(1)
    for _ in range(50):
        text = write_text(random_, random_.randint(3, 80))
        other = change_words(random_, text, random_.randint(0, 3))
        shingles, counts = shingle_texts(pa.array([text, other], pa.large_string()), 5)
        ours = [set(shingles[: counts[0]].tolist()), set(shingles[counts[0] :].tolist())]
        sets = [shingle_set(text, 5), shingle_set(other, 5)]
        assert [len(s) for s in ours] == [len(s) for s in sets]
        assert jaccard(*ours) == jaccard(*sets)  # type: ignore[arg-type]


def test_exact_keys_fold_white_space_and_nothing_else() -> None:
    texts = ["a b", " a\n\tb ", "a  b", "ab", "a B", "a b.", "", "  ", "é", "e\u0301"]
    keys = [tuple(key) for key in exact_keys(pa.array(texts, pa.large_string())).tolist()]
    assert keys[0] == keys[1] == keys[2]
    assert len({keys[0], *keys[3:6], keys[6], keys[8]}) == 6
    assert keys[6] == keys[7] and keys[8] == keys[9]


@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_removals_equal_those_of_the_slow_twin(tmp_path: Path, similarity: float) -> None:
    random_ = random.Random(3)
    texts = []
    for _ in range(40):
        text = write_text(random_, random_.randint(30, 120))
        texts.append(text)
        for _ in range(random_.randint(0, 3)):
            texts.append(change_words(random_, text, random_.choice([0, 1, 1, 2, 5])))
    random_.shuffle(texts)
    # enough bands that no candidate is missed; ids are ordered like positions, for the twin's ties
    settings = Dedup(similarity=similarity, bands=120, rows=2)
    ids = sorted(make_id(f"{n:08d}") for n in range(len(texts)))
    rows = [document(text, id=ids[n]) for n, text in enumerate(texts)]
    filtered = make_artifact(tmp_path / "filtered", [rows])
    run(settings, filtered, make_output(tmp_path / "distinct"), make_workers(tmp_path))
    found = removed_by_text(open_artifact(tmp_path / "distinct"))
    expected = remove_copies(texts, 5, similarity)
    assert {ids[i]: (ids[k], kind, round(j, 9)) for i, (k, kind, j) in expected.items()} == {
        key: (kept, kind, round(j, 9)) for key, (kept, kind, j) in found.items()
    }
    assert len(found) > 20


def test_no_document_goes_because_of_a_chain_of_others(tmp_path: Path) -> None:
    random_ = random.Random(5)
    chain = [write_text(random_, 200)]
    for _ in range(30):  # each step is a near copy of the one before, the ends have little in common
        chain.append(change_words(random_, chain[-1], 2))
    artifact = dedup(tmp_path, chain, Dedup(similarity=0.8, bands=64, rows=2))
    rows = {row["id"]: row["text"] for row in read_rows(artifact)}
    removed = removed_by_text(artifact)
    texts = {make_id(f"{n:08d}"): text for n, text in enumerate(chain)}
    assert len(rows) > 2
    assert rows.keys() | removed.keys() == texts.keys()
    for gone, (kept, _, stated) in removed.items():
        assert kept in rows
        assert stated == pytest.approx(jaccard(shingle_set(texts[gone], 5), shingle_set(texts[kept], 5)))
        assert stated >= 0.8


def test_a_pair_exactly_at_the_threshold_is_removed(tmp_path: Path) -> None:
    words = write_text(random.Random(13), 400).split()
    long, short = (
        " ".join(words[:24]),
        " ".join(words[:15]),
    )  # sets of 20 and 11 shingles, one within the other
    artifact = dedup(tmp_path, [long, short], Dedup(similarity=0.55, bands=128, rows=1))
    assert [row[2] for row in removed_by_text(artifact).values()] == [0.55]


def test_a_copy_with_one_changed_word_is_dropped_and_another_text_stays(tmp_path: Path) -> None:
    random_ = random.Random(7)
    text, other = write_text(random_, 150), write_text(random_, 150)
    copy = change_words(random_, text, 1)
    artifact = dedup(tmp_path, [text, other, copy])
    assert len(read_rows(artifact)) == 2
    [(kept, kind, found)] = removed_by_text(artifact).values()
    assert kind == "near" and kept in {make_id("00000000"), make_id("00000002")} and found > 0.9


def test_short_documents_stay_unless_they_are_equal(tmp_path: Path) -> None:
    artifact = dedup(tmp_path, ["Yes.", "No.", "Yes.", "", "!!!", "???", "two words"])
    assert sorted(row["text"] for row in read_rows(artifact)) == [
        "",
        "!!!",
        "???",
        "No.",
        "Yes.",
        "two words",
    ]


def test_a_preferred_source_survives(tmp_path: Path) -> None:
    text = write_text(random.Random(9), 60)
    rows = [document(text + " tail", name="a", source="crawl"), document(text, name="b", source="books")]
    filtered = make_artifact(tmp_path / "filtered", [rows])
    settings = Dedup(prefer=["books"], similarity=0.7)
    run(settings, filtered, make_output(tmp_path / "distinct"), make_workers(tmp_path))
    assert [row["source"] for row in read_rows(open_artifact(tmp_path / "distinct"))] == ["books"]


def test_the_outcome_does_not_depend_on_how_documents_are_divided(tmp_path: Path) -> None:
    random_ = random.Random(11)
    texts = [write_text(random_, 100) for _ in range(30)]
    texts += [change_words(random_, text, 1) for text in texts[:20]] + texts[:5]
    outcomes = [removed_by_text(dedup(tmp_path / str(parts), texts, parts=parts)) for parts in (1, 3, 7)]
    assert outcomes[0] == outcomes[1] == outcomes[2] and len(outcomes[0]) == 25


def test_cjk_text_is_compared_by_characters(tmp_path: Path) -> None:
    text = "水壶在炉子上慢慢地唱着歌而窗外的雨下了整整一个晚上没有人愿意先开口说话"
    artifact = dedup(tmp_path, [text * 2 + "甲", text * 2 + "乙", "另一篇完全不同的文章讲的是山里的车站"])
    assert len(read_rows(artifact)) == 2
