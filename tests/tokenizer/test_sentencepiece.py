"""sentencepiece's models: what text gives back, what it never yields, and how small or large they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.layout import CHAT, SENTINELS, SPECIALS
from dspipe.recipe import BEGIN, RecipeError, Tokenizer
from dspipe.shards import write_parquet
from dspipe.tokenizer import sentences
from dspipe.tokenizer.sentences import cut_sentences, train_sentencepiece
from tests.support import make_id

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("draw", pa.int32())])
ADDED = (*SENTINELS, *CHAT)
TEXTS = [
    f"def name_{n}(kettle):\r\n\tif kettle == {n * 37}:\n\t\treturn 'the water sings {n % 7}';\n\n"
    f"    The cat sat on the mat; the kettle sang to it, {n} times over.  水壶在炉子上歌唱。Кот на печи.\n"
    for n in range(120)
]
HOSTILE = [
    "",
    " ",
    "\n",
    "a\0b\0",
    "\r\n\r\n\t\t \t\n",
    "   run   of      spaces          ",
    "\t\tif x:\r\n\t\t\treturn\r",
    "no entry: Ω 𝄞 \U0010ffff \ufeff\u200b\u2028\u3000\x85\x7f\x01",
    "e\u0301 é ﬁ ① Ａ İ",
    "▅▅ ▆ <0x41> <unk> <s> </s>",
    "1234567890",
    "x" * 5000 + "\n" * 5000,
]


def write_mixture(folder: Path, texts: list[Any], parts: int = 1) -> list[Path]:
    files = []
    for part in range(parts):
        mine = texts[part::parts]
        ids = [make_id(f"{part} {number}") for number in range(len(mine))]
        batch = pa.record_batch([ids, pa.array(mine, pa.large_string()), [0] * len(mine)], schema=SCHEMA)
        files.append(folder / f"part-{part}.parquet")
        write_parquet(folder, files[-1].name, SCHEMA, [batch])
    return files


def train(folder: Path, texts: list[Any], **settings: Any) -> tuple[dict[str, Any], Encoder]:
    chosen = Tokenizer(trainer="sentencepiece", **{"vocab_size": 600, "seed": 1, **settings})
    facts = train_sentencepiece(chosen, write_mixture(folder, texts), folder, lambda done, total: None)
    return facts, Encoder(folder)


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return train(tmp_path_factory.mktemp(request.param), TEXTS, model=request.param)[1]


def test_every_text_comes_back_as_it_was(encoder: Encoder) -> None:
    for text in (*HOSTILE, *TEXTS[:5]):
        ids, _ = encoder.encode([text])
        assert encoder.decode(ids) == text
        assert encoder.decode_bytes(ids) == text.encode()


def test_the_mark_of_a_space_is_read_back_as_a_space(encoder: Encoder) -> None:
    assert encoder.decode(encoder.encode(["a▁b"])[0]) == "a b"


def test_no_text_yields_a_special_token(encoder: Encoder) -> None:
    names = (*SPECIALS, "<unk>", *ADDED)
    text = "".join(f"{name} and{name}" for name in names)
    assert not {encoder.special(name) for name in names} & set(encoder.encode([text])[0].tolist())


def test_special_tokens_come_first_and_the_vocabulary_is_as_large_as_ours(encoder: Encoder) -> None:
    assert [encoder.special(name) for name in (*SPECIALS, "<unk>", *ADDED)] == list(range(4 + len(ADDED)))
    assert encoder.size <= 600 + len(ADDED)


def test_digits_stand_alone(encoder: Encoder) -> None:
    assert encoder.count(["1234567"]).tolist() == [7]


def test_a_vocabulary_is_filled_where_the_text_supports_it(tmp_path: Path) -> None:
    facts, encoder = train(tmp_path, TEXTS, vocab_size=400)
    assert (facts["base"], facts["vocabulary"], encoder.size) == (400, 415, 415)
    assert facts["model_rows"] == encoder.rows == 512 and "asked" not in facts["line"][0]


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_a_small_text_ends_with_the_size_that_it_supports(tmp_path: Path, model: str) -> None:
    facts, encoder = train(tmp_path, ["the cat sat on the mat, the cat"], vocab_size=8000, model=model)
    assert 260 < facts["base"] < 320 and facts["vocabulary"] == encoder.size
    assert "the text supports no more: 8,000 were asked for" in facts["line"][0]


@pytest.mark.parametrize("texts", [[], [""], ["\n\n\n"], ["▅"], ["\0"], [None]])
def test_a_text_of_next_to_nothing_gives_bytes(tmp_path: Path, texts: list[Any]) -> None:
    _, encoder = train(tmp_path, texts)
    assert encoder.decode(encoder.encode(["water\n"])[0]) == "water\n"


def test_too_few_entries_for_the_characters_is_a_fault_of_the_recipe(tmp_path: Path) -> None:
    texts = ["".join(map(chr, range(0x4E00, 0x4E00 + 1000)))]
    with pytest.raises(
        RecipeError, match=r"tokenizer\.vocab_size: 259 is too few .* give at least ([\d,]+)"
    ) as found:
        train(tmp_path, texts, vocab_size=259)
    least = int(str(found.value).rsplit(" ", 1)[1].replace(",", ""))
    assert train(tmp_path, texts, vocab_size=least)[0]["base"] == least


def test_the_recipe_may_name_other_tokens(tmp_path: Path) -> None:
    names = {"specials": ["<unk>", "<s>", 'a,"b'], "added": [BEGIN, "</s>"], "placeholders": 1}
    _, encoder = train(tmp_path, TEXTS[:9], **names)
    order = ["<unk>", "<s>", 'a,"b', "<｜place▁holder▁no▁0｜>", BEGIN, "</s>"]
    assert [encoder.special(name) for name in order] == list(range(6))


def test_the_same_texts_give_the_same_bytes_again(tmp_path: Path) -> None:
    for model in ("bpe", "unigram"):
        contents = []
        for run in range(2):
            train(tmp_path / f"{model}-{run}", TEXTS[:30], model=model)
            contents.append((tmp_path / f"{model}-{run}" / "tokenizer.model").read_bytes())
        assert contents[0] == contents[1]


def test_a_large_mixture_is_sampled_by_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_mixture(tmp_path, TEXTS * 10, parts=2)
    whole = sum(len(text.encode()) for text in TEXTS * 10)
    monkeypatch.setattr(sentences, "SAMPLE_BYTES", whole // 4)
    monkeypatch.setattr(sentences, "DOCUMENT_BYTES", 100)
    sample = sentences.measure_sample(files)
    assert sample.highest is not None and sample.whole == whole

    def read(seed: int, order: list[Path]) -> list[str]:
        return list(sentences.read_sentences(order, sample.highest, seed, lambda done, total: None))

    taken = read(1, files)
    assert taken != read(2, files) and sorted(taken) == sorted(read(1, files[::-1]))
    size = sum(len(text.encode()) for text in taken)
    assert all(len(text.encode()) <= 101 for text in taken) and 0.9 * whole / 4 < size < 1.1 * whole / 4
    facts = train_sentencepiece(Tokenizer(vocab_size=400, seed=1), files, tmp_path, lambda done, total: None)
    assert "from a sample of" in facts["line"][0]


def test_sentences_end_at_line_ends_and_lose_nothing() -> None:
    lines = "".join(f"line {n}\n\n" for n in range(3000))
    for text in (*HOSTILE, lines, "x" * 20_000, "word " * 9000, "\n" * 9000):
        pieces = cut_sentences(text)
        held = [
            piece[:-1] if piece[-2:-1] in ("\r", "\n") and piece[-1] == " " else piece for piece in pieces
        ]
        assert "".join(held) == text.replace("▅", "\0")
        assert all(0 < len(piece) <= 4097 and piece[-1] not in "\r\n" for piece in pieces)
    assert all(piece.startswith(("line", "\n")) for piece in cut_sentences(lines))
    assert all(piece.startswith(("word", " word")) for piece in cut_sentences("word " * 9000)[:-1])


def test_a_line_break_at_the_end_of_a_text_is_learnt(tmp_path: Path) -> None:
    _, encoder = train(tmp_path, ["water;\n"] * 40)
    assert b";\n" in encoder.tokens
