"""Training on a GPU gives the same bits twice, killed or not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dspipe.train.loading.loader import RowLoader
from tests.reference.networks import small_model
from tests.reference.rows import even, write_rows
from tests.train.test_loop import Killed, kill_after, read_everything, run, run_all

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


MODEL = small_model(  # in multiples of what grouped products on a GPU ask for
    width=32, layers=2, heads=4, query_rank=16, key_value_rank=16, head_width=16, rope_width=8,
    value_width=16, dense_width=32, expert_width=16, initial_deviation=0.05,
)  # fmt: skip


def test_batches_for_a_gpu_are_in_memory_that_it_can_fetch_from(tmp_path: Path) -> None:
    loader = RowLoader(write_rows(tmp_path, rows=11, parts=2), even(4), seed=1)
    for step, batch in enumerate(loader.stream(1, 9, pinned=True), 1):
        assert batch.tokens_BL.is_pinned() and batch.rows(1, 3).document_BL.is_pinned()
        away = batch.to(torch.device("cuda"))
        assert torch.equal(away.tokens_BL.cpu(), loader.batch(step).tokens_BL)
        assert torch.equal(away.document_BL.cpu(), loader.batch(step).document_BL)


def test_a_training_with_everything_that_is_read_late_is_the_same_after_kills(tmp_path: Path) -> None:
    """Average, guard, evaluations, phases: outcomes come while the next step runs."""
    rows = tmp_path / "rows"
    files = write_rows(rows, rows=11, parts=2) | write_rows(rows, rows=5, parts=1, length=24)
    run_all(files, tmp_path / "whole", steps=14, model=MODEL)
    for step in (3, 6, 9):
        with pytest.raises(Killed):
            run_all(files, tmp_path / "killed", kill_after(step), steps=14, model=MODEL)
    run_all(files, tmp_path / "killed", steps=14, model=MODEL)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")


@pytest.mark.parametrize("length", [16, 512])
def test_a_run_killed_and_resumed_on_a_gpu_gives_the_same_bits(tmp_path: Path, length: int) -> None:
    files = write_rows(tmp_path / "rows", rows=11, parts=2, length=length)
    run(files, tmp_path / "whole", model=MODEL)
    for step in (3, 8):
        with pytest.raises(Killed):
            run(files, tmp_path / "killed", kill_after(step), model=MODEL)
    run(files, tmp_path / "killed", model=MODEL)
    assert read_everything(tmp_path / "killed") == read_everything(tmp_path / "whole")
