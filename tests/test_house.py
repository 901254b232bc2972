"""The house is in order: style, types, and imports that point one way. Plain `pytest` checks all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

CHECKS = {
    "style": ["ruff", "check", "."],
    "layout": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
}


@pytest.mark.parametrize("command", CHECKS.values(), ids=CHECKS)
def test_the_house_is_in_order(command: list[str]) -> None:
    program, *arguments = command
    done = subprocess.run([BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_text_half_and_the_command_line_run_without_torch() -> None:
    modules = "dspipe.cli dspipe.runner dspipe.commands.run dspipe.extract.stage dspipe.filter.stage"
    modules += " dspipe.dedup.stage dspipe.mix.stage dspipe.tokenizer.stage dspipe.pack.stage"
    code = f"import sys\nfor name in {modules.split()!r}: __import__(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_help_imports_no_array_library() -> None:
    slow = {"numpy", "pyarrow", "numba", "torch", "rich"}
    code = f"import sys, dspipe.cli\nassert not {slow} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_stage_is_a_folder_with_a_stage_file_of_at_most_80_lines() -> None:
    from dspipe.road import ROAD

    for stage in ROAD:
        lines = (ROOT / "dspipe" / stage.name / "stage.py").read_text("utf-8").splitlines()
        assert len(lines) <= 80 and lines[0].startswith('"""'), stage.name


def test_every_module_says_in_its_first_line_what_it_is() -> None:
    for path in (ROOT / "dspipe").rglob("*.py"):
        assert path.read_text("utf-8").startswith(('"""', 'r"""')), path
