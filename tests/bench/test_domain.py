"""`dspipe bench domain`: documents from files, what is told of them, and files that will not do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dspipe.bench import Options
from dspipe.bench.domain import read_documents, run
from dspipe.recipe import RecipeError

CODE = "def f(x):\n    return x + 1\n\n\ndef g(x):\n    return f(f(x))\n"
WEB = "The harbour was quiet, and nobody had come for years. From the hill you could see boats.\n"
MATH = "Let $f : X \\to Y$ be a morphism of schemes. Then $f_*\\mathcal{O}_X$ is quasi-coherent.\n"


def write_lines(path: Path, *rows: dict[str, str]) -> Path:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_documents_are_told_and_what_they_were_taken_for_is_counted(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl.gz", {"text": CODE, "domain": "code"}, {"text": WEB, "domain": "code"})
    pq.write_table(pa.table({"text": [MATH], "domain": ["math"]}), tmp_path / "b.parquet")
    said: list[str] = []
    found = run(Options(data=str(tmp_path / "*"), repeat=1), said.append)
    assert found["documents"] == 3 and found["accuracy"] == pytest.approx(2 / 3)
    assert found["domains"]["code"] == {"accuracy": 0.5, "taken_for": {"web": 1, "code": 1, "math": 0}}
    assert found["domains"]["math"]["accuracy"] == 1.0 and "web" not in found["domains"]
    assert any("MB/s" in line for line in said)


def test_files_that_will_not_do_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no file matches"):
        read_documents(str(tmp_path / "*.parquet"))
    write_lines(tmp_path / "law.jsonl.gz", {"text": WEB, "domain": "law"})
    with pytest.raises(RecipeError, match=r"law\.jsonl\.gz: the domain law is not one of web, code, math"):
        read_documents(str(tmp_path / "*.gz"))
    write_lines(tmp_path / "law.jsonl.gz", {"text": WEB})
    with pytest.raises(RecipeError, match="has no columns text and domain"):
        read_documents(str(tmp_path / "*.gz"))
