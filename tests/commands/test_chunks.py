"""`dspipe trace` forwards, its last step: where a document's tokens lie, and when they are trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dspipe.commands.packed import parts_by_length
from dspipe.commands.trace.chunks import find_chunks
from dspipe.commands.trace.training import plan_training, read_record, rows_of_step
from dspipe.recipe import DspipeError
from dspipe.shards import open_artifact
from tests.commands.packs import SETTINGS, kettle, make_run


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "kettles")


def find(run: Path, number: int) -> list[dict[str, Any]]:
    return find_chunks(run, open_artifact(run / "sequences"), kettle(number))


def test_every_chunk_has_its_row_its_place_there_and_in_the_document(packed: Path) -> None:
    first, second, *longer = find(packed, 2)
    assert {key: value for key, value in first.items() if key != "steps"} == {
        "part": "L32/part-00000.arrow", "row": 1, "number": 1, "length": 32, "first token": 16, "tokens": 10,
        "document token": 0, "draw": 0, "fim": False,
    }  # fmt: skip
    assert (second["part"], second["row"], second["number"]) == ("L32/part-00001.arrow", 0, 3)
    assert (second["document token"], second["tokens"], second["fim"]) == (10, 14, True)
    assert [(chunk["length"], chunk["number"]) for chunk in longer] == [(64, 1), (64, 2)]


def test_draws_are_told_apart(packed: Path) -> None:
    chunks = [chunk for chunk in find(packed, 0) if chunk["length"] == 32]
    assert [(chunk["number"], chunk["draw"]) for chunk in chunks] == [(0, 0), (2, 1), (3, 1), (4, 0)]


def test_the_steps_of_a_chunk_are_those_that_take_its_row(packed: Path) -> None:
    record, sequences = read_record(packed), open_artifact(packed / "sequences")
    assert record is not None
    training = plan_training(record, sequences)
    taken = [rows_of_step(training, step) for step in range(1, SETTINGS["steps"] + 1)]
    for chunk in [chunk for number in range(4) for chunk in find(packed, number)]:
        assert chunk["steps"] == [
            step
            for step, (length, rows) in enumerate(taken, 1)
            if length == chunk["length"] and chunk["number"] in rows
        ]
    assert set(parts_by_length(sequences)) == {length for length, _ in taken}


def test_held_out_documents_are_said_to_be_held_out(packed: Path) -> None:
    (chunk,) = find(packed, 4)
    assert chunk["held out"] and chunk["part"] == "validation/L32.arrow" and chunk["row"] == 0
    assert "steps" not in chunk
    assert (chunk["domain"], chunk["language"]) == ("code", "no")


def test_without_a_training_there_are_no_steps(tmp_path: Path, packed: Path) -> None:
    shutil.copytree(packed, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "model")
    chunks = find(tmp_path / "copy", 0)
    assert len(chunks) == 6 and all("steps" not in chunk for chunk in chunks)


def test_an_altered_row_of_the_document_is_refused(tmp_path: Path, packed: Path) -> None:
    shutil.copytree(packed, tmp_path / "copy")
    path = tmp_path / "copy" / "sequences" / "validation" / "L32.arrow"
    content = path.read_bytes()
    padding = (2).to_bytes(4, "little") * 8
    path.write_bytes(content.replace(padding, padding[:-4] + b"\1\0\0\0"))
    with pytest.raises(DspipeError, match=r"validation/L32.arrow:0: the row is not what was packed"):
        find(tmp_path / "copy", 4)
    assert find(tmp_path / "copy", 0)


def test_a_document_that_was_not_packed_has_no_chunks(packed: Path) -> None:
    assert find(packed, 99) == []
