"""Languages of documents and of their lines against py3langid's own answers."""

from __future__ import annotations

import gzip
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.languages import model
from dspipe.filter.languages.bayes import NaiveBayes
from dspipe.filter.languages.files import describe_language_model, find_packed_model
from dspipe.filter.languages.find import find_languages
from dspipe.filter.languages.guess import Guess
from dspipe.filter.languages.spans import find_prefixes, iterate_lines
from dspipe.recipe import Filter
from dspipe.schema import SIGNALS
from dspipe.text.arrow import text_buffers
from tests.reference import language as reference
from tests.text.strategies import batches, mixed_texts

CORPUS = Path(os.environ.get("DSPIPE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
SENTENCES = {
    "en": "The survivor of every cluster is the copy whose quality is best, so quality must be known first.",
    "de": "Der Zug nach München fährt heute leider erst eine Stunde später vom anderen Bahnsteig ab.",
    "fr": "Les élèves de cette école apprennent à lire et à écrire avant l'âge de sept ans.",
    "no": "Jeg vet ikke hva vi skal gjøre i morgen, men været blir nok fint uansett hvor vi reiser.",
    "ru": "Сегодня вечером мы собираемся пойти в театр вместе со старыми друзьями.",
    "zh": "我们今天下午在图书馆里讨论了很久关于这本书的内容和作者的想法。",
    "ja": "今日は天気がとても良いので、友達と一緒に公園へ散歩に行きました。",
    "ar": "ذهبت إلى السوق صباح اليوم لأشتري بعض الخضروات والفواكه الطازجة.",
    "th": "วันนี้อากาศดีมากจึงไปเดินเล่นที่สวนสาธารณะกับเพื่อนของฉัน",
    "vi": "Hôm nay trời rất đẹp nên chúng tôi đi dạo trong công viên cùng với bạn bè.",
}
LINES = Filter(language_lines=True)


def find(texts: list[str | None], settings: Filter = LINES) -> dict[str, list[Any]]:
    """The columns, as lists."""
    columns = find_languages(pa.array(texts, pa.large_string()), settings)
    return {name: column.to_pylist() for name, column in columns.items()}


def assert_like_py3langid(text: str, label: int, margin: float) -> None:
    """What the model says is in no language is "und" there, and -1 here, as is what it knows nothing of."""
    expected, lead = reference.guess(text)
    prepared = unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
    size = max(len(prepared.encode()), 1)
    assert margin == pytest.approx(lead / size**0.5, abs=2e-3), repr(text)
    found = model.load_model().names[label] if label >= 0 else "und"
    # Sums in another order differ in the last bits: two labels that close are both right.
    assert found == (expected or "und") or lead < 0.01, repr(text)


def assert_all_like_py3langid(texts: list[str], characters: int = 500) -> None:
    text, offsets = text_buffers(pa.array(texts, pa.large_string()))
    guess = NaiveBayes().guess(text, find_prefixes(text, offsets, characters))
    for one, label, margin in zip(texts, guess.label, guess.margin, strict=True):
        assert_like_py3langid(one[:characters], int(label), float(margin))


def test_each_language_is_recognized() -> None:
    found = find(list(SENTENCES.values()))
    assert found["language"] == list(SENTENCES) and min(found["language_margin"]) > 0.5
    assert found["language_share"] == [1.0] * len(SENTENCES) and set(found["second_language"]) == {None}


def test_answers_are_those_of_py3langid_in_lower_upper_and_decomposed_text() -> None:
    texts = [*SENTENCES.values(), "", " ", "1234", "\0\0", "a"]
    texts += [text.upper() for text in texts] + [text.title() for text in texts]
    texts += [unicodedata.normalize("NFD", text) for text in texts]
    texts += ["ΟΙ ΜΑΘΗΤΕΣ ΤΗΣ ΠΡΩΤΗΣ ΤΑΞΗΣ", "KİTAPLARIN HEPSİ İYİDİR", "ΑΣ,ΒΣ ΣΣ"]
    for characters in (1, 20, 500):
        assert_all_like_py3langid(texts, characters)


@settings(max_examples=150, deadline=None)
@given(st.lists(mixed_texts, min_size=1, max_size=5))
def test_answers_are_those_of_py3langid_on_any_characters(texts: list[str]) -> None:
    known = [text for text in texts if all(unicodedata.category(c) != "Cn" for c in text)]
    assert_all_like_py3langid([text for text in known if not (text.isupper() and "Σ" in text)])


def test_many_repeats_are_counted_as_py3langid_counts_them() -> None:
    assert_all_like_py3langid(["the " * 3000, "на " * 5000, "ab" * 9000, " " * 20000], 1 << 20)


def read_corpus(name: str) -> list[str]:
    if not (CORPUS / name).is_file():
        pytest.skip(f"{CORPUS / name} is not on this machine")
    if name.endswith("parquet"):
        texts: list[str] = pq.read_table(CORPUS / name)["text"].to_pylist()
        return texts
    with gzip.open(CORPUS / name) as lines:
        return [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize("name", ["multilingual.parquet", "prose.jsonl.gz", "math.jsonl.gz"])
def test_answers_are_those_of_py3langid_on_real_text(name: str) -> None:
    texts = read_corpus(name)
    assert_all_like_py3langid(texts[:: 1 + len(texts) // 700])


def test_answers_on_lines_are_those_of_py3langid_on_each_line() -> None:
    text, offsets = text_buffers(pa.array(read_corpus("multilingual.parquet")[::7], pa.large_string()))
    asked = 0
    for _, lines in iterate_lines(text, offsets, 20):
        guess = NaiveBayes().guess(text, lines)
        for place in range(0, lines.starts.size, 11):
            line = text[lines.starts[place] : lines.ends[place]].tobytes().decode()
            assert_like_py3langid(line, int(guess.label[place]), float(guess.margin[place]))
            asked += 1
    assert asked > 500


def test_weights_are_those_of_the_package_without_rounding() -> None:
    from py3langid.modelio import load_model

    logarithms, _, labels, *_ = load_model(find_packed_model())
    logarithms = np.asarray(logarithms, np.float64)
    weights, unit = model.make_weights(logarithms)
    assert np.array_equal(-unit * weights[1:, : len(labels)], logarithms) and not weights[0].any()
    assert model.TOGETHER * int(weights.max()) < 1 << 16


def test_short_texts_noise_and_nothing_are_undetermined() -> None:
    noise = ["Too short", "", None, "3 + 4 = 7; " * 30, "9fceb02d0ae598e95dc970b74767f19372d61af8 " * 3]
    found = find(noise)
    assert set(found["language"]) == {"und"} and set(found["second_language"]) == {None}
    assert found["language_share"] == [None] * len(noise)


def test_letters_and_margin_can_be_set() -> None:
    texts = ["Guten Morgen, Welt", SENTENCES["no"]]
    assert find(texts)["language"] == ["und", "no"]
    assert find(texts, Filter(language_letters=15))["language"] == ["de", "no"]
    assert find(texts, Filter(language_letters=16))["language"] == ["und", "no"]
    assert find(texts, Filter(language_letters=15, language_margin=3.0))["language"] == ["und", "no"]
    assert find(texts, Filter(language_margin=30.0))["language"] == ["und", "und"]


def test_only_the_first_characters_decide() -> None:
    text = SENTENCES["ja"] + SENTENCES["en"] * 20
    assert find([text], Filter(language_characters=30))["language"] == ["ja"]
    assert find([text], Filter(language_characters=2000))["language"] == ["en"]


def test_columns_are_those_of_the_signals_and_null_where_lines_are_not_asked_for() -> None:
    for given_settings in (LINES, Filter()):
        columns = find_languages(pa.array([*SENTENCES.values(), None]), given_settings)
        assert list(columns) == ["language", "language_margin", "language_share", "second_language"]
        assert all(columns[name].type == SIGNALS.field(name).type for name in columns)
    assert columns["language_share"].null_count == columns["second_language"].null_count == 11
    empty = find_languages(pa.array([], pa.large_string()), LINES)
    assert all(len(column) == 0 and column.type == SIGNALS.field(name).type for name, column in empty.items())


def join(*parts: tuple[str, int]) -> str:
    """Paragraphs of these languages, so many of each."""
    return "\n\n".join(f"{number}. {SENTENCES[name]}" for name, count in parts for number in range(count))


def test_documents_in_several_languages_are_recognized() -> None:
    texts = [
        join(("en", 9), ("de", 6)),
        join(("de", 5), ("en", 10)),
        join(("ru", 6), ("fr", 3), ("zh", 2)),
        join(("no", 8)),
        "\n".join(f"{SENTENCES['fr']}\n{SENTENCES['en']}" for _ in range(8)),  # line by line, as subtitles
    ]
    found = find(texts)
    assert found["language"] == ["en", "de", "ru", "no", "fr"]
    assert found["second_language"] == ["de", "en", "fr", None, "en"]
    shares = [share_of("en", 9, "de", 6), share_of("de", 5, "en", 10), None, 1.0, share_of("fr", 1, "en", 1)]
    for share, expected in zip(found["language_share"], shares, strict=True):
        assert expected is None or share == pytest.approx(expected)


def share_of(own: str, count: int, other: str, others: int) -> float:
    mine, theirs = (reference.count_letters(SENTENCES[name]) for name in (own, other))
    return mine * count / (mine * count + theirs * others)


def test_a_quotation_is_seen_and_takes_little_of_the_share() -> None:
    found = find([join(("en", 6)) + f"\n\n> {SENTENCES['de']}\n\n" + join(("en", 6))])
    assert found["language"] == ["en"] and found["second_language"] == ["de"]
    assert 0.9 < found["language_share"][0] < 1


def test_a_line_in_two_languages_is_in_the_one_that_prevails_or_in_none() -> None:
    switching = "So I told him: ja klar, aber nur wenn du morgen auch wirklich mitkommst, and he said okay."
    found = find([join(("en", 5)) + "\n" + switching])
    assert found["second_language"][0] in (None, "de") and found["language_share"][0] > 0.8


def test_cells_of_a_bilingual_table_are_too_short_to_be_guessed() -> None:
    rows = [("house", "Haus"), ("train station", "Bahnhof"), ("to go", "gehen"), ("quickly", "schnell")] * 5
    cells = "\n".join(f"{english}\n{german}" for english, german in rows)
    found = find([join(("en", 3)) + "\n" + cells])
    assert found["language_share"] == [1.0] and found["second_language"] == [None]


def test_asking_for_lines_changes_nothing_else() -> None:
    texts = [join(("en", 3), ("de", 9)), SENTENCES["th"], "", None, "x"]
    with_lines, without = find(texts), find(texts, Filter())
    for name in ("language", "language_margin"):
        assert with_lines[name] == without[name]


def test_a_line_in_another_language_needs_twice_the_margin() -> None:
    text, offsets = text_buffers(pa.array([SENTENCES["de"]]))
    margin = float(NaiveBayes().guess(text, find_prefixes(text, offsets, 500)).margin[0])
    document = [SENTENCES["en"] + "\n" + SENTENCES["de"]]
    prefix = len(SENTENCES["en"])
    for factor, second in ((0.49, "de"), (0.51, None)):
        chosen = Filter(language_lines=True, language_characters=prefix, language_margin=factor * margin)
        assert find(document, chosen)["second_language"] == [second]


def test_of_two_languages_with_as_many_letters_the_first_by_name_is_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(self: NaiveBayes, text: Any, spans: Any) -> Guess:
        names = self.names
        wanted = [names.index({b"c": "en", b"b": "th", b"a": "de"}[text[start : start + 1].tobytes()])
                  for start in spans.starts]  # fmt: skip
        return Guess(np.array(wanted), np.full(len(wanted), 9, np.float32))

    monkeypatch.setattr(NaiveBayes, "guess", answer)
    texts = ["c" * 30 + "\n" + "b" * 25 + "\n" + "a" * 25, "c" * 30 + "\n" + "a" * 25 + "\n" + "b" * 26]
    assert find(texts, LINES)["second_language"] == ["de", "th"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([*SENTENCES.values(), "", "Short", "\r", " ", "1 2 3"]), max_size=12), batches
)
def test_shares_are_those_of_a_loop_over_lines(pieces: list[str], others: list[str | None]) -> None:
    texts = ["\n".join(pieces), "\r\n".join(pieces[::-1]), *others]
    found = find(texts)
    for place, text in enumerate(texts):
        share, second = reference.describe_lines(text or "", found["language"][place], LINES)
        assert found["second_language"][place] == second
        assert found["language_share"][place] == (None if share is None else pytest.approx(share))


def test_hostile_bytes_cost_nobody_an_answer() -> None:
    rows = [
        b"\xff\xc3" + b"E\xcc\x81" * 50,
        SENTENCES["de"].encode(),
        b"\0" * 100,
        b"\n" * 1000,
        b"\xcc\x81\xcc",
    ]
    rows += ["É".encode() * 9 + b"\xed\xa0\x80", SENTENCES["fr"].encode()]
    offsets = np.cumsum([0, *map(len, rows)])
    array = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(b"".join(rows)))
    found = find_languages(array, LINES)["language"].to_pylist()
    assert (found[1], found[6]) == ("de", "fr") and found[2:4] == ["und", "und"]


def test_a_line_of_a_megabyte_is_one_line() -> None:
    found = find([SENTENCES["en"] * 10_000 + "\n" + SENTENCES["de"] * 10])
    assert found["language"] == ["en"] and found["second_language"] == ["de"]
    assert found["language_share"][0] > 0.99


def test_a_broken_cache_is_unpacked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = model.load_model()
    arrays = {name: getattr(known, name) for name in (*model.ARRAYS, "names")}
    monkeypatch.setattr(model, "arrange_model", lambda packed: arrays)
    monkeypatch.setattr(model, "cache_folder", lambda: tmp_path)
    whole = model.load_model.__wrapped__()
    (folder,) = tmp_path.iterdir()
    (folder / "weights.npy").unlink()  # a file that is mapped may not shrink
    (folder / "weights.npy").write_bytes(b"")
    again = model.load_model.__wrapped__()
    assert np.array_equal(whole.weights[:5], again.weights[:5]) and [folder] == list(tmp_path.iterdir())


def test_the_model_is_described_by_its_content() -> None:
    described = describe_language_model(Filter())
    assert described["file"] == "model.npz.xz" and described["bytes"] > 1_000_000 and described["sample"]
