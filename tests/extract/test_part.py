"""A span becomes parts: cut by size, gone on with after a kill, and without the record that crashes."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dspipe.extract import part, readers, rows
from dspipe.extract.part import NOWHERE, Task, extract_span, skip_record
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.sources.find import find_files
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract, Source
from dspipe.schema import DOCUMENTS, UNUSED
from dspipe.shards import Journal, Piece
from dspipe.workers import BYTES_IN_MARK, Mark, mark

ROOT = Path(__file__).parent.parent.parent


class Blocks(Extract, frozen=True):
    """Settings of a run over files of blocks. A worker that unpickles them imports this file: see its end."""


def block(text: str) -> bytes:
    """A record: its length, and a text which may look like a record itself."""
    return f"REC {len(text.encode())}\n{text}\n".encode()


def find_block(data: bytes, begin: int) -> int:
    """Where the next thing that looks like a record begins, at `begin` or behind."""
    found = re.compile(rb"^REC \d+\n", re.MULTILINE).search(data, begin)
    return found.start() if found else len(data)


def read_blocks(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """A reader in the small, of a format that fools whoever searches in the middle of it."""
    data = Path(file.address).read_bytes()
    place = span.begin if span.exact else find_block(data, span.begin)
    end = len(data) if span.end is None else span.end
    begun = False
    while place < min(end, len(data)):
        yield place
        begun = True
        if find_block(data, place) > place:
            rows.drop("malformed", file, place)
            place = find_block(data, place)
            continue
        head = data[place : place + 20].partition(b"\n")[0]
        last = place + len(head) + 1 + int(head[4:])
        if place in rows.skipped:
            rows.drop("crashed", file, place)
        else:
            read_block(data[place + len(head) + 1 : last].decode(), file, place, rows)
        place = last + 1
    if begun:
        yield place


def read_block(text: str, file: SourceFile, place: int, rows: Rows) -> None:
    if parent_process() is not None:
        misbehave(text)
    if text.startswith("drop"):
        rows.drop("malformed", file, place, "https://example.org/dropped")
    else:
        url, _, date = text.partition(" ")[0].partition("@") if text.startswith("https:") else (None, "", "")
        rows.add(file, place, text, url=url, date=date)


def misbehave(text: str) -> None:
    """What some texts do to a worker process."""
    if text.startswith("segfault"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if text.startswith("null"):
        ctypes.string_at(0)
    if text.startswith("killed"):
        crashed, killed = map(Path, text.split()[1:])
        while not crashed.exists():
            time.sleep(0.01)
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def make_task(folder: Path, *contents: bytes, **fields: Any) -> Task:
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / "sources" / f"{number}.txt").write_bytes(content)
    files = find_files(Source(name="blocks", path=f"{folder}/sources/*.txt"))
    scratch = folder / ".progress" / "extract" / "scratch"
    task = Task(7, tuple(files), Span(), Blocks(), folder, "documents", scratch)
    return replace(task, **fields)


def read_table(folder: Path, name: str) -> list[dict[str, Any]]:
    paths = sorted((folder / "documents").glob(f"{name}-*.parquet"), key=lambda path: path.stem)
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read text files as files of blocks, and cut parts soon."""
    monkeypatch.setattr(readers, "READERS", {"text": read_blocks}, raising=False)
    monkeypatch.setattr(part, "BYTES_IN_PART", 3000)
    monkeypatch.setattr(rows, "ROWS_IN_BATCH", 10)


CONTENT = b"".join(block(f"drop {n}" if n % 3 == 1 else f"text {n} {'x' * 150}") for n in range(90))


def test_a_part_is_closed_when_it_has_grown(tmp_path: Path, blocks: None) -> None:
    piece = extract_span(make_task(tmp_path, CONTENT))
    names = [found.file for found in piece.parts["documents"]]
    assert names[:4] == [
        "part-00007.parquet",
        "unused-00007.parquet",
        "part-00007-001.parquet",
        "unused-00007-001.parquet",
    ]
    assert (piece.counts.in_, piece.counts.out, piece.counts.dropped) == (90, 60, {"malformed": 30})
    assert piece.facts == {"start": 0, "stop": len(CONTENT)} and len(names) == 2 * 3
    documents, unused = read_table(tmp_path, "part"), read_table(tmp_path, "unused")
    assert [len(documents), len(unused)] == [60, 30] and len({row["id"] for row in documents}) == 60
    assert pq.read_schema(tmp_path / "documents" / names[0]).equals(DOCUMENTS)
    assert pq.read_schema(tmp_path / "documents" / names[1]).equals(UNUSED)
    assert unused[0] == {
        "reason": "malformed",
        "source": "blocks",
        "file": "0.txt",
        "offset": CONTENT.index(b"REC 6"),
        "url": "https://example.org/dropped",
    }


def test_what_has_no_row_is_not_written(tmp_path: Path, blocks: None) -> None:
    assert extract_span(make_task(tmp_path / "a", b"")).parts == {"documents": []}
    dropped = extract_span(make_task(tmp_path / "b", block("drop")))
    assert [found.file for found in dropped.parts["documents"]] == ["unused-00007.parquet"]
    nothing = extract_span(make_task(tmp_path / "c", CONTENT, span=Span(100, 100, exact=True)))
    assert nothing.parts == {"documents": []} and nothing.facts == {"start": None, "stop": None}


def test_small_files_are_read_one_after_the_other(tmp_path: Path, blocks: None) -> None:
    whole = extract_span(make_task(tmp_path / "a", CONTENT, CONTENT))
    assert (whole.counts.in_, whole.counts.out) == (180, 120)
    ids = {row["id"] for row in read_table(tmp_path / "a", "part")}
    assert len(ids) == 120
    extract_span(make_task(tmp_path / "b", CONTENT))
    assert {row["id"] for row in read_table(tmp_path / "b", "part")} < ids


def test_a_record_that_crashed_is_dropped_of_its_own_file_alone(tmp_path: Path, blocks: None) -> None:
    task = skip_record(make_task(tmp_path, CONTENT, CONTENT), (1, 0))
    assert extract_span(task).counts.dropped == {"malformed": 60, "crashed": 1}
    with pytest.raises(DspipeError, match=r"blocks: .*1\.txt: .* crashed twice at the record at 0;"):
        skip_record(task, (1, 0))
    with pytest.raises(DspipeError, match=r"blocks: .*0\.txt: .* crashed between two records"):
        skip_record(task, NOWHERE)


def test_an_interrupted_task_goes_on_in_the_middle_of_its_file(
    tmp_path: Path, blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = extract_span(make_task(tmp_path / "whole", CONTENT, CONTENT))
    begun: list[Span] = []

    def read_noted(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
        begun.append(span)
        for number, offset in enumerate(read_blocks(file, span, rows, settings)):
            if len(begun) == 2 and number == 80:
                raise KeyboardInterrupt
            yield offset

    task = make_task(tmp_path / "cut", CONTENT, CONTENT)
    readers.READERS["text"] = read_noted
    with pytest.raises(KeyboardInterrupt):
        extract_span(task)
    assert extract_span(task) == expected
    assert [span.exact for span in begun] == [False, False, True] and begun[2].begin > 4000
    assert not list(tmp_path.rglob("*.tmp"))
    (tmp_path / "cut" / "documents" / "part-00007-001.parquet").write_bytes(b"something else")
    assert extract_span(task) == expected


def test_a_mark_costs_less_than_a_microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mark, "numbers", memoryview(mmap.mmap(-1, BYTES_IN_MARK)).cast("q"))

    def measure() -> float:
        begun = time.process_time()
        for number in range(20_000):
            mark(0, number)
        return (time.process_time() - begun) / 20_000

    assert min(measure() for _ in range(5)) < 1e-6


def drive(folder: Path) -> None:
    """Kill the task at every file operation, and again where it goes on; in a process of its own."""
    from tests.test_faults import interrupted

    readers.READERS = {"text": read_blocks}
    part.BYTES_IN_PART, rows.ROWS_IN_BATCH = 3000, 10
    expected = extract_span(make_task(folder / "whole", CONTENT))
    for operation in range(1, 1000):
        task = make_task(folder / f"at-{operation}", CONTENT)
        first = interrupted(folder, lambda: extract_span(task), operation)  # noqa: B023
        interrupted(folder, lambda: extract_span(task), max(1, operation // 2))  # noqa: B023
        piece = extract_span(task)
        assert piece == expected, operation
        journal = Journal(folder / f"at-{operation}" / ".progress" / "extract")
        journal.save("x", piece)
        assert journal.load("x", Piece) == piece, operation
        if not first:
            print(operation)
            return


def test_a_kill_at_any_file_operation_of_a_task_is_harmless(tmp_path: Path) -> None:
    code = "from pathlib import Path\nfrom tests.extract.test_part import drive\n"
    code += f"drive(Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(re.findall(r"\d+", done.stdout)[-1]) > 20


if parent_process() is not None:  # in a worker: what the fixture `blocks` does in the test's own process
    readers.READERS = {"text": read_blocks}
    part.BYTES_IN_PART, rows.ROWS_IN_BATCH = 3000, 10
