"""The stage as a whole: parts, counts, facts, and that nothing but the bytes decides."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dspipe.extract import readers, spans
from dspipe.extract.identity import identify
from dspipe.extract.part import Task
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.spans import Span, correct, split_file, split_work
from dspipe.extract.stage import find_misfits, run
from dspipe.recipe import Columns, DspipeError, Extract, Source
from dspipe.schema import DOCUMENTS, UNUSED
from dspipe.shards import Counts, Manifest, Piece
from dspipe.workers import Pool, Workers
from tests.extract.test_part import ROOT, Blocks, block, read_blocks
from tests.support import make_output


def extract(folder: Path, path: str, workers: int = 1, **settings: Any) -> Manifest:
    """Run the stage over files of blocks, as the runner does."""
    from dspipe.shards import Journal

    output, pool = make_output(folder / "documents"), Pool(workers)
    journal = Journal(folder / ".progress" / "extract")
    try:
        settings.setdefault("sources", [Source(name="blocks", path=path)])
        run(Blocks(**settings), output, Workers(pool, journal))
    finally:
        pool.close()
    assert output.closed is not None
    return output.closed


def read_rows(folder: Path, parts: list[Any]) -> list[dict[str, Any]]:
    return [row for part in parts for row in pq.read_table(folder / "documents" / part.file).to_pylist()]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of 2000 bytes, in the reader's small format; see `tests.extract.test_part`."""
    monkeypatch.setattr(readers, "READERS", {"text": read_blocks}, raising=False)
    monkeypatch.setattr(spans, "BYTES_IN_SPAN", 2000)
    monkeypatch.setattr(spans, "BYTES_TOGETHER", 2000)


PLAIN = b"".join(block(f"drop {n}" if n % 9 == 1 else f"text {n} {'x' * 150}") for n in range(90))
# what looks like records begins within records, where spans are cut, and goes on behind their end
FOOLING = b"".join(
    block(f"text {n} " + ("y\nREC 100\n" * 60 if n % 3 == 0 else "z" * 100)) for n in range(60)
)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_large_file_is_divided_and_read_once(tmp_path: Path, blocks: None, workers: int) -> None:
    (tmp_path / "a.txt").write_bytes(PLAIN)
    manifest = extract(tmp_path, f"{tmp_path}/a.txt", workers)
    assert len(manifest.parts) == len(PLAIN) // 2000 + 1 and len(manifest.beside) > 3
    assert (manifest.counts.in_, manifest.counts.dropped) == (90, {"malformed": 10})
    assert [row["text"].split()[1] for row in read_rows(tmp_path, manifest.parts)] == [
        str(n) for n in range(90) if n % 9 != 1
    ]
    assert len(read_rows(tmp_path, manifest.beside)) == 10
    assert manifest.facts["rows"] == {"blocks": 80}
    on_disk = {path.name for path in (tmp_path / "documents").glob("*.parquet")}
    assert on_disk == {part.file for part in (*manifest.parts, *manifest.beside)}


def test_a_span_that_was_fooled_is_read_again(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(FOOLING)
    one, three = (extract(tmp_path / str(n), f"{tmp_path}/a.txt", n) for n in (1, 3))
    assert one.parts == three.parts and one.counts == Counts(60, 60)
    rows = read_rows(tmp_path / "1", one.parts)
    assert [row["text"].split()[1] for row in rows] == [str(n) for n in range(60)]
    again = json.loads((tmp_path / "1" / ".progress" / "extract" / "extract_span-00001.json").read_text())
    assert again["facts"]["start"] == FOOLING.index(b"REC 107\ntext 7 ")  # not in 6


def test_a_kill_between_two_readings_of_a_span_is_harmless(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(FOOLING)
    expected = extract(tmp_path / "whole", f"{tmp_path}/a.txt")
    extract(tmp_path / "cut", f"{tmp_path}/a.txt")
    journal = tmp_path / "cut" / ".progress" / "extract"
    found = sorted(journal.glob("extract_span-*.json"))
    assert len(found) == len(split_file(SourceFile("s", "a", "a", len(FOOLING), "text", None, Columns())))
    for path in found[1:3]:
        path.unlink()  # as if killed before it was remembered
        assert extract(tmp_path / "cut", f"{tmp_path}/a.txt").parts == expected.parts
        piece = json.loads(path.read_text())
        for part in piece["parts"]["documents"]:
            (tmp_path / "cut" / "documents" / part["file"]).write_bytes(b"other")  # or while it was written
        assert extract(tmp_path / "cut", f"{tmp_path}/a.txt").parts == expected.parts


@pytest.mark.parametrize("workers", [1, 3])
def test_a_record_that_kills_its_reader_is_dropped_and_counted(
    tmp_path: Path, blocks: None, workers: int
) -> None:
    texts = [f"text {n} {'x' * 150}" for n in range(60)]
    texts[5], texts[33], texts[50] = "segfault now", "null pointer", "segfault again"
    (tmp_path / "a.txt").write_bytes(b"".join(map(block, texts)))
    (tmp_path / "b.txt").write_bytes(block("short") + block("segfault too"))
    manifest = extract(tmp_path, f"{tmp_path}/?.txt", workers)
    assert (manifest.counts.in_, manifest.counts.out) == (62, 58)
    assert manifest.counts.dropped == {"crashed": 4}
    lost = read_rows(tmp_path, manifest.beside)
    assert [(row["reason"], row["file"]) for row in lost] == [("crashed", "a.txt")] * 3 + [
        ("crashed", "b.txt")
    ]
    assert lost[3]["offset"] == len(block("short")) and not list(tmp_path.rglob("*.tmp"))


def test_a_run_killed_after_a_crash_goes_on_without_it(tmp_path: Path, blocks: None) -> None:
    texts = [f"text {n} {'x' * 150}" for n in range(60)]
    crashed = tmp_path / "cut" / ".progress" / "extract" / "extract_span-00000-crashed.json"
    texts[5], texts[33] = "segfault now", f"killed {crashed} {tmp_path}/killed"
    (tmp_path / "a.txt").write_bytes(b"".join(map(block, texts)))
    with pytest.raises(DspipeError, match="a worker process was killed"):
        extract(tmp_path / "cut", f"{tmp_path}/a.txt", 2)
    manifest = extract(tmp_path / "cut", f"{tmp_path}/a.txt", 2)
    assert manifest.counts == Counts(60, 59, dropped={"crashed": 1})
    assert manifest.parts == extract(tmp_path / "whole", f"{tmp_path}/a.txt", 1).parts


def test_moving_the_folder_changes_no_byte(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "crawl").mkdir()
    (tmp_path / "crawl" / "a.txt").write_bytes(PLAIN)
    first = extract(tmp_path / "one", f"{tmp_path}/crawl/a.txt").parts
    shutil.move(tmp_path / "crawl", tmp_path / "elsewhere")
    assert extract(tmp_path / "two", f"{tmp_path}/elsewhere/a.txt").parts == first


def test_a_run_without_rows_is_an_error_that_says_why(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(block("drop") + block(""))
    with pytest.raises(DspipeError, match=r"nothing was extracted \(1 malformed, 1 empty\); check extract"):
        extract(tmp_path, f"{tmp_path}/a.txt")
    (tmp_path / "b.txt").write_bytes(b"")
    with pytest.raises(DspipeError, match=r"nothing was extracted \(the files are empty\)"):
        extract(tmp_path / "b", f"{tmp_path}/b.txt")


def test_ids_have_no_ambiguity_between_their_three_parts() -> None:
    assert (
        len({identify("a", "b", 1), identify("ab", "", 1), identify("a", "b1", 0), identify("a", "b", 10)})
        == 4
    )
    assert (
        identify("web", "a.warc.gz", 0) == "c8583417f294d95453597626ee7e629d"
    )  # for good: draws depend on it


def make_file(name: str, size: int | None, format: Any = "text", source: str = "s") -> SourceFile:
    return SourceFile(source, name, name, size, format, None, Columns())


def test_small_files_of_a_kind_share_a_task_and_large_ones_are_divided() -> None:
    mebi = 1 << 20
    files = [
        make_file("a", 1),
        make_file("b", 9 * mebi),
        make_file("c", 9 * mebi),
        make_file("d", None),
        make_file("e", 130 * mebi),
        make_file("f", 7 * mebi),
        make_file("g", 1, source="t"),
        make_file("h", 1, "jsonl", "t"),
        make_file("i", 1, "jsonl", "t"),
        make_file("j", 17 * mebi, "jsonl", "t"),
    ]
    work = [("".join(file.path for file in group), span) for group, span in split_work(files)]
    assert [name for name, _ in work] == ["ab", "c", "d", "e", "e", "e", "f", "g", "hi", "j"]
    assert [span for name, span in work if name == "e"] == [
        Span(0, 64 * mebi),
        Span(64 * mebi, 128 * mebi),
        Span(128 * mebi, None),
    ]
    assert {span for name, span in work if name != "e"} == {Span()}
    assert sum(1 for _ in split_work([make_file(str(n), 0) for n in range(100_000)])) == 1


def test_spans_fit_where_one_begins_as_the_other_ended() -> None:
    file, span = make_file("a", 300), Span(100, 200)
    assert correct(file, span, 120, 120) is None
    assert correct(file, span, None, 200) is None  # the record before goes on beyond this span
    assert correct(file, span, None, 150) == Span(150, 200, exact=True)
    assert correct(file, span, 130, 120) == Span(120, 200, exact=True)
    assert correct(file, span, 130, 250) == Span(200, 200, exact=True)
    assert correct(file, Span(200, None), 250, 300) == Span(300, 300, exact=True)
    assert correct(file, Span(200, None), None, 300) is None
    assert correct(file, Span(120, 200, exact=True), None, 120) is None  # that is all there is
    assert correct(make_file("a", 300, "parquet"), span, None, 7) is None  # offsets are rows


def test_of_each_file_the_first_misfit_is_read_again(tmp_path: Path) -> None:
    files = [make_file("a", 300), make_file("b", 300)]
    cuts = [Span(0, 100), Span(100, 200), Span(200, None)]
    tasks = [
        Task(number, (file,), span, Extract(), tmp_path, "", tmp_path)
        for number, (file, span) in enumerate((file, span) for file in files for span in cuts)
    ]
    ends = [(0, 110), (None, None), (210, 300), (0, 100), (100, 300), (None, None)]
    pieces = [Piece({}, Counts(0, 0), {"start": start, "stop": stop}) for start, stop in ends]
    (misfit,) = find_misfits(tasks, pieces)
    assert (misfit.number, misfit.span) == (1, Span(110, 200, exact=True))


def test_the_list_of_what_was_dropped_has_its_columns(tmp_path: Path, blocks: None) -> None:
    (tmp_path / "a.txt").write_bytes(PLAIN)
    manifest = extract(tmp_path, f"{tmp_path}/a.txt")
    tables = [pq.read_table(tmp_path / "documents" / part.file) for part in manifest.parts]
    assert all(table.schema.equals(DOCUMENTS) for table in tables)
    lists = [pq.read_table(tmp_path / "documents" / part.file) for part in manifest.beside]
    assert all(table.schema.equals(UNUSED) for table in lists)


def drive(folder: Path) -> None:
    """Kill the stage at every file operation, also while it reads again and drops repeats."""
    from tests.test_faults import interrupted, run_here

    readers.READERS = {"text": read_blocks}
    spans.BYTES_IN_SPAN = spans.BYTES_TOGETHER = 1200
    Workers._run_isolated = run_here
    urls = [f"https://example.org/{n % 6}@2024-01-0{n % 4}" for n in range(14)]
    texts = [f"{url} " + "y\nREC 100\n" * (n % 5) * 12 for n, url in enumerate(urls)]
    (folder / "a.txt").write_bytes(b"".join(map(block, texts)))
    expected = extract(folder / "whole", f"{folder}/a.txt", same_url="newest")
    for operation in range(1, 1000):
        place = folder / f"at-{operation}"
        work = partial(extract, place, f"{folder}/a.txt", same_url="newest")
        first = interrupted(folder, work, operation)
        manifest = work()
        assert manifest.parts == expected.parts and manifest.beside == expected.beside, operation
        names = {part.file for part in (*manifest.parts, *manifest.beside)}
        assert names == {path.name for path in (place / "documents").glob("*.parquet")}, operation
        shutil.rmtree(place)
        if not first:
            print(operation)
            return


def test_a_kill_at_any_file_operation_of_the_stage_is_harmless(tmp_path: Path) -> None:
    code = "from pathlib import Path\nfrom tests.extract.test_stage import drive\n"
    code += f"drive(Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(re.findall(r"\d+", done.stdout)[-1]) > 100
