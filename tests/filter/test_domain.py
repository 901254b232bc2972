"""Domains of documents whose source names none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.domains.counts import count_all_marks
from dspipe.filter.domains.find import EXTENSIONS, FOUND, MARGIN, choose_domains, find_domain, score_domains
from dspipe.filter.domains.marks import NAMES
from dspipe.filter.domains.measures import LEAST, MEASURES, measure_all_marks
from dspipe.filter.domains.weights import BIAS, WEIGHTS, load_weights
from dspipe.schema import DOCUMENTS
from dspipe.text.arrow import text_buffers
from tests.support import document

HARD = Path(__file__).with_name("tricky.txt")  # hard cases, and what they ought to be
KNOWN_ERRORS = {"prose about physics with one formula", "a shopping list"}  # what is got wrong today


class Tricky(NamedTuple):
    domain: str
    name: str
    text: str


def read_tricky() -> list[Tricky]:
    pieces = re.split(r"^=== (\w+): (.*)\n", HARD.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return [Tricky(*piece) for piece in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)]


TRICKY = read_tricky()
PROSE = (
    "The harbour was quiet.\nFor years, nobody had come.\nFrom the hill you could see boats; and the sea.\n"
    * 3
)
C = '#include <stdio.h>\n\nint main(void) {\n    printf("hello\\n");\n    return 0;\n}\n'


def domain_of(text: str, **columns: Any) -> str:
    row = document(text, **{"domain": None, **columns})
    found: str = find_domain(pa.RecordBatch.from_pylist([row], DOCUMENTS))[0].as_py()
    return found


@pytest.mark.parametrize("tricky", TRICKY, ids=lambda tricky: tricky.name)
def test_a_tricky_text_is_of_its_domain(tricky: Tricky) -> None:
    assert (domain_of(tricky.text) == tricky.domain) == (tricky.name not in KNOWN_ERRORS)


@pytest.mark.parametrize("text", ["", "\n\n", " ", "word", "\x00", "\ufffd" * 9])
def test_a_text_without_marks_is_web(text: str) -> None:
    assert domain_of(text) == "web"


def test_a_file_name_of_source_code_means_code() -> None:
    assert domain_of(PROSE, source_id="src/main.rs") == "code"
    assert domain_of(PROSE, url="https://example.com/raw/Main.JAVA") == "code"
    assert domain_of(PROSE, origin={"file": "code/lib.py", "offset": 0}) == "code"


def test_an_address_of_a_country_or_a_page_is_no_file_of_source_code() -> None:
    assert domain_of(PROSE, url="https://example.rs") == "web"
    assert domain_of(PROSE, url="https://example.com/index.php") == "web"
    assert domain_of(PROSE, url="https://example.com/page.html") == "web"
    assert not {"php", "html", "pl", "txt", "md", "tex"} & set(EXTENSIONS.split())


def test_a_domain_that_the_source_names_stands() -> None:
    rows = [document(C, domain="web"), document(C, name="x", domain=None), document(PROSE, domain="law")]
    batch = pa.RecordBatch.from_pylist(rows, DOCUMENTS)
    assert find_domain(batch).to_pylist() == ["web", "code", "law"]


def test_a_batch_without_rows_has_no_domains() -> None:
    assert find_domain(pa.RecordBatch.from_pylist([], DOCUMENTS)).to_pylist() == []


def test_a_score_has_to_exceed_the_margin() -> None:
    scores = np.array([[MARGIN, -1], [MARGIN + 1e-9, -1], [1, 2], [-3, -2], [3, 3]])
    assert [FOUND[place] for place in choose_domains(scores)] == ["web", "code", "math", "web", "code"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text() | st.sampled_from([tricky.text for tricky in TRICKY]), min_size=1, max_size=4))
def test_scores_are_the_sums_of_what_the_measures_weigh(texts: list[str]) -> None:
    text, offsets = text_buffers(pa.array(texts, pa.large_string()))
    counts = count_all_marks(text, offsets)
    for row, scores in zip(counts, score_domains(text, offsets), strict=True):
        wanted = list(BIAS)
        for name, (mark, unit) in MEASURES.items():
            half, *weights = WEIGHTS[name]
            found = int(row[NAMES.index(mark)])
            size = (1 if unit == "document" else int(row[NAMES.index(unit)])) + LEAST[unit]
            measure = found / (found + half * size) if found else 0.0
            wanted = [total + weight * measure for total, weight in zip(wanted, weights, strict=True)]
        assert scores.tolist() == pytest.approx(wanted)


def test_a_document_is_judged_alike_alone_and_in_a_batch() -> None:
    texts = [tricky.text for tricky in TRICKY]
    together = score_domains(*text_buffers(pa.array(texts, pa.large_string())))
    alone = [score_domains(*text_buffers(pa.array([text], pa.large_string())))[0] for text in texts]
    assert together.tolist() == [scores.tolist() for scores in alone]


def test_there_is_a_weight_for_every_measure() -> None:
    assert list(WEIGHTS) == list(MEASURES)
    halves, weights = load_weights()
    assert weights.shape == (len(MEASURES) + 1, len(FOUND) - 1) and (halves > 0).all()
    assert measure_all_marks(np.ones((1, len(NAMES)), np.int32), halves).max() < 1
