"""What happens in a training → a file of JSON lines each, which a resumed run cuts back to its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dspipe.recipe import DspipeError
from dspipe.shards import write_file


class Lines:
    """A file that grows by a line at a time; every line has its `step`. Kept are those up to one step.

    Attributes:
        last: the step of the last line, 0 where there is none.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        self._open(step)

    def _open(self, step: int) -> None:
        self.last = cut_lines(self.path, step)
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115, closed by `close`

    def write(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, ensure_ascii=False) + "\n")
        self._file.flush()
        self.last = content["step"]

    def cut(self, step: int) -> None:
        """Forget what was written of later steps."""
        self._file.close()
        self._open(step)

    def close(self) -> None:
        self._file.close()


def cut_lines(path: Path, step: int) -> int:
    """Drop the lines of steps after `step`, which will be run again, and a last line that was cut off.

    Returns the step of the last one that is left.

    Raises:
        DspipeError: a line that is to be kept cannot be read.
    """
    kept = list(read_kept(path, step))
    write_file(path, b"".join(line for _, line in kept))
    return kept[-1][0] if kept else 0


def read_kept(path: Path, step: int) -> Iterator[tuple[int, bytes]]:
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []  # of bytes: no more than \n
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            return
        try:
            known = int(json.loads(line)["step"])
        except (ValueError, LookupError, TypeError):
            raise DspipeError(
                f"{path}: line {number} is damaged; restore the file from a copy, delete the line, or train "
                "again with --rebuild train"
            ) from None
        if known > step:
            return
        yield known, line
