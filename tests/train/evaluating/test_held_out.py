from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dspipe.recipe import DspipeError
from dspipe.schema import validation
from dspipe.shards import Artifact
from dspipe.train.evaluating.held_out import choose_rows, open_held_out
from tests.reference.rows import make_held_out, read_file, write_file

LABELS = [("code", None)] * 3 + [("math", "en")] * 2 + [(None, "no")] * 4


@pytest.fixture
def sequences(tmp_path: Path) -> Artifact:
    return make_held_out(tmp_path / "sequences", LABELS)


def place(sequences: Artifact) -> Path:
    return sequences.folder / "validation/L16.arrow"


@pytest.mark.parametrize("size", [1, 4, 100])
def test_all_rows_come_in_order_with_their_labels(size: int, sequences: Artifact) -> None:
    held_out = open_held_out(sequences, 16, 1 << 20, 61)
    batches = list(held_out.batches(size))
    tokens, lengths = read_file(place(sequences))
    assert np.concatenate([batch.tokens_BL for batch in batches]).tolist() == tokens.tolist()
    counted = np.concatenate([batch.valid_BL.sum(1) for batch in batches])
    assert counted.tolist() == [sum(row) for row in lengths]
    assert held_out.labels == [(*label, False) for label in LABELS]


def test_fewer_rows_are_taken_at_even_distances(sequences: Artifact) -> None:
    held_out = open_held_out(sequences, 16, 16 * 3 + 15, 61)
    assert held_out.rows.tolist() == [0, 3, 6]
    assert held_out.labels == [(*LABELS[row], False) for row in (0, 3, 6)]
    tokens, _ = read_file(place(sequences))
    (batch,) = held_out.batches(8)
    assert batch.tokens_BL.tolist() == tokens[[0, 3, 6]].tolist()


def test_chosen_rows_are_as_many_as_asked_for_and_each_once() -> None:
    for count in range(8):
        for wanted in range(10):
            rows = choose_rows(count, wanted).tolist()
            assert len(rows) == min(count, wanted) == len(set(rows)) and rows == sorted(rows)
            assert all(0 <= row < count for row in rows)
    assert len(choose_rows(10**9, 10**6)) == 10**6


def test_rows_of_infilled_documents_are_labelled_so(tmp_path: Path) -> None:
    held_out = open_held_out(make_held_out(tmp_path, LABELS, infilled=(2, 5)), 16, 1 << 20, 61)
    assert [label.infilled for label in held_out.labels] == [row in (2, 5) for row in range(9)]


def test_no_rows_are_no_error(sequences: Artifact) -> None:
    for length, slots in ((16, 15), (16, 0), (32, 1 << 20)):
        held_out = open_held_out(sequences, length, slots, 61)
        assert not held_out.labels and not list(held_out.batches(4))


def test_a_row_that_was_altered_or_has_an_unknown_token_is_refused_by_name(sequences: Artifact) -> None:
    held_out = open_held_out(sequences, 16, 1 << 20, 10)
    with pytest.raises(DspipeError, match=r"validation/L16\.arrow:\d holds the token \d+, .*--rebuild pack"):
        list(held_out.batches(4))
    content = bytearray(place(sequences).read_bytes())
    tokens, _ = read_file(place(sequences))
    content[content.index(tokens[5].tobytes()) + 3] ^= 1
    place(sequences).write_bytes(content)
    with pytest.raises(DspipeError, match=r"validation/L16\.arrow:5 was altered.*--rebuild pack"):
        list(open_held_out(sequences, 16, 1 << 20, 61).batches(4))


@pytest.mark.parametrize("damage", ["cut", "emptied", "rows", "columns", "text"])
def test_a_damaged_file_is_refused(damage: str, sequences: Artifact) -> None:
    path = place(sequences)
    content = path.read_bytes()
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "rows":
        write_file(path, table.slice(0, 7))
    elif damage == "columns":
        write_file(path, table.drop_columns("language"))
    else:
        assert b"codecode" in content
        path.write_bytes(content.replace(b"codecode", b"code\xff\xfe\xfd\xfc"))
    with pytest.raises(DspipeError, match=r"validation/L16\.arrow.*--rebuild pack"):
        open_held_out(sequences, 16, 1 << 20, 61)


def test_held_out_rows_have_the_columns_that_packing_writes(sequences: Artifact) -> None:
    with pa.OSFile(str(place(sequences))) as source:
        assert pa.ipc.open_file(source).schema == validation(16)
