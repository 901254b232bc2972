"""Extensions of the files that documents come from."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dspipe.filter.domains.extension import find_extension
from dspipe.schema import DOCUMENTS
from tests.support import document


def extension_of(**columns: Any) -> str | None:
    row = {**document("text"), "origin": {"file": "x.jsonl.gz", "offset": 0}, **columns}
    found: str | None = find_extension(pa.RecordBatch.from_pylist([row], DOCUMENTS))[0].as_py()
    return found


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("src/main.rs", "rs"),
        ("Main.JAVA", "java"),
        ("C:\\work\\queue.cpp", "cpp"),
        ("repository:setup.py", "py"),
        ("archive.tar.gz", "gz"),
        ("a/.hidden.yml", "yml"),
        (".gitignore", None),
        ("src/.py", None),
        ("Makefile", None),
        ("docs.d/readme", None),
        ("name.", None),
        ("v1.2", None),
        ("10.1000/182.7", None),
        ("<urn:uuid:2a3f-11>", None),
        ("file.averyverylongextension", None),
        ("what is that.py?", None),
        ("ein/größe.π", None),
        ("www.example.py", None),
        ("news.example.rs", None),
        ("", None),
    ],
)
def test_an_id_that_is_a_path_has_the_extension_of_its_file(name: str, extension: str | None) -> None:
    assert extension_of(source_id=name) == extension


@pytest.mark.parametrize(
    ("url", "extension"),
    [
        ("https://example.com/raw/Main.JAVA", "java"),
        ("https://example.com/raw/Main.java?plain=1#L10", "java"),
        ("https://example.com/index.php", "php"),
        ("https://example.com/v1.2/page", None),
        ("https://example.com/?file=main.rs", None),
        ("https://example.com/#main.rs", None),
        ("https://example.rs", None),
        ("https://example.py/", None),
        ("https://example.rs?x=/a.py", None),
        ("s3://bucket.io/key.tsx", "tsx"),
    ],
)
def test_an_address_has_the_extension_of_its_path_and_never_that_of_its_host(
    url: str, extension: str | None
) -> None:
    assert extension_of(url=url) == extension
    assert extension_of(source_id=url) == extension


@pytest.mark.parametrize(
    ("file", "extension"),
    [
        ("code/lib.py", "py"),
        ("notes/today.md.gz", "md"),
        ("x.jsonl.gz", None),
        ("x.JSONL.zst", None),
        ("x.parquet", None),
        ("x.warc.gz", None),
        ("x.warc.wet.gz", None),
        ("x.csv", None),
        ("https://host.example.rs/x.arrow", None),
        (None, None),
    ],
)
def test_a_file_that_holds_many_documents_says_nothing_of_them(
    file: str | None, extension: str | None
) -> None:
    assert extension_of(origin={"file": file, "offset": 0}) == extension


def test_an_id_is_asked_before_an_address_and_that_before_the_file() -> None:
    origin = {"file": "c.md", "offset": 0}
    assert extension_of(source_id="a.go", url="https://e.com/b.rs", origin=origin) == "go"
    assert extension_of(source_id="number 7", url="https://e.com/b.rs", origin=origin) == "rs"
    assert extension_of(source_id=None, url="https://e.com/", origin=origin) == "md"


def test_names_in_broken_utf8_have_no_extension_or_their_own() -> None:
    batch = pa.RecordBatch.from_pylist([document("a"), document("b")], DOCUMENTS)
    ids = pa.array([b"\xff/x.py", b"x.p\xff"], pa.binary()).view(pa.string())
    batch = batch.set_column(batch.schema.get_field_index("source_id"), "source_id", ids)
    assert find_extension(batch).to_pylist()[1] is None
