"""Domains of documents whose source names none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dspipe.filter.domain import find_domain
from dspipe.schema import DOCUMENTS
from tests.support import document

PYTHON = (
    "import os\n\n\ndef walk(path):\n    for name in os.listdir(path):\n"
    "        yield name\n\n\nclass A:\n    pass\n"
)
C = '#include <stdio.h>\n\nint main(void) {\n    printf("hello\\n");\n    return 0;\n}\n'
LATEX = (
    "Let $X$ be a scheme. Then \\mathcal{O}_X \\to \\prod_{i \\in I} M_i is exact, see \\ref{lemma}.\n" * 3
)
PROSE = (
    "The harbour was quiet.\nFor years, nobody had come.\nFrom the hill you could see boats; and the sea.\n"
    * 3
)


def domain_of(text: str, **columns: Any) -> str:
    row = document(text, **{"domain": None, **columns})
    found: str = find_domain(pa.RecordBatch.from_pylist([row], DOCUMENTS))[0].as_py()
    return found


@pytest.mark.parametrize(
    ("text", "domain"),
    [(PYTHON, "code"), (C, "code"), (LATEX, "math"), (PROSE, "web"), ("", "web"), ("\n\n", "web")],
)
def test_a_text_shows_its_domain(text: str, domain: str) -> None:
    assert domain_of(text) == domain


def test_a_file_name_of_source_code_means_code() -> None:
    assert domain_of(PROSE, source_id="src/main.rs") == "code"
    assert domain_of(PROSE, url="https://example.com/raw/Main.JAVA?plain=1") == "web"
    assert domain_of(PROSE, url="https://example.com/raw/Main.JAVA") == "code"
    assert domain_of(PROSE, origin={"file": "code/lib.py", "offset": 0}) == "code"


def test_an_address_of_a_country_is_not_a_file_name() -> None:
    assert domain_of(PROSE, url="https://example.rs") == "web"
    assert domain_of(PROSE, url="https://example.com/index.php") == "web"


def test_a_domain_that_the_source_names_stands() -> None:
    rows = [document(C, domain="web"), document(C, name="x", domain=None), document(PROSE, domain="law")]
    batch = pa.RecordBatch.from_pylist(rows, DOCUMENTS)
    assert find_domain(batch).to_pylist() == ["web", "code", "law"]
