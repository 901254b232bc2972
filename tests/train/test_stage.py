import json
from pathlib import Path

import msgspec
import pytest

from dspipe.recipe import RecipeError, SizeEntry, Train
from dspipe.shards import Artifact, Counts, Header, Output, open_artifact, record_file
from dspipe.train.loading.loader import list_parts
from dspipe.train.stage import run
from tests.reference.networks import VOCABULARY, small_model
from tests.reference.rows import write_rows
from tests.support import make_output, make_workers


@pytest.fixture
def tokenizer(tmp_path: Path) -> Artifact:
    output = make_output(tmp_path / "tokenizer")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (output.folder / name).write_text("{}")
    output.close([], Counts(0, 0), facts={"vocabulary": VOCABULARY, "model_rows": VOCABULARY})
    return open_artifact(output.folder)


@pytest.fixture
def sequences(tmp_path: Path, tokenizer: Artifact) -> Artifact:
    """10 rows of 32 tokens, which were packed first, and 6 of 16."""
    folder = tmp_path / "sequences"
    written = write_rows(folder, rows=10, parts=2, length=32) | write_rows(folder, rows=6, parts=1)
    packed = [{"artifact": "tokenizer", "fingerprint": tokenizer.manifest.fingerprint}]
    output = Output(folder, Header("pack", 1, {}, "packed", packed))
    parts = [
        record_file(folder, str(path.relative_to(folder)), rows)
        for files in written.values()
        for path, rows in files
    ]
    output.close(parts, Counts(16, 16))
    return open_artifact(folder)


def test_parts_are_listed_by_length_as_they_were_packed(sequences: Artifact) -> None:
    parts = list_parts(sequences)
    assert list(parts) == [32, 16]
    assert [(path.name, rows) for path, rows in parts[32]] == [
        ("part-00000.arrow", 5),
        ("part-00001.arrow", 5),
    ]
    assert sum(rows for _, rows in parts[16]) == 6


def test_a_model_knows_what_it_was_trained_on(
    sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    """Two steps of 4 rows of 16 tokens, then two of 3 rows of 32."""
    schedule = {"batch_size": [SizeEntry(0, 4), SizeEntry(128, 3)], "sequence_length": [(0, 16), (128, 32)]}
    settings = Train(steps=4, seed=1, model=small_model(layers=2), **schedule)
    run(settings, sequences, tokenizer, model := make_output(tmp_path / "model"), make_workers(tmp_path))
    assert model.closed is not None
    assert model.closed.counts == Counts(16, 14, 2, {"not-reached": 4})
    assert model.closed.facts["sequence_length"] == 32
    stored = json.loads((model.folder / "recipe.json").read_text())["train"]
    assert msgspec.convert(stored, Train) == settings


def test_without_a_length_the_first_that_was_packed_is_trained_on(
    sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    settings = Train(steps=1, batch_size=2, seed=1, model=small_model(layers=2))
    run(settings, sequences, tokenizer, model := make_output(tmp_path / "model"), make_workers(tmp_path))
    assert model.closed is not None
    assert model.closed.facts["sequence_length"] == 32
    assert model.closed.counts == Counts(10, 2, 0, {"not-reached": 8})


def test_a_length_that_was_not_packed_and_another_tokenizer_are_refused(
    sequences: Artifact, tokenizer: Artifact, tmp_path: Path
) -> None:
    settings, model = Train(sequence_length=64, seed=1), make_output(tmp_path / "model")
    with pytest.raises(
        RecipeError, match=r"train\.sequence_length: rows of 64 were not packed; there are: 32, 16"
    ):
        run(settings, sequences, tokenizer, model, make_workers(tmp_path))
    other = Output(tmp_path / "other", Header("tokenizer", 1, {}, "another", []))
    other.close([], Counts(0, 0))
    with pytest.raises(RecipeError, match="was packed with another tokenizer"):
        run(Train(seed=1), sequences, open_artifact(other.folder), model, make_workers(tmp_path))
