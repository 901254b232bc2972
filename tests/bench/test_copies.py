"""Documents made of pieces of pages: of any number, the same in any parts, with copies that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dspipe.bench import copies
from dspipe.bench.copies import (
    count_copies,
    find_origins,
    make_documents,
    make_rows,
    read_pieces,
    write_pieces,
)
from dspipe.bench.pairs import measure
from dspipe.recipe import RecipeError
from tests.bench.test_pairs import make_page
from tests.support import document, make_artifact, make_workers, read_rows

ROWS = 400


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    rows = [document(make_page(number, 300)) for number in range(10)]
    return write_pieces(make_artifact(folder / "documents", [rows[:5], rows[5:]]), folder / "pieces")


def test_pieces_are_runs_of_words_of_one_page(pieces: Path) -> None:
    known = read_pieces(pieces)
    words = known.words.take(known.numbers).to_pylist()
    cut = [
        " ".join(words[start:end]) for start, end in zip(known.offsets[:-1], known.offsets[1:], strict=True)
    ]
    assert len(cut) >= 20 and all(500 <= len(piece) <= 1000 for piece in cut)
    pages = [" ".join(make_page(number, 300).split()) for number in range(10)]
    assert all(any(piece in page for page in pages) for piece in cut)


def test_documents_are_the_same_in_any_parts(
    pieces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_rows(read_pieces(pieces), np.arange(ROWS)).to_pylist()
    monkeypatch.setattr(copies, "ROWS_IN_PART", 150)
    monkeypatch.setattr(copies, "ROWS_AT_ONCE", 40)
    made = make_documents(pieces, ROWS, tmp_path / "made", make_workers(tmp_path))
    assert len(made.files) == 4 and read_rows(made) == whole
    assert len({row["id"] for row in whole}) == ROWS


def test_copies_are_exact_or_differ_by_a_word_and_all_else_is_unlike(pieces: Path) -> None:
    numbers = np.arange(ROWS)
    texts = [row["text"] for row in make_rows(read_pieces(pieces), numbers).to_pylist()]
    origins, near = find_origins(numbers)
    originals = np.flatnonzero(origins == numbers)
    assert len(originals) == ROWS - count_copies(ROWS) and 0.1 < count_copies(ROWS) / ROWS < 0.2
    assert near.any() and (origins <= numbers).all() and (origins[origins] == origins).all()
    for number in np.flatnonzero(origins != numbers):
        words, other = texts[number].split(), texts[origins[number]].split()
        differ = [one != two for one, two in zip(words, other, strict=True)]
        assert sum(differ) <= 1 if near[number] else not any(differ)
    first = texts[originals[0]]
    assert max(measure(first, texts[other]) for other in originals[1:]) < 0.5


def test_pages_without_a_piece_are_refused(tmp_path: Path) -> None:
    short = make_artifact(tmp_path / "documents", [[document("too short for that")]])
    with pytest.raises(RecipeError, match="no text of 500 bytes; give longer ones with --data"):
        write_pieces(short, tmp_path / "pieces")
