"""Batches: what they hold, in which order, and that nothing altered is trained on."""

import os
import resource
import threading
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import dspipe.train.loading.loader
from dspipe.batch import IGNORED, PackedBatch
from dspipe.recipe import DspipeError
from dspipe.schema import sequences
from dspipe.train.loading.loader import RowLoader
from dspipe.train.loading.parts import Parts
from dspipe.train.loading.reader import Reader, count_files
from dspipe.train.schedule.phases import plan_phases
from tests.reference.rows import Parts as Files
from tests.reference.rows import even, make_table, read_file, write_file, write_rows


def equal(one: PackedBatch, other: PackedBatch) -> bool:
    return torch.equal(one.tokens_BL, other.tokens_BL) and torch.equal(one.document_BL, other.document_BL)


def write_part(folder: Path, table: pa.Table, **options: Any) -> tuple[Path, Files]:
    """A single part, and what a loader is given of it."""
    path = folder / "L16" / "part-00000.arrow"
    write_file(path, table, **options)
    return path, {16: [(path, len(table))]}


def make_rows(count: int = 3, length: int = 16) -> pa.Table:
    tokens = np.arange(count * length, dtype=np.uint32).reshape(count, length)
    return make_table(tokens, [[5, 9], [length], []][:count] + [[1]] * (count - 3))


# What a batch holds


def test_a_batch_holds_the_rows_of_its_step_and_numbers_their_documents(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    files: Files = {16: []}
    for number in range(3):
        tokens = generator.integers(0, 2**31, (11, 16), dtype=np.uint32)
        lengths = [draw_lengths(generator) for _ in range(11)]
        path = tmp_path / f"L16/part-{number}.arrow"
        write_file(path, make_table(tokens, lengths), rows_in_batch=number + 1)
        files[16].append((path, 11))
    read = [read_file(path) for path, _ in files[16]]
    tokens, lengths = np.concatenate([part[0] for part in read]), [row for part in read for row in part[1]]
    loader = RowLoader(files, even(6), seed=3)
    for step in range(1, 12):
        length, rows = loader.rows(step)
        assert length == 16
        assert equal(
            loader.batch(step), PackedBatch.from_lengths(tokens[rows], [lengths[row] for row in rows])
        )


def draw_lengths(generator: np.random.Generator) -> list[int]:
    """Chunks that fill a row of 16 or less of it, some of them empty."""
    wanted = generator.integers(0, 8, generator.integers(0, 7)).tolist()
    return [size for size, used in zip(wanted, accumulate(wanted), strict=True) if used <= 16]


def test_padding_keeps_its_meaning(tmp_path: Path) -> None:
    batch = RowLoader(write_rows(tmp_path, rows=4, parts=1), even(4), seed=1).batch(1)
    assert (batch.targets()[:, -1] == IGNORED).all()
    assert (batch.document_BL[:, :13] >= 0).all()


def test_batches_that_are_kept_are_not_written_to_again(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=23, parts=3), even(5), seed=1)
    kept = list(loader.stream(1, 30))
    parts = [batch.rows(1, 2).tokens_BL for batch in loader.stream(1, 30)]  # of batches that are gone
    for step, (batch, part) in enumerate(zip(kept, parts, strict=True), 1):
        again = loader.batch(step)
        assert equal(batch, again)
        assert torch.equal(part, again.tokens_BL[1:2])


# In which order


@pytest.mark.parametrize("size", [1, 4, 5, 23, 50])
def test_every_row_comes_once_in_each_epoch_whatever_the_batch_and_the_world(
    size: int, tmp_path: Path
) -> None:
    files, seen = write_rows(tmp_path, rows=23, parts=3, vocabulary=2**30), list[bytes]()
    loaders = {
        world: [RowLoader(files, even(size), seed=1, rank=rank, world=world) for rank in range(world)]
        for world in (1, 2, 3, 7)
    }
    for step in range(1, 3 * 23 // size + 2):
        world = (1, 2, 3, 7)[step % 4]  # which changes between runs
        for loader in loaders[world]:
            seen += [row.numpy().tobytes() for row in loader.batch(step).tokens_BL]
    assert len(set(seen)) == 23
    for start in range(0, len(seen) - 22, 23):
        assert len(set(seen[start : start + 23])) == 23
    assert seen[:23] != seen[23:46]


@pytest.mark.parametrize("world", [2, 3, 8])
def test_the_ranks_slices_together_are_the_batch_of_one(world: int, tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=3)
    one, many = (
        RowLoader(files, even(8), seed=1),
        [RowLoader(files, even(8), 1, 61, r, world) for r in range(world)],
    )
    for step in (1, 2, 9):
        slices = [loader.batch(step) for loader in many]
        tokens_BL = torch.cat([batch.tokens_BL for batch in slices])
        assert equal(
            one.batch(step), PackedBatch(tokens_BL, torch.cat([batch.document_BL for batch in slices]))
        )
        assert max(len(b.tokens_BL) for b in slices) - min(len(b.tokens_BL) for b in slices) <= 1


@pytest.mark.parametrize("readers", [1, 2, 3, 4])
def test_any_number_of_threads_gives_the_same_bits(
    readers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_rows(tmp_path, rows=23, parts=5)
    expected = [RowLoader(files, even(5), seed=1).batch(step) for step in range(1, 20)]
    monkeypatch.setattr(dspipe.train.loading.loader, "READERS", readers)
    monkeypatch.setattr(dspipe.train.loading.loader, "AHEAD", 2 * readers)
    streamed = list(RowLoader(files, even(5), seed=1).stream(1, 19))
    assert len(streamed) == 19
    assert all(map(equal, streamed, expected))


@pytest.mark.parametrize("first", [2, 5, 6, 14])
def test_a_stream_begun_anywhere_goes_on_with_the_same_batches(first: int, tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=2)  # an epoch ends within step 5
    whole = list(RowLoader(files, even(5), seed=1).stream(1, 14))
    resumed = list(RowLoader(files, even(5), seed=1).stream(first, 14))
    assert len(resumed) == 15 - first
    assert all(map(equal, whole[first - 1 :], resumed))


def test_seeds_have_orders_of_their_own(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=23, parts=2)
    one, other = RowLoader(files, even(23), seed=1), RowLoader(files, even(23), seed=2)
    assert one.rows(1)[1].tolist() != other.rows(1)[1].tolist()


def test_a_batch_larger_than_an_epoch_repeats_rows(tmp_path: Path) -> None:
    _, rows = RowLoader(write_rows(tmp_path, rows=3, parts=1), even(8), seed=1).rows(1)
    assert sorted(rows[:3]) == sorted(rows[3:6]) == [0, 1, 2]


def test_a_schedule_changes_batch_size_and_length(tmp_path: Path) -> None:
    """2 rows of 16 until 64 tokens are reached, 4 of them until 192, then rows of 32."""
    files = write_rows(tmp_path, rows=10, parts=2) | write_rows(tmp_path, rows=7, parts=2, length=32)
    loader = RowLoader(files, plan_phases([(0, 2), (64, 4)], [(0, 16), (192, 32)], list(files)), seed=1)
    shapes = [tuple(batch.tokens_BL.shape) for batch in loader.stream(1, 8)]
    assert shapes == [(2, 16)] * 2 + [(4, 16)] * 2 + [(4, 32)] * 4
    assert [len(loader.describe_rows(step)) for step in range(1, 9)] == [2, 2, 4, 4, 4, 4, 4, 4]
    short = [row for step in range(1, 5) for row in loader.rows(step)[1].tolist()]
    assert sorted(short[:10]) == list(range(10))
    long = [row for step in range(5, 9) for row in loader.rows(step)[1].tolist()]
    assert sorted(long[:7]) == sorted(long[7:14]) == list(range(7))
    assert [loader.count_met(steps) for steps in (1, 3, 8)] == [
        {16: 2, 32: 0},
        {16: 8, 32: 0},
        {16: 12, 32: 16},
    ]


def test_rows_are_described_by_file_and_place(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=23, parts=3), even(23), seed=1)
    names = [f"L16/part-0000{part}.arrow:{row}" for part, rows in enumerate((8, 8, 7)) for row in range(rows)]
    assert loader.describe_rows(1) == [names[row] for row in loader.rows(1)[1]]


# How it is read


def test_nothing_is_looked_at_before_a_row_of_it_is_asked_for(tmp_path: Path) -> None:
    """10^8 rows, of which there is a file for the first 8: no other is opened, nor missed."""
    (real,) = write_rows(tmp_path, rows=8, parts=1)[16]
    files = {16: [real, *((tmp_path / f"L16/part-{n}.arrow", 100_000) for n in range(1000))]}
    loader = RowLoader(files, even(4), seed=1)
    assert loader.counts == {16: 100_000_008}
    reader = Reader(loader.parts[16], 4, 61)
    tokens, documents = np.empty((8, 16), np.uint32), np.empty((8, 16), np.int32)
    reader.read(np.arange(8), tokens, documents)
    assert np.array_equal(tokens, read_file(real[0])[0])
    with pytest.raises(DspipeError, match=r"step 1: .*/L16/part-\d+\.arrow: cannot be opened \(No such file"):
        loader.batch(1)


def test_a_hundred_million_rows_are_read_at_any_place(tmp_path: Path) -> None:
    """A thousand names of one file of 100,000 rows."""
    tokens = np.arange(1_600_000, dtype=np.uint32).reshape(-1, 16)
    path, _ = write_part(tmp_path, make_table(tokens, [[16]] * 100_000), rows_in_batch=1024)
    names = [tmp_path / f"L16/name-{number}.arrow" for number in range(1000)]
    for name in names:
        name.symlink_to(path)
    loader = RowLoader({16: [(name, 100_000) for name in names]}, even(16), seed=1)
    for step in (1, 6_250_000, 10**15):  # the last one of an epoch, and one far away
        assert np.array_equal(loader.batch(step).tokens_BL.numpy(), tokens[loader.rows(step)[1] % 100_000])


def test_no_more_files_are_kept_open_than_there_is_room_for(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=40, parts=10)
    parts = Parts(16, files[16])
    tokens = np.concatenate([read_file(path)[0] for path, _ in files[16]])
    reader = Reader(parts, 3, 61)
    generator = np.random.default_rng(0)
    for _ in range(20):
        rows = generator.permutation(40)[:15]
        read, documents = np.empty((15, 16), np.uint32), np.empty((15, 16), np.int32)
        reader.read(rows, read, documents)
        assert np.array_equal(read, tokens[rows])
        assert len(find_open_files(tmp_path)) <= 3
    reader.close()
    assert find_open_files(tmp_path) == []


def test_a_part_that_was_refused_is_refused_again(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=4, parts=2)
    files[16][0] = (files[16][0][0], 3)
    loader = RowLoader(files, even(5), seed=1)
    for _ in range(2):
        with pytest.raises(DspipeError, match="has 2 rows instead of 3"):
            loader.batch(1)
    assert str(files[16][0][0]) not in find_open_files(tmp_path)


def test_files_last_used_are_the_ones_kept_open(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=4, parts=4)
    reader = Reader(Parts(16, files[16]), 2, 61)
    for row in (0, 1, 0, 2):
        reader.read(np.array([row]), np.empty((1, 16), np.uint32), np.empty((1, 16), np.int32))
    assert find_open_files(tmp_path) == [str(files[16][number][0]) for number in (0, 2)]
    reader.close()


def find_open_files(folder: Path) -> list[str]:
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    places = [os.readlink(link) for link in links if os.path.islink(link)]
    return sorted(place for place in places if place.startswith(str(folder)))


def test_a_loader_that_is_gone_leaves_no_file_open(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=23, parts=5), even(23), seed=1)
    list(loader.stream(1, 3))
    assert find_open_files(tmp_path)
    del loader
    assert find_open_files(tmp_path) == []


@pytest.mark.parametrize(
    ("limit", "files"), [(1024, 149), (64, 4), (resource.RLIM_INFINITY, 10901)], ids=["usual", "few", "any"]
)
def test_open_files_are_bounded_by_what_is_allowed(
    limit: int, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    assert count_files(3) == files


def test_the_threads_end_with_the_stream(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=23, parts=3), even(5), seed=1)
    before = threading.active_count()
    stream = loader.stream(1, 10**9)
    next(stream)
    assert threading.active_count() > before
    stream.close()
    assert threading.active_count() == before
    assert len(list(loader.stream(1, 4))) == 4
    assert threading.active_count() == before


def test_only_a_few_batches_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader, asked = RowLoader(write_rows(tmp_path, rows=23, parts=3), even(5), seed=1), list[int]()
    batch = loader.batch

    def count(step: int, pinned: bool) -> PackedBatch:
        asked.append(step)
        return batch(step, pinned)

    monkeypatch.setattr(loader, "batch", count)
    stream = loader.stream(1, 100)
    next(stream)
    wait_until(lambda: len(asked) == 1 + dspipe.train.loading.loader.AHEAD)
    time.sleep(0.05)
    assert sorted(asked) == list(range(1, 2 + dspipe.train.loading.loader.AHEAD))
    stream.close()


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_what_is_wrong_with_a_batch_is_raised_where_it_is_due(tmp_path: Path) -> None:
    files = write_rows(tmp_path, rows=20, parts=20)
    loader = RowLoader(files, even(4), seed=1)
    file = loader.describe_rows(3)[0].partition(":")[0]
    (tmp_path / file).unlink()
    stream = RowLoader(files, even(4), seed=1).stream(1, 5)
    assert equal(next(stream), loader.batch(1))
    assert equal(next(stream), loader.batch(2))
    before = threading.active_count()
    with pytest.raises(DspipeError, match=rf"step 3: .*{file}: cannot be opened"):
        next(stream)
    assert threading.active_count() < before


# What is refused


def read_all(files: Files) -> list[PackedBatch]:
    (parts,) = files.values()
    rows = sum(count for _, count in parts)
    return [RowLoader(files, even(rows, *files), seed=1, vocabulary=1000).batch(1)]


def test_a_file_cut_at_any_place_is_named(tmp_path: Path) -> None:
    path, files = write_part(tmp_path, make_rows())
    content = path.read_bytes()
    for size in range(0, len(content), 23):
        path.write_bytes(content[:size])
        with pytest.raises(DspipeError, match=r"step 1: .*part-00000\.arrow: .*--rebuild pack"):
            read_all(files)


def test_a_file_altered_at_any_place_gives_the_same_batch_or_none(tmp_path: Path) -> None:
    path, files = write_part(tmp_path, make_rows())
    content, refused = path.read_bytes(), 0
    (expected,) = read_all(files)
    for place in range(0, len(content), 3):
        path.unlink()  # a new file: the old one may still be mapped
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            assert equal(read_all(files)[0], expected)
        except DspipeError as error:
            assert "part-00000.arrow" in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > len(content) / 3 / 20


def replace_bytes(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize("column", ["tokens", "lengths", "checksum"])
def test_a_row_whose_numbers_were_altered_is_named(column: str, tmp_path: Path) -> None:
    path, files = write_part(tmp_path, make_rows(), rows_in_batch=3)
    checksum = make_rows()["checksum"][1].as_py()
    old, new = {
        "tokens": (np.arange(16, 32, dtype=np.uint32), np.array([*range(16, 31), 77], np.uint32)),
        "lengths": (np.array([5, 9], np.int32), np.array([6, 8], np.int32)),
        "checksum": (np.array([checksum], np.uint64), np.array([checksum ^ 1], np.uint64)),
    }[column]
    replace_bytes(path, old.tobytes(), new.tobytes())
    row = 0 if column == "lengths" else 1
    with pytest.raises(
        DspipeError,
        match=rf"step 1: row .*/L16/part-00000\.arrow:{row} was altered.*checksum.*--rebuild pack",
    ):
        read_all(files)


def test_a_file_cut_while_it_is_open_is_an_error_and_no_end_of_the_process(tmp_path: Path) -> None:
    tokens = np.arange(16_000, dtype=np.uint32).reshape(-1, 16)
    path, files = write_part(tmp_path, make_table(tokens, [[16]] * 1000))
    loader = RowLoader(files, even(100), seed=1)
    loader.batch(1)
    os.truncate(path, 5000)
    with pytest.raises(
        DspipeError, match=r"step 2: row .*part-00000\.arrow:\d+ cannot be read \(.*cut short\)"
    ):
        loader.batch(2)


@pytest.mark.parametrize("lengths", [[9, 8], [-1, 3], [2**31 - 1, 2**31 - 1], [0] * 17])
def test_lengths_that_no_row_can_have_are_refused(lengths: list[int], tmp_path: Path) -> None:
    _, files = write_part(tmp_path, make_table(np.zeros((3, 16), np.uint32), [[16], [], lengths]))
    with pytest.raises(DspipeError, match=r"part-00000\.arrow:2 .*do not fit a row of 16.*--rebuild pack"):
        read_all(files)


def test_a_token_beyond_the_vocabulary_is_refused_in_padding_too(tmp_path: Path) -> None:
    for token in (1000, 2**31, 2**32 - 1):
        table = make_rows()
        tokens = np.array(table["tokens"].to_pylist(), np.uint32)
        tokens[2, 15] = token  # a row of padding alone
        _, files = write_part(tmp_path, make_table(tokens, table["lengths"].to_pylist()))
        with pytest.raises(
            DspipeError,
            match=rf"part-00000\.arrow:2 holds the token {token}, but the vocabulary ends at 1000",
        ):
            read_all(files)
        with pytest.raises(DspipeError, match=f"token {token}" if token >= 2**31 else "^$"):
            RowLoader(files, even(3), seed=1).batch(1)
            raise DspipeError("")  # a token of 31 bits is one, where no vocabulary is given


def test_rows_of_another_length_or_number_are_refused(tmp_path: Path) -> None:
    path, _ = write_part(tmp_path, make_rows())
    with pytest.raises(DspipeError, match=r"`tokens` must be fixed_size_list<uint32>\[32\], not .*\[16\]"):
        read_all({32: [(path, 3)]})
    for rows in (2, 4):
        with pytest.raises(
            DspipeError, match=rf"part-00000\.arrow: has 3 rows instead of {rows}; pack again"
        ):
            RowLoader({16: [(path, rows)]}, even(1), seed=1).batch(1)


def other_columns() -> Iterator[Any]:
    lists = pa.list_(pa.int32())
    for name, column, expected in (
        ("tokens", None, "not absent"),
        ("tokens", pa.array([[1] * 16] * 2, pa.list_(pa.int64(), 16)), r"not fixed_size_list<int64>\[16\]"),
        ("tokens", pa.array([[1] * 16] * 2, pa.list_(pa.uint32())), "not list<uint32>"),
        ("tokens", pa.array([[1] * 16, None], pa.list_(pa.uint32(), 16)), "has gaps"),
        ("tokens", pa.array([[1] * 16, [None] * 16], pa.list_(pa.uint32(), 16)), "has gaps"),
        ("tokens", pa.array([[], []], pa.list_(pa.uint32(), 0)), r"not fixed_size_list<uint32>\[0\]"),
        ("lengths", None, "not absent"),
        ("lengths", pa.array([[1.0], [2.0]], pa.list_(pa.float32())), "not list<float>"),
        ("lengths", pa.array([[1], [2]], pa.large_list(pa.int32())), "not large_list"),
        ("lengths", pa.array([1, 2], pa.int32()), "not int32"),
        ("lengths", pa.array([[1], None], lists), "has gaps"),
        ("lengths", pa.array([[1], [None]], lists), "has gaps"),
        ("checksum", None, "not absent"),
        ("checksum", pa.array([1, 2], pa.int64()), "must be uint64, not int64"),
        ("checksum", pa.array([1, None], pa.uint64()), "has gaps"),
    ):
        yield pytest.param(name, column, expected, id=f"{name} {expected}")


@pytest.mark.parametrize(("name", "column", "expected"), other_columns())
def test_columns_of_another_kind_are_refused(
    name: str, column: pa.Array | None, expected: str, tmp_path: Path
) -> None:
    table = make_table(np.ones((2, 16), np.uint32), [[3], [16]])
    place = table.schema.get_field_index(name)
    table = table.remove_column(place) if column is None else table.set_column(place, name, column)
    _, files = write_part(tmp_path, table)
    with pytest.raises(
        DspipeError, match=rf"part-00000\.arrow: column `{name}` .*{expected}.*--rebuild pack"
    ):
        read_all(files)


def test_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part-0.arrow"
    table = make_table(np.zeros((200, 16), np.uint32), [[16]] * 200)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(DspipeError, match=r"part-0\.arrow: .*compressed.*--rebuild pack"):
        read_all({16: [(path, 200)]})


def test_columns_that_training_does_not_read_may_be_anything(tmp_path: Path) -> None:
    table = make_rows().select(["checksum", "lengths", "tokens"])
    _, files = write_part(tmp_path, table.append_column("mood", pa.array(["good", "bad", None])))
    (batch,) = read_all(files)
    assert sorted(batch.tokens_BL[:, 0].tolist()) == [0, 16, 32]
    assert set(table.schema.names) <= set(sequences(16).names)


def test_a_length_without_rows_is_refused() -> None:
    with pytest.raises(DspipeError, match="no rows of 16 tokens"):
        RowLoader({16: []}, even(1), seed=1)
