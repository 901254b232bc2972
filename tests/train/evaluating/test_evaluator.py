"""Whose held-out rows a training is evaluated on."""

from pathlib import Path

import pytest

from dspipe.recipe import RecipeError, Train
from dspipe.shards import Artifact, Counts
from dspipe.train.evaluating.evaluator import choose_held_out
from dspipe.train.machine.needs import check_machine
from tests.reference.rows import make_held_out
from tests.support import make_output


@pytest.fixture
def sequences(tmp_path: Path) -> Artifact:
    return make_held_out(tmp_path / "own", [("web", "en")])


def test_without_another_folder_they_are_the_runs_own(sequences: Artifact) -> None:
    assert choose_held_out(Train(), sequences, 16) is sequences
    assert choose_held_out(Train(), sequences, 32) is sequences


def test_another_folder_must_have_rows_of_the_longest_length(sequences: Artifact, tmp_path: Path) -> None:
    """Else there would be no evaluation, and nobody would hear of it."""
    other = make_held_out(tmp_path / "other", [("web", "en")] * 3, length=32)
    settings = Train(held_out=str(other.folder))
    assert choose_held_out(settings, sequences, 32).folder == other.folder
    with pytest.raises(RecipeError, match=r"train\.held_out: .*other has no held-out rows of 16 tokens"):
        choose_held_out(settings, sequences, 16)


def test_a_folder_without_rows_is_refused_before_any_work(sequences: Artifact, tmp_path: Path) -> None:
    other = make_output(tmp_path / "mixture")
    other.close([], Counts(0, 0))
    for folder in (tmp_path / "nowhere", other.folder):
        with pytest.raises(RecipeError, match=r"train\.held_out: no finished rows in .*"):
            check_machine(Train(held_out=str(folder)))
