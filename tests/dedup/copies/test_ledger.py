"""Columns of the ledger: what they hold, and that they lie on the disk before they are mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dspipe.dedup.copies import ledger as module
from dspipe.dedup.copies.ledger import Ledger


def test_a_column_has_its_room_on_the_disk_before_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3000)
    ledger = Ledger(tmp_path, [], [0, 100_000], 0)
    for name, value in (("rank", 0), ("jaccard", 1.0)):
        column: Any = ledger.make(name, value)
        assert column.shape == (100_000,) and (column == value).all()
        # what is mapped but has no room kills the process when the disk is full
        assert (tmp_path / f"ledger-{name}.npy").stat().st_blocks * 512 >= 800_000
        column[7] = 5
        assert ledger.open(name)[7] == 5 and ledger.make(name)[7] == 0


def test_a_ledger_of_nothing_has_empty_columns(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, [], [0], 0)
    assert len(ledger.make("kept")) == len(ledger.open("kept")) == 0
