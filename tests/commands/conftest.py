"""Runs for all tests that only look at them, and copies to be spoiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.packs import make_run
from tests.commands.runs import run_stages, write_recipe, write_sources


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is done up to `dedup`; its files lie below `data`, beside `shards`."""
    folder = tmp_path_factory.mktemp("small")
    write_sources(folder / "data")
    run_stages(folder, write_recipe(folder, Path("data")), "extract", "filter", "dedup")
    return folder / "shards" / "small"


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has packed rows, written by hand."""
    return make_run(tmp_path_factory.mktemp("runs") / "kettles")


@pytest.fixture
def moving(tmp_path: Path, packed: Path) -> Path:
    """A copy of that run, to be spoiled."""
    shutil.copytree(packed, tmp_path / "runs" / "copy")
    return tmp_path / "runs" / "copy"
