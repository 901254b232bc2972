"""`docs/walk.md` tells the truth: its commands and its Python are run, and what they print is compared."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WALK = (ROOT / "docs" / "walk.md").read_text("utf-8")


def blur(text: str) -> str:
    """Without decimals, which differ with the machine and the versions of libraries, and trailing space."""
    return "\n".join(re.sub(r"\d+\.\d+(e-?\d+)?", "#", line).rstrip() for line in text.strip().splitlines())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "shards").mkdir()
    (folder / "recipes").symlink_to(ROOT / "recipes")
    (folder / "shards" / "sample").symlink_to(ROOT / "shards" / "sample")
    return folder


def test_the_walk_prints_what_it_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    blocks = re.findall(r"^```(?:python)?\n(.*?)^```$", WALK, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        if block.startswith("$ dspipe"):
            command, _, expected = block.partition("\n")
            words = [sys.executable, "-m", *shlex.split(command)[1:]]
            done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
            assert blur(done.stdout) == blur(expected), done.stderr
        else:
            failures, tried = doctest.DocTestRunner().run(
                doctest.DocTestParser().get_doctest(block, {}, "walk.md", None, 0)
            )
            assert tried == 9 and failures == 0


def test_the_documents_lack_no_figure_and_every_file_that_they_name_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"@[A-Z0-9]+@", page.read_text("utf-8")), f"{page.name}: a figure is missing"
        for name in re.findall(r"`((?:dspipe|docs|recipes|tests|shards)/[\w./-]+)`", page.read_text("utf-8")):
            assert (ROOT / name).exists() or name.startswith("shards/smoke"), f"{page.name}: {name}"
