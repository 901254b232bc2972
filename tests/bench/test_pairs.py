"""Pairs for `dspipe bench dedup`: their words, their similarity, what edits do to it."""

from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest

from dspipe.bench.edits import EDITS, WORD, Page, substitute
from dspipe.bench.pairs import (
    choose_pages,
    list_shingles,
    list_words,
    make_pairs,
    measure,
    read_texts,
    write_pairs,
)
from dspipe.recipe import RecipeError
from tests.support import document, make_artifact, read_rows

WORDS = [
    "".join(letters)
    for letters in itertools.islice(itertools.product("abcdefghijklmnopqrst", repeat=4), 5000)
]


def make_page(number: int, length: int = 60) -> str:
    words = WORDS[number * length : (number + 1) * length]
    return "\n\n".join(" ".join(words[start : start + 20]) for start in range(0, length, 20))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop_here, É1!", ["don", "t", "stop", "here", "é1"]),
        ("e\u0301te\u0301 ＦＵＬＬ ﬁn", ["été", "full", "fin"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("\u0301 a\u00a0b", ["a", "b"]),
    ],
)
def test_words_are_those_of_the_definition(text: str, words: list[str]) -> None:
    assert list_words(text) == words


def test_similarity_is_that_of_sets_of_five_words() -> None:
    assert list_shingles(list("abcdef")) == {tuple("abcde"), tuple("bcdef")}
    assert measure("a b c d e f g", "A, b c d e f h") == 2 / 4
    assert measure("too short", "too short") == 1.0


def test_a_share_of_the_words_is_replaced_and_nothing_between_them() -> None:
    text = make_page(0)
    copy = substitute(Page(text, "", ["other"], Random(1)), 0.1)
    before, after = WORD.split(text), WORD.split(copy)
    assert sum(one == "other" for one in after[1::2]) == 6 and before[::2] == after[::2]


@pytest.mark.parametrize(
    "name", ["NFD", "full-width letters", "upper case", "curly quotes", "no-break spaces"]
)
def test_other_characters_leave_the_words_as_they_are(name: str) -> None:
    text = "L'été \"dernier\" à Orléans, il faisait beau et chaud, dit-elle: 'oui'. " * 20
    copy = EDITS[name](Page(text, "", [], Random(1)))
    assert copy != text and measure(text, copy) == 1.0


def test_other_edits_keep_some_of_the_shingles() -> None:
    text, other = make_page(0), make_page(1)
    for name in ("header and footer", "reordered", "truncated", "two pages in one"):
        copy = EDITS[name](Page(text, other, WORDS[2000:], Random(1)))
        assert 0.2 < measure(text, copy) < 1.0, name


def test_pages_that_have_shingles_of_others_are_passed_over() -> None:
    first, second = make_page(0), make_page(1)
    mixed = first[: len(first) // 2] + second
    assert list(choose_pages([first, "short", mixed, first, second])) == [first]
    assert list(choose_pages([first, second, mixed])) == [first, second]


def test_edits_take_turns_and_are_the_same_each_time() -> None:
    pages = [make_page(number) for number in range(60)]
    pairs = make_pairs(pages, 28)
    assert pairs == make_pairs(pages, 28) and pairs != make_pairs(pages, 28, seed=2)
    named = [pair.edit for pair in pairs]
    plain = [
        name for name in EDITS if name not in ("NFD", "curly quotes")
    ]  # which leave such pages as they are
    assert all(named.count(name) >= 2 for name in plain) and len({*named}) == len(plain)
    assert all(pair.page != pair.copy and pair.jaccard == measure(pair.page, pair.copy) for pair in pairs)
    likeness = [measure(one.copy, other.copy) for one in pairs for other in pairs if one is not other]
    assert max(likeness) < 0.2


def test_pairs_become_documents_with_ids_of_their_own(tmp_path: Path) -> None:
    pairs = make_pairs([make_page(number) for number in range(20)], 10)
    rows = {row["id"]: row["text"] for row in read_rows(write_pairs(pairs, tmp_path / "pairs"))}
    assert len(rows) == 20
    assert all([rows[name] for name in pair.ids] == [pair.page, pair.copy] for pair in pairs)


def test_documents_without_a_pair_are_refused() -> None:
    with pytest.raises(
        RecipeError, match="no two unlike pages of fifty words; give more documents with --data"
    ):
        make_pairs([make_page(0), make_page(0), "short"], 10)


def test_texts_that_are_not_utf8_are_passed_over(tmp_path: Path) -> None:
    import pyarrow as pa

    from dspipe.schema import DOCUMENTS
    from dspipe.shards import write_parquet

    artifact = make_artifact(tmp_path / "documents", [[document("one"), document("two")]])
    table = pa.Table.from_pylist([document("one"), document("two")], DOCUMENTS).to_batches()[0]
    broken = pa.array([b"\xff\xfe", b"two"], pa.large_binary()).view(pa.large_string())
    batch = table.set_column(table.schema.get_field_index("text"), "text", broken)
    write_parquet(artifact.folder, "part-00000.parquet", DOCUMENTS, [batch])
    assert list(read_texts(artifact)) == ["two"]
