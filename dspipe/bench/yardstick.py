"""A script of `dspipe.bench.peers` and an interpreter that has what it needs → answers from that interpreter.

Yardsticks that are large, or that clash with what dspipe needs, live in an environment of their own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import dspipe.bench.peers
from dspipe.recipe import DspipeError, RecipeError

FOLDER = Path(dspipe.bench.peers.__file__).parent


def find_interpreter(peer: str | None, *packages: str) -> str | None:
    """The interpreter to use: `peer`, which must have the packages, or this one where it has them.

    Raises:
        RecipeError: `peer` cannot be run or lacks a package.
    """
    interpreter = peer or sys.executable
    finds = f"import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, {packages!r})))"
    try:
        lacking = subprocess.run([interpreter, "-c", finds], capture_output=True, check=False).returncode
    except OSError as error:
        raise RecipeError(f"--peer {interpreter}: cannot be run ({error.strerror})") from None
    if peer and lacking:
        raise RecipeError(f"--peer {peer}: lacks {' or '.join(packages)}; pip install {' '.join(packages)}")
    return None if lacking else interpreter


def call(interpreter: str, script: str, *arguments: str | Path) -> None:
    """Run a script to its end.

    Raises:
        DspipeError: it failed; with the last line of what it said.
    """
    done = subprocess.run(
        [interpreter, FOLDER / script, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DspipeError(f"{script}: {last_line(done.stderr)}")


class Yardstick:
    """A script that stays, and answers a line with a line of JSON; it begins with one of its own."""

    def __init__(self, interpreter: str, script: str, *arguments: str | Path) -> None:
        self._script = script
        self._process = subprocess.Popen(
            [interpreter, FOLDER / script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.greeting = self._read()

    def ask(self, work: str) -> Any:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # reading tells that it has ended
            self._process.stdin.write(f"{work}\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DspipeError(f"{self._script}: ended with code {self._process.wait()} and no answer")
        return json.loads(line)

    def __enter__(self) -> Yardstick:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["said nothing"])[-1]
