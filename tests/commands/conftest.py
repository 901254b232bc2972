"""One run for all tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.runs import run_stages, write_recipe, write_sources


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that is done up to `dedup`; its files lie below `data`, beside `shards`."""
    folder = tmp_path_factory.mktemp("small")
    write_sources(folder / "data")
    run_stages(folder, write_recipe(folder, Path("data")), "extract", "filter", "dedup")
    return folder / "shards" / "small"
