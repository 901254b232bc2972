"""`dspipe bench filter`: documents from anywhere, a yardstick in another process, the figures of a run."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from dspipe.bench import Options, filter, yardstick
from dspipe.bench.documents import find_documents, hold, measure_bytes, multiply
from dspipe.bench.peers import datatrove_filters
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import read_batches
from tests.support import document, make_artifact

ROOT = Path(__file__).parent.parent.parent
TEXT = "The road to the harbour is long, and all of the boats have been there with their nets since {}."


def write_texts(path: Path, count: int) -> Path:
    lines = [json.dumps({"text": " ".join([TEXT.format(number)] * 5)}) for number in range(count)]
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_documents_come_from_files_and_from_an_artifact(tmp_path: Path) -> None:
    made = find_documents(str(write_texts(tmp_path / "few.jsonl", 7)), tmp_path, 0)
    assert made.rows == 7 and made.bytes == sum(
        len(" ".join([TEXT.format(number)] * 5)) for number in range(7)
    )
    assert find_documents(str(made.artifact.folder), tmp_path, 0).bytes == made.bytes


def test_data_without_a_text_is_refused(tmp_path: Path) -> None:
    empty = make_artifact(tmp_path / "documents", [[document("", "empty")]])
    with pytest.raises(RecipeError, match="holds no text; give documents with --data"):
        find_documents(str(empty.folder), tmp_path, 0)


def test_as_much_text_is_held_as_is_wanted_and_one_document_at_least(tmp_path: Path) -> None:
    rows = [[document("12345", f"{part} {row}") for row in range(4)] for part in range(2)]
    documents = find_documents(str(make_artifact(tmp_path / "documents", rows).folder), tmp_path, 0)
    assert [sum(map(measure_bytes, hold(documents, most))) for most in (0, 1, 10, 11, 21, 99)] == [
        0,
        5,
        10,
        15,
        25,
        40,
    ]


def test_parts_are_repeated_until_there_are_rows_enough(tmp_path: Path) -> None:
    rows = [[document("one", "1"), document("two", "2")], [document("three", "3")]]
    more = multiply(make_artifact(tmp_path / "documents", rows), 7, tmp_path / "more")
    texts = [
        text for file in more.files for batch in read_batches(file) for text in batch["text"].to_pylist()
    ]
    assert texts == ["one", "two", "three"] * 2 + ["one", "two"] and more.rows == 8


def test_a_yardstick_answers_line_by_line_and_its_end_is_told(tmp_path: Path) -> None:
    script = tmp_path / "echo.py"
    script.write_text("print('[0]', flush=True)\nprint('[\"' + input() + '\"]', flush=True)\n", "utf-8")
    with yardstick.Yardstick(sys.executable, str(script)) as peer:
        assert peer.greeting == [0] and peer.ask("all") == ["all"]
        with pytest.raises(DspipeError, match="ended with code 0 and no answer"):
            peer.ask("more")


def test_a_script_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    script = tmp_path / "fail.py"
    script.write_text("raise SystemExit('no such file')", "utf-8")
    with pytest.raises(DspipeError, match=r"fail\.py: no such file"):
        yardstick.call(sys.executable, str(script))


def test_an_interpreter_must_have_the_yardstick() -> None:
    assert yardstick.find_interpreter(None, "json") == sys.executable
    assert yardstick.find_interpreter(None, "no_such_package") is None
    with pytest.raises(RecipeError, match="lacks json or no_such_package; pip install json no_such_package"):
        yardstick.find_interpreter(sys.executable, "json", "no_such_package")
    with pytest.raises(RecipeError, match="--peer /nowhere/python: cannot be run"):
        yardstick.find_interpreter("/nowhere/python", "json")


def test_every_rule_of_datatrove_has_bounds_to_compare_it_with() -> None:
    spec = importlib.util.spec_from_file_location("compare", ROOT / "benchmarks" / "compare_datatrove.py")
    assert spec is not None and spec.loader is not None
    compare = importlib.util.module_from_spec(spec)
    sys.modules["compare"] = compare
    spec.loader.exec_module(compare)
    peer = datatrove_filters
    asked = [*peer.QUALITY, *peer.REPETITION, *peer.FINEWEB, *peer.C4]
    assert sorted(compare.BOUNDS) == sorted(asked)


def test_a_run_measures_judges_and_retunes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter, "MILLION", 10)
    monkeypatch.setattr(filter, "PACKAGES", ("no_such_package",))
    said: list[str] = []
    data = str(write_texts(tmp_path / "few.jsonl", 7))
    figures = filter.run(Options(data=data, repeat=1, workers=1), said.append)
    assert figures["data"]["documents"] == 7 and figures["datatrove"] is None
    rates = figures["judging"]["rates"]
    assert all(rate["megabytes_per_second"].least > 0 for rate in rates.values()) and len(rates) == 5
    assert figures["judging"]["share_of_language"].median > 0
    assert figures["retuning"]["documents"] == 14 and figures["retuning"]["again"] > 0
    assert any(line.startswith("no yardstick: pip install no_such_package elsewhere") for line in said)
