"""Tokens, shingles, sets and MinHash against their slow twins and against datasketch; hostile text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import unicodedata2
from datasketch import MinHash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dspipe.dedup.curve import find_bands
from dspipe.dedup.signatures.minhash import make_permutations
from dspipe.dedup.signatures.shingles import sort_set
from dspipe.dedup.signatures.sign import make_bands, make_keys, make_sets, sign_texts
from dspipe.dedup.signatures.tokens import COMPOSING, FOLDING
from dspipe.recipe import Dedup
from tests.reference.shingles import list_shingles, list_tokens, write_run

# letters and marks of many kinds, what NFC and NFKC change, and what splits words
TRICKY = (
    "aZé\u0301e\u0301ÉßẞİıΣςσ 01²½Ⅷ①㊀㈱™℃№ﬁǅĲªºＡｂ𝐀ｶﾞガか中文字。，ไทย\u0e48ကा"
    "\u0915\u093f\u094d한\u1112\u1161\u11ab-_'’.,!?\n\t\u00a0\u00ad\u200d\ufe0f\u20e3\u0300\u0327¨´"
)
TEXTS = st.one_of(
    st.text(st.sampled_from(TRICKY), max_size=60),
    st.text(max_size=40),
    st.lists(
        st.sampled_from(["kettle", "Kettles", "a", "important", "antidisestablishmentarianism", "x1"])
    ).map(" ".join),
)
ODD = [
    "",
    "a",
    "one two",
    "Ａｂｃ ABC abc",
    "e\u0301té été ÉTÉ",
    "ﬁsh fish",
    "m² m2",
    "a\u0301" * 40,
    "中" * 30,
]


def column(*texts: str) -> Any:
    return pa.array(texts, pa.large_string())


def known(text: str) -> bool:
    """Whether every character is one that the table and the standard library both know."""
    import unicodedata

    return all(unicodedata.category(c) not in ("Cn", "Cs") and unicodedata2.category(c) != "Cn" for c in text)


def shingles_of(text: str, setup: Dedup) -> list[int]:
    signed = sign_texts(column(text), setup)
    return make_sets(column(text), setup, signed.needs).shingles.tolist()


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["words", "characters"]), st.sampled_from(["dspipe", "datasketch"]))
@example("Ａｂｃ ABC ﬁsh™ e\u0301te\u0301 中文字 m²", "words", "dspipe")
@example("Ａｂｃ ABC ﬁsh™ e\u0301te\u0301 中文字 m²", "characters", "datasketch")
@example("12345678 123456789 1234567 1234567é a1234567\u0301", "words", "dspipe")
def test_sets_of_shingles_equal_those_of_the_slow_twin(text: str, unit: Any, hashing: Any) -> None:
    if known(text):
        for size in (1, 3):
            setup = Dedup(shingle=size, unit=unit, hashing=hashing)
            assert shingles_of(text, setup) == sorted(set(list_shingles(text, size, unit, hashing)))


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_texts_are_signed_alike_alone_and_together(texts: list[str]) -> None:
    setup = Dedup(shingle=2)
    together = sign_texts(pa.chunked_array([column(*texts), column("before", *texts)]).slice(0), setup)
    for number, text in enumerate(texts):
        alone = sign_texts(column(text), setup)
        assert alone.counts[0] == together.counts[number] == together.counts[number + len(texts) + 1]
        if alone.counts[0]:
            assert (alone.minima[0] == together.minima[number]).all()


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFKC", "NFKD"), ("NFC", "NFKC")])
def test_forms_of_unicode_make_no_difference(forms: tuple[str, str]) -> None:
    for text in (
        "Việt Nam có nhiều cà phê ngon",
        "ガギグ ｶﾞｷﾞｸﾞ",
        "Ａ ﬁne ™ line",
        "हिन्दी में लिखा हुआ पाठ",
        "한국어 문장",
    ):
        one, two = (shingles_of(unicodedata2.normalize(form, text), Dedup(shingle=2)) for form in forms)
        assert one == two and one


def test_case_width_and_punctuation_make_no_difference_and_letters_do() -> None:
    setup = Dedup(shingle=3)
    assert shingles_of("The Kettle, sang: all day!", setup) == shingles_of(
        "the kettle SANG “all” ｄａｙ", setup
    )
    assert shingles_of("The kettle sang all day", setup) != shingles_of("The kettle sang all night", setup)


def test_every_letter_is_a_word_in_scripts_without_spaces() -> None:
    assert list_tokens("水壶 sings กา") == ["水", "壶", "sings", "ก", "า"]
    assert sign_texts(column("水壶在炉子上"), Dedup(shingle=5)).counts.tolist() == [2]


def test_signatures_are_those_of_datasketch() -> None:
    setup = Dedup(shingle=2, bands=32, rows=4, hashing="datasketch")
    text = "The kettle on the stove sang slowly; Ａ second kettle, of copper, kept silent. 水壶 été"
    sketch = MinHash(num_perm=128, seed=1)
    tokens = list_tokens(text)
    for first in range(len(tokens) - 1):
        sketch.update(write_run(tokens[first : first + 2], "words"))
    assert sign_texts(column(text), setup).minima[0].tolist() == sketch.hashvalues.tolist()


def test_signatures_of_our_shingles_are_those_of_datasketch_with_our_hash() -> None:
    setup = Dedup(shingle=2)
    bands, rows = find_bands(setup)
    text = " ".join(f"word{number % 37} and{number}" for number in range(200))
    sketch = MinHash(num_perm=bands * rows, seed=1, hashfunc=lambda value: value & 0xFFFFFFFF)
    sketch.update_batch(list_shingles(text, 2))
    assert sign_texts(column(text), setup).minima[0].tolist() == sketch.hashvalues.tolist()
    assert (make_permutations(300) == np.asarray(MinHash(num_perm=300, seed=1).permutations)).all()


def test_a_band_is_equal_where_its_rows_are() -> None:
    setup = Dedup(bands=3, rows=2)
    minima = np.array([[1, 2, 3, 4, 5, 6], [1, 2, 3, 9, 5, 6], [2, 1, 3, 4, 3, 4]], np.uint32)
    hashes = make_bands(minima, setup)
    assert (hashes[0] == hashes[1]).tolist() == [True, False, True]
    assert (hashes[0] == hashes[2]).tolist() == [False, True, False]
    assert len(set(hashes[2].tolist())) == 3  # equal rows in two bands are no collision


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from("ab \n\t\u00e9!中"), max_size=60),
    st.text(st.sampled_from(" \n\r\t\v\f"), max_size=9),
)
def test_keys_fold_white_space_and_nothing_else(text: str, space: str) -> None:
    words = text.split(" ")
    texts = [text, space.join(["", *words, ""]) if space else text, " ".join(text.split())]
    keys = make_keys(column(*texts), np.zeros(len(texts), np.uint8))
    folded = [
        " ".join(text.translate(str.maketrans("\n\r\t\v\f", "     ")).split(" ")).split() for text in texts
    ]
    for one in range(len(texts)):
        for two in range(len(texts)):
            assert (folded[one] == folded[two]) == (keys[one] == keys[two]).all()


def test_keys_differ_where_texts_do() -> None:
    texts = [
        "a b",
        "a  b",
        "ab",
        "a B",
        "a b.",
        "",
        "é",
        "x" * 7,
        "x" * 8,
        "x" * 9,
        "x" * 8 + " y",
        "\0",
        "\0\0",
    ]
    signed = sign_texts(column(*texts, " ", "e\u0301"), Dedup())
    keys = [tuple(key) for key in make_keys(column(*texts, " ", "e\u0301"), signed.needs).tolist()]
    assert keys[0] == keys[1] and len(set(keys[: len(texts)])) == len(texts) - 1
    assert keys[-2] == keys[5] and keys[-1] == keys[6]


def test_long_keys_do_not_depend_on_where_bytes_fall() -> None:
    words = ["word" * (number % 5 + 1) for number in range(400)]
    spaced = [space.join(words) for space in (" ", "  ", "\n", " \n\t ")] + ["   " + " ".join(words) + "\n"]
    keys = make_keys(column(*spaced), np.zeros(len(spaced), np.uint8))
    assert (keys == keys[0]).all()


def test_what_a_text_needs_is_told() -> None:
    assert sign_texts(column("plain é 中", "e\u0301", "ﬁ", "¼ ™"), Dedup()).needs.tolist() == [
        0, COMPOSING | FOLDING, FOLDING, FOLDING,
    ]  # fmt: skip


def test_broken_utf_8_is_read_and_never_past_its_end() -> None:
    broken = [
        b"\xff\xfe kettle",
        b"kettle \xe4\xb8",
        b"\xcc\x81 e\xcc\x81 \xf0\x9f \xc3",
        b"\x80" * 50,
        b"a\0b c",
    ]
    texts = pa.array(broken, pa.large_binary()).view(pa.large_string())
    for unit in ("words", "characters"):
        for hashing in ("dspipe", "datasketch"):
            setup = Dedup(shingle=1, unit=unit, hashing=hashing)
            signed = sign_texts(texts, setup)
            assert len(make_keys(texts, signed.needs)) == len(broken)
            assert len(make_sets(texts, setup, signed.needs).sizes) == len(broken)


def test_null_is_the_empty_text() -> None:
    texts = pa.array([None, "", "one two three"], pa.large_string())
    signed = sign_texts(texts, Dedup(shingle=2))
    assert signed.counts.tolist() == [0, 0, 2]
    assert (make_keys(texts, signed.needs)[0] == make_keys(texts, signed.needs)[1]).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=200), st.integers(1, 64))
def test_sets_are_sorted_however_their_values_lie(values: list[int], same: int) -> None:
    for crowded in (values, [value >> same for value in values], values * 3, [7] * 300 + values):
        array = np.array(crowded, np.uint64)
        spare, counts = np.empty_like(array), np.empty(len(array) + 8, np.int64)
        used = sort_set(array, len(array), spare, counts)
        assert array[:used].tolist() == sorted(set(crowded))
