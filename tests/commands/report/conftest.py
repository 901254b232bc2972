"""Runs that are made once; tests that change one copy it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.report.runs import make_run


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, whose documents and settings are hostile."""
    return make_run(tmp_path_factory.mktemp("report") / "kettles")


@pytest.fixture
def run(tmp_path: Path, made: Path) -> Path:
    """A copy of it."""
    shutil.copytree(made, tmp_path / "runs" / "kettles")
    return tmp_path / "runs" / "kettles"
