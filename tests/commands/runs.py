"""A small run over real files of every format, and the commands that look at it, called as `main` does."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dspipe.cli import dspipe
from tests.extract.crawls import PARAGRAPH, make_answer, make_page, make_record

HOSTILE = f"{PARAGRAPH} \x1b[31mred\x07 \x9b2J \u202egnp.exe\u200b"  # colours, a bell, C1, a false direction
ROOT_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
SOURCES = {
    "web": "*.warc.gz",
    "plain": "plain.warc",
    "old": "old.arc",
    "wet": "texts.warc.wet",
    "lines": "lines.jsonl",
    "packed": "packed.jsonl.gz",
    "csv": "table.csv",
    "parquet": "table.parquet",
    "arrow": "table.arrow",
    "text": "notes.md",
}


def make_rows(count: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "text": f"{PARAGRAPH} Row {number}.",
            "id": f"own-{number}",
            "url": f"https://rows.example/{number}",
            "score": number / 2,
            "tags": ["a", "b"],
        }
        for number in range(count)
    ]


def write_sources(folder: Path) -> None:
    """Write the files that `SOURCES` names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.warc.gz").write_bytes(b"".join(gzip.compress(record) for record in make_web()))
    (folder / "plain.warc").write_bytes(make_record(make_answer(make_page()), number=77))
    answer = make_answer(make_page())
    line = f"https://old.example/ 1.2.3.4 19990102030405 text/html {len(answer)}\n"
    (folder / "old.arc").write_bytes(line.encode() + answer + b"\n")
    (folder / "texts.warc.wet").write_bytes(make_record(PARAGRAPH.encode(), "conversion", 88))
    rows = make_rows()
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "lines.jsonl").write_text(lines + "{broken \x1b[31m\n")
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, folder / "table.parquet", row_group_size=2)
    with pa.ipc.new_file(folder / "table.arrow", table.schema) as writer:
        writer.write_table(table, 2)
    quoted = "".join(f'"{row["text"]}\nsecond line",{row["url"]},{row["score"]}\n' for row in rows)
    (folder / "table.csv").write_text(f"text,url,score\n{quoted}one,two\n")
    (folder / "notes.md").write_text(f"# Notes\n\n{PARAGRAPH}\n")


def make_web() -> list[bytes]:
    page = (
        f"<html><head><title>On foxes</title></head><body>\n<h1>Foxes</h1>\n<p>{HOSTILE}</p>\n</body></html>"
    )
    return [
        make_record(make_answer(page.encode(), headers="X-Evil: \x1b[2J\r\n"), number=1),
        make_record(make_answer(b"gone \x1b]0;title\x07", status="HTTP/1.1 404 Not Found"), number=2),
        make_record(make_answer(b"\x89PNG\0\0", kind="image/png"), number=3),
        make_record(make_answer(gzip.compress(make_page()), headers="Content-Encoding: gzip\r\n"), number=4),
        make_record(
            make_answer("<p>Füchse und Hühner im Grünen, wie man sie kennt.".encode("cp1252")), number=5
        ),
    ]


def write_recipe(folder: Path, data: Path, name: str = "small.toml") -> Path:
    sources = "".join(
        f'[[extract.sources]]\nname = "{source}"\npath = "{data}/{files}"\n'
        for source, files in SOURCES.items()
    )
    (folder / name).write_text(f'name = "small"\n{sources}[filter]\nrules = "none"\n')
    return folder / name


def run_stages(folder: Path, recipe: Path, *stages: str) -> None:
    command = [sys.executable, "-m", "dspipe", "-r", str(recipe), "--workers", "1", *stages]
    done = subprocess.run(
        command, cwd=folder, env=ROOT_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def call(*arguments: object) -> None:
    dspipe.main([str(argument) for argument in arguments], standalone_mode=False)


def read_documents(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "documents").glob("part-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def read_unused(run: Path) -> list[dict[str, Any]]:
    files = sorted((run / "documents").glob("unused-*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]
