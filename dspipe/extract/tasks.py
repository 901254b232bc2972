"""What one worker reads at a time, and what becomes one part of `documents`.

A function of the files and their sizes alone, so that parts are the same for any number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass

from dspipe.extract.files import SourceFile

BYTES_IN_TASK = 16 << 20  # of text files, which hold one document each


@dataclass(frozen=True)
class Task:
    folder: str
    part: str
    files: tuple[SourceFile, ...]  # of one source
    max_characters: int


def group_files(files: list[SourceFile]) -> list[tuple[SourceFile, ...]]:
    """One file to a task, or consecutive text files of one source up to `BYTES_IN_TASK`."""
    groups: list[list[SourceFile]] = []
    held = 0
    for file in files:
        size = BYTES_IN_TASK if file.bytes is None else file.bytes
        last = groups[-1][-1] if groups else None
        joins = last is not None and file.format == last.format == "text" and file.source == last.source
        if joins and held + size <= BYTES_IN_TASK:
            groups[-1].append(file)
            held += size
        else:
            groups.append([file])
            held = size
    return [tuple(group) for group in groups]
