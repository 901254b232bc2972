"""`dspipe bench language` from end to end on a few texts, and what it reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.bench.guessers import ask_py3langid
from dspipe.bench.labelled import Labelled, name_language, read_labelled
from dspipe.recipe import RecipeError
from tests.filter.test_language import SENTENCES
from tests.reference import language as reference
from tests.test_cli import call


def write_texts(path: Path) -> Path:
    """Every language twice: as it is, and its sentence often enough to be joined with another's."""
    rows = [(name, text) for name, text in SENTENCES.items()]
    rows += [(name, "\n".join([text] * (1200 // len(text) + 1))) for name, text in SENTENCES.items()]
    with gzip.open(path, "wt") as lines:
        for name, text in rows:
            lines.write(json.dumps({"text": text, "language": f"{name}-xx", "id": name}) + "\n")
    return path


def test_the_command_ends_with_one_line_of_json(tmp_path: Path) -> None:
    data = write_texts(tmp_path / "texts.jsonl.gz")
    done = call("bench", "language", "--data", data, "--repeat", 1)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    figures = json.loads(last)["figures"]
    assert figures["data"]["texts"] == 20 and any("py3langid" in line for line in lines)
    for agreement in figures["agreement"].values():
        assert agreement["differing"] == 0 and agreement["asked"] >= 20
    assert figures["accuracy"]["languages"] == {name: {name: 2} for name in SENTENCES}
    assert figures["accuracy"]["programs"]["dspipe"] == {"all": 1.0, "mean": 1.0}
    assert figures["mixtures"]["called_mixtures"] == 0
    assert figures["mixtures"]["joined_called_mixtures"] == figures["mixtures"]["second_right"] == 10
    assert figures["lines"]["dspipe, lines"]["ratio"]["median"] > 0


def test_texts_are_read_from_parquet_and_json_lines(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", None, "b"], "language": ["pt-br", "en", None]})
    pq.write_table(table, tmp_path / "one.parquet")
    (tmp_path / "two.jsonl").write_text('{"text": "c", "language": "nb"}\n{"text": "d"}\n')
    found = read_labelled(str(tmp_path / "*"))
    assert found.texts == ("a", "b", "c", "d") and found.languages == ("pt", None, "no", None)
    assert [name_language(label) for label in ("zh_TW", "no-nb", "EN", "", None)] == [
        "zh",
        "no",
        "en",
        None,
        None,
    ]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"words": "c"}\n')
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "bad.parquet")
    for name in ("bad.jsonl", "bad.parquet"):
        with pytest.raises(RecipeError, match=f"{name} cannot be read as .* check --data"):
            read_labelled(str(tmp_path / name))
    with pytest.raises(RecipeError, match="no file matches"):
        read_labelled(str(tmp_path / "absent*"))


def test_texts_that_are_timed_are_from_all_over() -> None:
    texts = Labelled("given", tuple("abcdefghij"), ("en",) * 10)
    assert texts.hold(5).texts == tuple("acegi") and texts.hold(3).texts == tuple("adg")
    assert texts.hold(10) == texts.hold(25) == texts


def test_py3langid_is_asked_as_the_tests_ask_it() -> None:
    for text in [*SENTENCES.values(), "", "E\u0301TE\u0301 A PARIS"]:
        name, lead, _ = ask_py3langid(text)
        expected, other = reference.guess(text)
        assert (name, lead) == (expected or "und", other)
