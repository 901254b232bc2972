"""Ids are those of `tokenizers`, for any text and any byte-level file, on any number of threads."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import END, DspipeError
from dspipe.text.arrow import text_buffers
from tests.bpe.encoding.support import (
    bytes_as_entries,
    convert_from_ranks,
    forget,
    list_ids,
    list_theirs,
    make_texts,
    save,
    shuffle_ids,
    train,
)

TEXTS = make_texts(200)
PATTERNS = ["deepseek-v3", "llama-3", "gpt-2", "qwen-2", "deepseek-llm", [r"\s", r"[a-z]+"]]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return train(TEXTS)


@pytest.fixture(scope="module")
def encoder(description: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(save(tmp_path_factory.mktemp("encoder"), description))


@pytest.fixture(scope="module")
def theirs(description: dict[str, Any]) -> Tokenizer:
    return forget(description)


@given(st.lists(st.text(max_size=60), max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_text_has_the_ids_of_the_library(encoder: Encoder, theirs: Tokenizer, texts: list[str]) -> None:
    assert encoder.note is None
    assert list_ids(encoder, texts) == list_theirs(theirs, texts)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_files_of_every_pattern_give_the_ids_of_the_library(tmp_path: Path, pattern: str | list[str]) -> None:
    description = train(TEXTS[:80], 500, pattern)
    encoder = Encoder(save(tmp_path, description))
    texts = make_texts(200, seed=2)
    assert list_ids(encoder, texts) == list_theirs(forget(description), texts)
    assert (encoder.note is None) == (pattern in ("deepseek-v3", "llama-3", "gpt-2", "qwen-2"))


@pytest.mark.parametrize("seed", range(30))
def test_merges_that_tie_and_overlap_come_in_the_order_of_the_library(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    letters = "ab" if seed % 3 == 0 else "abcd" if seed % 3 == 1 else "aé水"

    def write() -> str:
        return " ".join("".join(draw.choices(letters, k=draw.randint(1, 40))) for _ in range(12))

    description = train([write() for _ in range(30)], 258 + draw.randint(1, 200))
    changed = shuffle_ids(description, seed) if seed % 2 else description
    texts = [write() for _ in range(60)] + ["".join(draw.choices(letters, k=3000)), "a" * 1000]
    encoder = Encoder(save(tmp_path, changed))
    assert encoder.note is None
    assert list_ids(encoder, texts) == list_theirs(forget(changed), texts)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("whole", [True, False])
def test_files_made_from_ranks_give_the_ids_of_the_library(tmp_path: Path, seed: int, whole: bool) -> None:
    """Several merges for one token, tokens that no merges lead to, whole pieces taken as they stand."""
    draw = random.Random(seed)
    entries = {"".join(draw.choices("abcĠ", k=draw.randint(2, 5))): None for _ in range(60)}
    trained = [entry for entry in train(TEXTS, 400)["model"]["vocab"] if len(entry) > 1 and "<" not in entry]
    listed = list(dict.fromkeys([*entries, *trained]))
    description = convert_from_ranks(
        bytes_as_entries() + (listed if seed % 2 else sorted(listed, key=len)), whole=whole
    )
    texts = [
        " ".join("".join(draw.choices("abc", k=draw.randint(1, 9))) for _ in range(9)) for _ in range(200)
    ]
    texts += TEXTS
    encoder = Encoder(save(tmp_path, description))
    assert list_ids(encoder, texts) == list_theirs(forget(description), texts)
    if seed % 2 == 0:
        assert encoder.note is None


def test_a_merge_before_those_of_its_halves_is_left_to_the_library(tmp_path: Path) -> None:
    entries = [*bytes_as_entries(), "abc", "ab"]
    description = convert_from_ranks(entries, whole=False)
    encoder = Encoder(save(tmp_path, description))
    assert encoder.note is not None and "`tokenizers` encodes" in encoder.note
    assert list_ids(encoder, ["abc abab"]) == list_theirs(forget(description), ["abc abab"])


def test_a_pair_that_is_listed_twice_counts_where_it_is_last(tmp_path: Path) -> None:
    description = train(TEXTS, 400)
    merges = description["model"]["merges"]
    description["model"]["merges"] = [*merges, *merges[5:9]]
    texts = make_texts(100, seed=5)
    encoder = Encoder(save(tmp_path, description))
    assert list_ids(encoder, texts) == list_theirs(forget(description), texts)


def test_slices_nulls_and_empty_texts_have_their_places(encoder: Encoder, theirs: Tokenizer) -> None:
    texts = ["", "hidden", "kettle sings", None, "", "水壶在唱歌", ""]
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(texts, kind)
        assert list_ids(encoder, array) == list_theirs(theirs, [text or "" for text in texts])
        assert list_ids(encoder, array.slice(2, 4)) == list_theirs(
            theirs, [text or "" for text in texts[2:6]]
        )
        chunked = pa.chunked_array([array, array.slice(1, 3)])
        assert list_ids(encoder, chunked) == list_theirs(theirs, [t or "" for t in [*texts, *texts[1:4]]])
    assert list_ids(encoder, []) == [] and list_ids(encoder, ["", ""]) == [[], []]
    assert encoder.count(pa.array(texts)).tolist() == [len(ids) for ids in list_ids(encoder, pa.array(texts))]


def test_text_is_not_read_past_its_last_byte(encoder: Encoder, theirs: Tokenizer) -> None:
    """Every end of a text at the end of the buffer, through all lengths that the caches take."""
    for text in ("kettlesings" * 5, "чайник" * 8, "水壶在唱歌夜里"):
        for size in range(len(text)):
            part = text[:size].encode()
            exact = np.frombuffer(part, np.uint8) if part else np.zeros(0, np.uint8)
            ids, bounds = encoder.encode_bytes(exact, np.array([0, len(part)]))
            assert ids.tolist() == theirs.encode(text[:size], add_special_tokens=False).ids
            assert bounds.tolist() == [0, ids.size]


def test_a_long_document_without_a_space_is_encoded_in_time(tmp_path: Path) -> None:
    draw = random.Random(1)
    description = train(["".join(draw.choices("ab", k=400)) for _ in range(40)], 700)
    encoder, theirs = Encoder(save(tmp_path, description)), forget(description)
    for text in ("a" * 300_000, "".join(draw.choices("ab", k=300_000)), "ab" * 100_000):
        assert encoder.encode([text])[0].tolist() == theirs.encode(text, add_special_tokens=False).ids
    ids, _ = encoder.encode(["a" * 4_000_000])
    assert encoder.decode(ids) == "a" * 4_000_000


def test_broken_utf8_comes_back_as_the_same_bytes(encoder: Encoder) -> None:
    draw = random.Random(1)
    texts = [draw.randbytes(draw.randint(0, 40)) for _ in range(500)]
    texts += [b"\xe6\xb0", b"kettle\xff", b"\x80\x80", b"\xf0\x9f", "水壶".encode()[:-1], b"\xff" * 100]
    array = pa.array(texts, pa.large_binary()).cast(pa.large_string(), safe=False)
    ids, bounds = encoder.encode(array)
    for number, text in enumerate(texts):
        assert encoder.decode_bytes(ids[bounds[number] : bounds[number + 1]]) == text


def test_ids_are_the_same_on_several_threads_and_the_second_time(tmp_path: Path, encoder: Encoder) -> None:
    texts = [*make_texts(3000, seed=9), "", "x" * 10000]
    several = Encoder(encoder._file, threads=3)
    ids, bounds = encoder.encode(texts)
    for _ in range(2):
        again, places = several.encode(texts)
        assert np.array_equal(again, ids) and np.array_equal(places, bounds)


MARKS = [
    AddedToken("<|mark|>", special=True, normalized=False),
    AddedToken("<|mark|>>", special=False, normalized=False),
    AddedToken("sings", special=False, normalized=True),
    AddedToken("kettl", special=False, normalized=True),
    AddedToken("|", special=False, normalized=False),
    AddedToken("水壶", special=True, normalized=False),
    AddedToken("  ", special=False, normalized=False),
]


def add_marks(description: dict[str, Any]) -> dict[str, Any]:
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.add_tokens(MARKS)
    changed: dict[str, Any] = json.loads(tokenizer.to_str())
    return changed


MARKED = [
    "",
    "<|mark|>",
    "<|mark|>>",
    "<|mark|><|mark|>",
    "kettle sings",
    "a<|mark|>\n\n  b<s></s>",
    "水壶在唱歌",
    "<|mark",
]


def test_added_tokens_are_found_as_the_library_finds_them(
    tmp_path: Path, description: dict[str, Any]
) -> None:
    changed = add_marks(description)
    encoder = Encoder(save(tmp_path, changed), special=True)
    assert encoder.note is None
    draw = random.Random(1)
    parts = ["<|mark|>", ">", "|", "<s>", "sings", "kettl", "kett", "e", "水壶", "水", " ", "  ", "\n", "x"]
    texts = MARKED + ["".join(draw.choices(parts, k=draw.randint(0, 12))) for _ in range(1000)]
    assert list_ids(encoder, texts) == list_theirs(Tokenizer.from_str(json.dumps(changed)), texts)


def test_text_never_yields_an_added_token_in_ordinary_mode(
    tmp_path: Path, description: dict[str, Any]
) -> None:
    changed = add_marks(description)
    vocabulary = changed["model"]["vocab"]
    assert "sings" in vocabulary and "kettl" in vocabulary  # merges make them, too
    encoder = Encoder(save(tmp_path, changed))
    marks = {token["id"] for token in changed["added_tokens"]} - {vocabulary["|"]}
    for text, ids in zip(TEXTS + MARKED, list_ids(encoder, TEXTS + MARKED), strict=True):
        assert not marks & set(ids) and encoder.decode(ids) == text
    assert encoder.special("<|mark|>") in marks
    with pytest.raises(DspipeError, match="has no <nothing>"):
        encoder.special("<nothing>")


def test_a_whole_piece_that_is_an_added_token_is_merged_in_ordinary_mode(tmp_path: Path) -> None:
    description = convert_from_ranks([*bytes_as_entries(), "end", "no"])
    mark = dict(
        id=256, content="end", single_word=False, lstrip=False, rstrip=False, normalized=False, special=True
    )
    description["added_tokens"] = [mark]
    file = save(tmp_path, description)
    assert list_ids(Encoder(file), ["end", "no"]) == [[68, 77, 67], [257]]
    assert list_ids(Encoder(file, special=True), ["end", "no"]) == [[256], [257]]


@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "single_word"])
def test_added_tokens_that_look_around_are_left_to_the_library(
    tmp_path: Path, description: dict[str, Any], flag: str
) -> None:
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.add_tokens([AddedToken("<mask>", normalized=False, **{flag: True})])
    changed = json.loads(tokenizer.to_str())
    encoder = Encoder(save(tmp_path, changed), special=True)
    assert encoder.note is not None and "<mask>" in encoder.note
    texts = ["a <mask> b", "a<mask>b", "<mask>"]
    assert list_ids(encoder, texts) == list_theirs(tokenizer, texts)
    assert Encoder(tmp_path / "tokenizer.json").note is None  # ordinary mode does not look for it


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("normalizer", {"type": "NFC"}, "normalizes text (NFC)"),
        ("pre_tokenizer", {"type": "Whitespace"}, "cuts text in another way"),
        (
            "pre_tokenizer",
            {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True},
            "cuts text in another way",
        ),
        ("decoder", None, "does not decode from bytes"),
    ],
)
def test_what_no_kernel_does_is_done_by_the_library_and_said(
    tmp_path: Path, description: dict[str, Any], part: str, value: Any, reason: str
) -> None:
    if value and value["type"] == "ByteLevel":
        value = {**value, "trim_offsets": True}
    changed = {**description, part: value}
    encoder = Encoder(save(tmp_path, changed))
    assert encoder.note is not None and reason in encoder.note
    texts = ["e\u0301 naïve kettle", "", "水壶"]
    assert list_ids(encoder, texts) == list_theirs(forget(changed), texts)
    assert encoder.decode(list_ids(encoder, texts)[0]) == forget(changed).decode(list_ids(encoder, texts)[0])


def test_a_file_that_is_no_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    for content in ("{}", "[1", '{"model": {"type": "BPE", "vocab": {}, "merges": []}}', '{"model": 3}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(DspipeError, match=r"tokenizer\.json: not a tokenizer\.json that dspipe reads"):
            Encoder(tmp_path / "tokenizer.json")
    with pytest.raises(DspipeError, match=r"nothing\.json"):
        Encoder(tmp_path / "nothing.json")


def test_the_sentences_of_the_model_are_read_by_sentencepiece(tmp_path: Path) -> None:
    import sentencepiece

    text = tmp_path / "text.txt"
    text.write_text("\n".join(line for one in make_texts(300) for line in one.split("\n") if line.strip()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(tmp_path / "small"), vocab_size=400, model_type="bpe",
        byte_fallback=True, minloglevel=2,
    )  # fmt: skip
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "small.model"))
    encoder = Encoder(tmp_path)  # the folder that holds it
    texts = ["kettle sings", "", "水壶 Ω", "a\nb"]
    assert list_ids(encoder, texts) == theirs.encode(texts)
    assert [encoder.decode(ids) for ids in list_ids(encoder, texts)] == [
        theirs.decode(theirs.encode(t)) for t in texts
    ]
    assert encoder.size == 400 == len(encoder.tokens) and encoder.special("</s>") == theirs.eos_id()
    assert encoder.count(texts).tolist() == [len(theirs.encode(text)) for text in texts]
    assert encoder.note is not None and "sentencepiece" in encoder.note


def test_end_of_text_in_a_page_is_text(tmp_path: Path) -> None:
    description = train(TEXTS, 400, specials=(END,))
    encoder = Encoder(save(tmp_path, description))
    ids = list_ids(encoder, [f"a{END}b"])[0]
    assert encoder.special(END) not in ids and encoder.decode(ids) == f"a{END}b"


def test_pieces_are_merged_without_being_cut_again(tmp_path: Path) -> None:
    encoder = Encoder(save(tmp_path, train(["kettle sings, the kettle"] * 9, size=300)))
    texts = ["kettle", "", " kettle sings", "a\xff", ""]
    text, offsets = text_buffers(pa.array(texts))
    ids, bounds = encoder.encode_pieces(text, offsets)
    assert (
        encoder.decode_bytes(ids) == "".join(texts).encode()
        and bounds[1] == bounds[2]
        and bounds[-1] == ids.size
    )
    alone = encoder.encode(["kettle"])[0]
    assert ids[: bounds[1]].tolist() == alone.tolist() and encoder.in_kernel


def test_a_pattern_that_the_library_cuts_is_encoded_alike_with_threads(tmp_path: Path) -> None:
    file = save(tmp_path, train(make_texts(40), size=400, pattern="o200k"))
    texts = make_texts(3000, seed=9)
    one, two = (Encoder(file, threads=threads).encode(texts) for threads in (1, 3))
    assert one[0].tolist() == two[0].tolist() and one[1].tolist() == two[1].tolist()


@pytest.mark.parametrize("ids", [[1.5], ["x"], [2**70], [-1], [10**6]])
def test_what_is_no_id_is_refused(tmp_path: Path, ids: list[Any]) -> None:
    encoder = Encoder(save(tmp_path, train(["kettle"] * 9, size=270)))
    with pytest.raises(DspipeError):
        encoder.decode(ids)
