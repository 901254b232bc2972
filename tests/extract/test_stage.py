"""The stage as a whole: parts, counts, facts, and that nothing but the bytes decides."""

import shutil

import pyarrow.parquet as pq
import pytest

from dspipe.extract.files import SourceFile
from dspipe.extract.identity import identify
from dspipe.extract.rows import BYTES_IN_BATCH, Rows
from dspipe.extract.tasks import group_files
from dspipe.recipe import DspipeError, Source
from dspipe.schema import DOCUMENTS
from tests.extract.crawls import extract, make_record, write_crawl


def read_parts(folder, manifest):
    tables = [pq.read_table(folder / "documents" / part.file) for part in manifest.parts]
    assert all(table.schema.equals(DOCUMENTS) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def test_all_sources_are_read_in_the_order_of_the_recipe(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "license": "MIT"}\n{"text": ""}\n')
    (tmp_path / "b.txt").write_text("two")
    (tmp_path / "c.txt").write_text("three")
    sources = [
        Source(name="web", path=write_crawl(tmp_path / "crawl")),
        Source(name="texts", path=f"{tmp_path}/*.txt", domain="code"),
        Source(name="lines", path=f"{tmp_path}/a.jsonl"),
    ]
    manifest = extract(tmp_path, sources)
    rows = read_parts(tmp_path, manifest)
    assert [part.file for part in manifest.parts] == [f"part-{number:05d}.parquet" for number in range(5)]
    assert [part.rows for part in manifest.parts] == [5, 5, 5, 2, 1]
    assert manifest.facts == {"rows": {"web": 15, "texts": 2, "lines": 1}}
    assert (manifest.counts.in_, manifest.counts.out, manifest.counts.dropped) == (19, 18, {"empty": 1})
    assert [(r["text"], r["domain"], r["license"]) for r in rows[15:]] == [
        ("two", "code", None), ("three", "code", None), ("one", None, "MIT"),
    ]  # fmt: skip
    assert len({row["id"] for row in rows}) == 18


def test_parts_are_the_same_bytes_for_one_and_three_workers(tmp_path):
    sources = [Source(name="web", path=write_crawl(tmp_path / "crawl", files=4))]
    assert extract(tmp_path / "one", sources, 1).parts == extract(tmp_path / "three", sources, 3).parts


def test_moving_the_folder_changes_no_byte(tmp_path):
    path = write_crawl(tmp_path / "crawl")
    first = extract(tmp_path / "one", [Source(name="web", path=path)]).parts
    shutil.move(tmp_path / "crawl", tmp_path / "elsewhere")
    moved = path.replace("crawl", "elsewhere")
    assert extract(tmp_path / "two", [Source(name="web", path=moved)]).parts == first
    assert extract(tmp_path / "three", [Source(name="other", path=moved)]).parts != first


def test_a_source_without_rows_is_fine_and_a_run_without_rows_is_not(tmp_path):
    (tmp_path / "a.warc").write_bytes(make_record(b"x", "request") + make_record(b"y"))
    (tmp_path / "b.txt").write_text("two")
    empty, full = (
        Source(name="empty", path=f"{tmp_path}/a.warc"),
        Source(name="full", path=f"{tmp_path}/b.txt"),
    )
    assert extract(tmp_path / "both", [empty, full]).facts == {"rows": {"empty": 0, "full": 1}}
    with pytest.raises(
        DspipeError, match=r"nothing was extracted \(1 not-a-page, 1 malformed\); check extract"
    ):
        extract(tmp_path / "none", [empty])


def test_ids_have_no_ambiguity_between_their_three_parts():
    assert (
        len({identify("a", "b", 1), identify("ab", "", 1), identify("a", "b1", 0), identify("a", "b", 10)})
        == 4
    )
    assert (
        identify("web", "a.warc.gz", 0) == "c8583417f294d95453597626ee7e629d"
    )  # for good: draws depend on it


def make_file(name, size, format="text", source="s"):
    return SourceFile(source, name, name, size, format, None, "text")


def test_text_files_share_a_task_up_to_its_size():
    big = 9 << 20
    files = [
        make_file("a", 1),
        make_file("b", big),
        make_file("c", big),
        make_file("d", None),
        make_file("e", 1),
    ]
    files += [make_file("f", 1, source="t"), make_file("g", 1, "jsonl", "t"), make_file("h", 1, "jsonl", "t")]
    groups = ["".join(file.path for file in group) for group in group_files(files)]
    assert groups == ["ab", "c", "d", "e", "f", "g", "h"]


def test_batches_are_bounded_in_rows_and_bytes():
    rows = Rows(1 << 30)
    for number in range(1024):
        assert not rows.full
        rows.add(make_file("a", 1), number, "text")
    assert rows.full
    assert rows.take().num_rows == 1024
    assert not rows.full
    rows.add(make_file("a", 1), 0, "ü" * (BYTES_IN_BATCH // 2))
    assert rows.full
