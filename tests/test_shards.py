"""A name that exists is complete, counts add up, and what is damaged is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.recipe import DspipeError
from dspipe.schema import DOCUMENTS
from dspipe.shards import (
    Counts,
    Journal,
    Piece,
    concatenate,
    open_artifact,
    read_batches,
    read_manifest,
    read_rows,
    remove_leftovers,
    replacing,
    write_parquet,
    writing_table,
)
from tests.support import document, make_artifact, make_output


def test_the_manifest_has_the_keys_that_others_rely_on(tmp_path: Path) -> None:
    make_artifact(tmp_path / "documents", [[document("a"), document("b")]])
    manifest = json.loads((tmp_path / "documents" / "manifest.json").read_text())
    assert {"stage", "artifact", "version", "settings", "fingerprint", "inputs", "parts", "counts"} <= set(
        manifest
    )
    assert {"started", "seconds"} <= set(manifest) and manifest["artifact"] == "documents"
    assert set(manifest["parts"][0]) == {"file", "rows", "bytes", "xxh3"}
    assert manifest["counts"] == {"in": 2, "out": 2, "added": 0, "dropped": {}}


def test_counts_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    output = make_output(tmp_path / "documents")
    with pytest.raises(DspipeError, match="do not add up"):
        output.close([], Counts(3, 1, 0, {"empty": 1}))
    assert read_manifest(tmp_path / "documents") is None
    output.close([], Counts(3, 4, 2, {"empty": 1}))


def test_counts_are_added_reason_by_reason() -> None:
    total = Counts(3, 1, 0, {"empty": 2}) + Counts(5, 5, 1, {"empty": 0, "status": 1})
    assert total == Counts(8, 6, 1, {"empty": 2, "status": 1})


def test_a_file_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(ValueError, match="no"), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        raise ValueError("no")
    assert (tmp_path / "a").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_leftovers_of_a_killed_run_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".x.1.tmp").write_text("theirs")
    run = tmp_path / "run"
    run.mkdir()
    (run / ".part.parquet.77.tmp").write_text("half")
    (run / "part.parquet").write_text("whole")
    (run / "link").symlink_to(outside)
    assert remove_leftovers(run) == 1
    assert (outside / ".x.1.tmp").exists() and (run / "part.parquet").exists()


def test_a_missing_or_shortened_part_is_named_with_the_stage_to_rebuild(tmp_path: Path) -> None:
    artifact = make_artifact(tmp_path / "documents", [[document("a")], [document("b")]])
    artifact.files[1].write_bytes(b"short")
    with pytest.raises(DspipeError, match=r"part-00001.parquet: has 5 bytes instead of .*--rebuild test"):
        open_artifact(tmp_path / "documents")
    artifact.files[1].unlink()
    with pytest.raises(DspipeError, match="is missing"):
        open_artifact(tmp_path / "documents")


def test_a_manifest_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(DspipeError, match="not a manifest of this version"):
        read_manifest(tmp_path)


def test_row_groups_stay_small_and_rows_keep_their_order(tmp_path: Path) -> None:
    rows = [document(f"{n} " + "x" * 50_000, name=str(n)) for n in range(400)]
    batches = pa.Table.from_pylist(rows, DOCUMENTS).to_batches(max_chunksize=10)
    part = write_parquet(tmp_path, "a.parquet", DOCUMENTS, batches)
    groups = list(read_batches(tmp_path / "a.parquet"))
    assert part.rows == 400 and len(groups) >= 2 and max(group.nbytes for group in groups) < 10 << 20
    assert [row for group in groups for row in group["id"].to_pylist()] == [row["id"] for row in rows]
    joined = concatenate(tmp_path, "b.parquet", DOCUMENTS, [tmp_path / "a.parquet"] * 2)
    assert joined.rows == 800


def test_a_table_without_rows_is_no_file_and_one_that_fails_neither(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pylist([document("a")], DOCUMENTS)
    with writing_table(tmp_path, "a.parquet", DOCUMENTS) as writer:
        writer.write(batch.slice(1))
    assert writer.part is None
    with pytest.raises(ValueError), writing_table(tmp_path, "a.parquet", DOCUMENTS) as writer:
        writer.write(batch)
        writer.end_group()
        raise ValueError
    assert writer.part is None and not list(tmp_path.iterdir())
    with writing_table(tmp_path, "a.parquet", DOCUMENTS) as writer:
        writer.write(batch)
    assert writer.part == write_parquet(tmp_path, "a.parquet", DOCUMENTS, [batch])
    assert write_parquet(tmp_path, "b.parquet", DOCUMENTS, []).rows == 0


def test_a_journal_may_lie_deeper_than_the_run_whose_files_it_describes(tmp_path: Path) -> None:
    part = write_parquet(tmp_path / "documents", "a.parquet", DOCUMENTS, [])
    journal = Journal(tmp_path / "a" / "b" / "c" / "d", tmp_path)
    journal.save("task", Piece({"documents": [part]}, Counts(0, 0)))
    assert journal.load("task", Piece) is not None
    (tmp_path / "documents" / "a.parquet").unlink()
    assert journal.load("task", Piece) is None


def test_a_journal_remembers_until_it_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "progress")
    assert journal.load("task", Counts) is None and journal.header() is None
    journal.begin(make_output(tmp_path / "x").header)
    journal.save("task", Counts(1, 1))
    assert Journal(tmp_path / "progress").load("task", Counts) == Counts(1, 1)
    journal.end()
    assert journal.load("task", Counts) is None


def test_rows_are_read_by_their_numbers_and_other_row_groups_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"n": range(100), "other": ["x"] * 100})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=10)
    rows = np.array([0, 9, 10, 55, 99])
    read: list[int] = []
    original = pq.ParquetFile.read_row_group

    def watch(self: pq.ParquetFile, group: int, columns: list[str], **options: bool) -> pa.Table:
        read.append(group)
        return original(self, group, columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", watch)
    found = list(read_rows(tmp_path / "rows.parquet", "n", rows))
    assert [(own.tolist(), values.to_pylist()) for own, values in found] == [
        ([0, 9], [0, 9]), ([10], [10]), ([55], [55]), ([99], [99]),
    ]  # fmt: skip
    assert read == [0, 1, 5, 9]
    assert list(read_rows(tmp_path / "rows.parquet", "n", rows[:0])) == []
