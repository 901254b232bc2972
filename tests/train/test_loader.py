from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from dspipe.batch import IGNORED
from dspipe.recipe import DspipeError
from dspipe.train.loader import RowLoader, order_rows
from tests.reference.rows import write_file, write_rows


def test_every_row_comes_once_in_each_epoch(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=23, parts=3), 5, seed=1)
    seen = [row for step in range(1, 24) for row in loader.rows(step)]  # 115 rows: five epochs
    epochs = [seen[start : start + 23] for start in range(0, 115, 23)]
    assert all(sorted(epoch) == list(range(23)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_a_step_is_a_function_of_seed_and_number(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=2)
    first, second, other = RowLoader(files, 5, 1), RowLoader(files, 5, 1), RowLoader(files, 5, 2)
    later = second.batch(9)
    for step in range(1, 9):
        first.batch(step)
    assert torch.equal(first.batch(9).tokens_BL, later.tokens_BL)
    assert [first.rows(step) for step in range(1, 9)] != [other.rows(step) for step in range(1, 9)]


def test_rows_are_the_ones_in_the_files(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=3)
    tables = [pa.ipc.open_file(path).read_all() for path in files]
    tokens = [row for table in tables for row in table["tokens"].to_pylist()]
    lengths = [row for table in tables for row in table["lengths"].to_pylist()]
    loader = RowLoader(files, 6, seed=3)
    batch = loader.batch(2)
    for row, tokens_L, document_L in zip(loader.rows(2), batch.tokens_BL, batch.document_BL, strict=True):
        assert tokens_L.tolist() == tokens[row]
        assert torch.bincount(document_L[document_L >= 0]).tolist() == lengths[row]
        assert int((document_L >= 0).sum()) == sum(lengths[row])


def test_tokens_beyond_31_bits_of_id_and_padding_keep_their_meaning(tmp_path: Path) -> None:
    batch = RowLoader(write_rows(tmp_path, rows=4, parts=1, vocabulary=2**32 - 1), 4, seed=1).batch(1)
    assert int(batch.tokens_BL.min()) >= 0
    assert (batch.targets()[:, -1] == IGNORED).all()


def test_tokens_are_read_in_place(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=4, parts=1), 4, seed=1)
    assert all(not tokens.flags.owndata and not tokens.flags.writeable for tokens in loader.tokens)


def test_a_batch_larger_than_an_epoch_repeats_rows(tmp_path: Path) -> None:
    rows = RowLoader(write_rows(tmp_path, rows=3, parts=1), 8, seed=1).rows(1)
    assert sorted(rows[:3]) == sorted(rows[3:6]) == [0, 1, 2]


def test_a_row_is_described_by_file_and_place(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=3)
    loader = RowLoader(files, 5, seed=1)
    names = [loader.describe_row(row) for row in range(23)]
    assert names[0] == f"{files[0].name}:0"
    assert names[22].startswith(files[2].name)
    assert len(set(names)) == 23


def test_the_order_is_that_of_philox_and_stays(tmp_path: Path) -> None:
    assert order_rows(1, 0, 8).tolist() == [3, 5, 2, 7, 0, 6, 1, 4]  # another order would break resumed runs
    assert sorted(order_rows(-5, 2**40, 100).tolist()) == list(range(100))


@pytest.mark.parametrize("content", [b"", b"ARROW1 but not quite"])
def test_a_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "part-0.arrow"
    path.write_bytes(content)
    with pytest.raises(DspipeError, match=r"part-0\.arrow"):
        RowLoader([path], 1, seed=1)


def test_no_rows_and_rows_of_two_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DspipeError, match="no rows"):
        RowLoader([], 1, seed=1)
    files = write_rows(tmp_path / "a", rows=2, parts=1) + write_rows(
        tmp_path / "b", rows=2, parts=1, length=9
    )
    with pytest.raises(DspipeError, match="different lengths"):
        RowLoader(files, 1, seed=1)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    table = pa.table({"tokens": pa.array([[1, 2]], pa.list_(pa.int64())), "lengths": pa.array([[2]])})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DspipeError, match="fixed_size_list"):
        RowLoader([tmp_path / "x.arrow"], 1, seed=1)


def test_a_file_cut_at_any_place_is_named(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, rows=3, parts=1)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(DspipeError, match=r"part-00000\.arrow: "):
            RowLoader([path], 1, seed=1)


def test_a_file_altered_at_any_place_is_named_or_still_makes_sense(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, rows=3, parts=1)
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 3):
        path.unlink()  # a new file: the old one may still be mapped
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            loader = RowLoader([path], 1, seed=1)
            for step in range(1, 1 + loader.row_count):
                loader.batch(step)
        except DspipeError as error:
            assert "part-00000.arrow" in str(error) or "no rows" in str(error)
            refused += 1
    assert refused > len(content) / 3 / 20


@pytest.mark.parametrize("lengths", [[9, 8], [-1, 3], [2**31 - 1, 2**31 - 1]])
def test_lengths_that_no_row_can_have_are_refused(lengths: list[int], tmp_path: Path) -> None:
    path = tmp_path / "part-0.arrow"
    write_file(path, np.zeros((3, 16), np.uint32), [[16], [], lengths])
    with pytest.raises(DspipeError, match=r"part-0\.arrow: .*--rebuild pack"):
        RowLoader([path], 1, seed=1)


@pytest.mark.parametrize(
    "column",
    [
        None,
        pa.array([[1.0], [2.0]], pa.list_(pa.float32())),
        pa.array([1, 2], pa.int32()),
        pa.array([[1], None], pa.list_(pa.int32())),
        pa.array([[1], [None]], pa.list_(pa.int32())),
    ],
    ids=["absent", "floats", "no lists", "no list", "no length"],
)
def test_lengths_of_another_kind_are_refused(column: pa.Array | None, tmp_path: Path) -> None:
    columns = {"tokens": pa.array([[1, 2], [3, 4]], pa.list_(pa.uint32(), 2)), "lengths": column}
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DspipeError, match=r"x\.arrow"):
        RowLoader([tmp_path / "x.arrow"], 1, seed=1)


@pytest.mark.parametrize(
    "tokens",
    [
        pa.array([[1, None], [3, 4]], pa.list_(pa.uint32(), 2)),
        pa.array([[1, 2], None], pa.list_(pa.uint32(), 2)),
        pa.array([[], []], pa.list_(pa.uint32(), 0)),
    ],
    ids=["no token", "no row", "no tokens at all"],
)
def test_tokens_with_gaps_are_refused(tokens: pa.Array, tmp_path: Path) -> None:
    table = pa.table({"tokens": tokens, "lengths": pa.array([[], []], pa.list_(pa.int32()))})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DspipeError, match=r"x\.arrow"):
        RowLoader([tmp_path / "x.arrow"], 1, seed=1)
