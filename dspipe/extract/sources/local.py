"""A path or a glob on this machine → its files; ways to name a file twice, or without end, are refused."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator

from dspipe.extract.sources.file import describe_error, refusal
from dspipe.recipe import Source

Found = tuple[str, str, int | None]  # relative path, address, bytes


def find_local(source: Source) -> list[Found]:
    """(relative path, address, bytes) of the regular files that a path or glob names."""
    pattern = source.path
    if not re.search(r"[*?\[]", pattern) or os.path.exists(pattern):
        if os.path.isdir(pattern):
            raise refusal(
                source, f"{pattern} is a folder; name its files, for instance {os.path.join(pattern, '*')}"
            )
        prefix, matches = os.path.dirname(pattern), [pattern] if os.path.lexists(pattern) else []
    else:
        prefix, matches = fixed_prefix(pattern, r"[*?\[]"), match_glob(source)
    if not os.access(prefix or ".", os.R_OK | os.X_OK) and os.path.isdir(prefix):
        raise refusal(source, f"the folder {prefix} may not be read; change its permissions or the path")
    return [found for match in matches for found in stat_file(source, match, prefix)]


def match_glob(source: Source) -> list[str]:
    """The paths that a glob names; ways to name a file more than once, or without end, are refused."""
    pattern = source.path
    if ".." in re.sub(r"^[^*?\[]*", "", pattern).split(os.sep):
        raise refusal(source, f"{pattern} has .. behind a wildcard; name the folders instead")
    try:
        loop = next((loop for top in find_tops(pattern) for loop in find_loops(top)), None)
        matches = [] if loop else glob.glob(pattern, recursive=True)
    except (RecursionError, OSError) as error:
        raise refusal(source, f"{pattern} cannot be followed: {describe_error(error)}; narrow it") from error
    if loop:
        raise refusal(source, f"{loop} leads back to a folder above it; remove that link or narrow the path")
    return matches


def find_tops(pattern: str) -> list[str]:
    """The folders from which the first `**` of a glob goes down."""
    before, deep, _ = f"{os.sep}{pattern}{os.sep}".partition(f"{os.sep}**{os.sep}")
    start = os.sep if os.path.isabs(pattern) else os.curdir
    return glob.glob(before[1:] or start) if deep else []


def find_loops(top: str) -> Iterator[str]:
    """Links to folders above them: with two of these, `**` has more paths to follow than time lasts."""
    folders: list[tuple[str, frozenset[tuple[int, int]]]] = [(top, frozenset())]
    while folders:
        folder, above = folders.pop()
        try:
            status, entries = os.stat(folder), list(os.scandir(folder))
        except OSError:  # no folder, or closed to us: `glob` passes it over, too
            continue
        here = (status.st_dev, status.st_ino)
        if here in above:
            yield folder
            continue
        inner = [entry.path for entry in entries if not entry.name.startswith(".") and not is_plain(entry)]
        folders += [(path, above | {here}) for path in inner]


def is_plain(entry: os.DirEntry[str]) -> bool:
    """Whether it is surely no folder, as nearly all are; needs no look at the disk."""
    return not entry.is_symlink() and not entry.is_dir()


def stat_file(source: Source, match: str, prefix: str) -> Iterator[Found]:
    """One entry for a regular file, none for folders, pipes and devices."""
    try:
        status = os.stat(match)
    except OSError as error:
        raise refusal(source, f"{match} cannot be read: {error.strerror}; mend or remove it") from None
    if not stat.S_ISREG(status.st_mode):
        return
    if not os.access(match, os.R_OK):
        raise refusal(source, f"{match} may not be read; change its permissions or the path")
    relative = os.path.relpath(match, prefix or ".").replace(os.sep, "/")
    yield os.fsencode(relative).decode("utf-8", "backslashreplace"), match, status.st_size


def fixed_prefix(pattern: str, magic: str) -> str:
    """The folders of a glob before its first wildcard: `a/b*/c` → `a`."""
    return re.split(magic, pattern)[0].rpartition("/")[0] or ("/" if pattern.startswith("/") else "")
