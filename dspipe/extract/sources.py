"""Finds the files of a recipe's sources, and describes them for the fingerprint.

A source is one file, a glob, or an address that fsspec opens. A file is known by its path relative to the
part of the glob that has no `*`, so a folder may move without any document changing its id. This module
imports nothing heavy: the runner asks it for the state of a run before any work starts.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import xxhash

from dspipe.extract.files import SourceFile, describe_error, open_source, print_safely, unreadable
from dspipe.recipe import DspipeError, Extract, Format, RecipeError, Source

ENDINGS: tuple[tuple[tuple[str, ...], Format], ...] = (
    ((".wet",), "wet"),
    ((".warc",), "warc"),
    ((".jsonl", ".ndjson", ".json"), "jsonl"),
    ((".parquet",), "parquet"),
    ((".txt", ".md"), "text"),
)
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".lz4")
PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp",
    "hf": "huggingface_hub", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "adl": "adlfs",
}  # fmt: skip
SAMPLE = 64 << 10


def find_files(source: Source) -> list[SourceFile]:
    """The files of a source, in the order of their relative paths.

    Raises:
        RecipeError: nothing matches, a file may not be read, a driver is not installed, or the format is
        unknown.
    """
    found = find_remote(source) if "://" in source.path else find_local(source)
    if not found:
        absolute = "://" in source.path or os.path.isabs(source.path)
        start = "" if absolute else f", which starts from {os.getcwd()}"
        raise refusal(source, f"no file matches {source.path}; check the path{start}")
    return [
        SourceFile(source.name, address, path, size, choose_format(source, path), source.domain, source.text)
        for path, address, size in sorted(set(found))  # a glob with two `**` names a file twice
    ]


def find_all_files(settings: Extract) -> list[SourceFile]:
    """The files of all sources, in the recipe's order."""
    if not settings.sources:
        raise RecipeError(
            "extract.sources: there are none; add [[extract.sources]] with a name and a path, or take "
            "documents of another run with [use]"
        )
    return [file for source in settings.sources for file in find_files(source)]


def describe_sources(settings: Extract) -> list[dict[str, Any]]:
    """What the fingerprint depends on outside the recipe: each file's size and a sample of its bytes."""
    return [
        {"source": file.source, "file": file.path, "bytes": file.bytes, "sample": sample_file(file)}
        for file in find_all_files(settings)
    ]


def sample_file(file: SourceFile) -> str:
    """XXH3-64 of the size and of 64 KiB at the beginning, the middle and the end.

    Reading all of a crawl to learn whether it has changed would cost as much as extracting it. A server that
    cannot give ranges is asked for the beginning only.
    """
    digest = xxhash.xxh3_64(str(file.bytes).encode())
    size = file.bytes or 0
    try:
        with open_source(file) as stream:
            digest.update(stream.read(SAMPLE))
            if stream.seekable():
                for offset in (max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)):
                    stream.seek(offset)
                    digest.update(stream.read(SAMPLE))
    except DspipeError as error:
        raise RecipeError(str(error)) from None
    except Exception as error:
        raise RecipeError(str(unreadable(file, error))) from error
    return digest.hexdigest()


def find_local(source: Source) -> list[tuple[str, str, int]]:
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


def stat_file(source: Source, match: str, prefix: str) -> Iterator[tuple[str, str, int]]:
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


def find_remote(source: Source) -> list[tuple[str, str, int | None]]:
    """The same for an address; only `*` makes a glob of it, since `?` stands in web addresses."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(source.path)
        if "*" not in source.path:
            return [(file_name(source.path), source.path, system.info(path).get("size"))]
        prefix = fixed_prefix(path, r"\*")
        entries = system.glob(path, detail=True)
    except ImportError as error:
        protocol = source.path.partition("://")[0].rpartition("::")[2]
        package = PACKAGES.get(protocol, f"of fsspec's {protocol} driver ({describe_error(error)})")
        raise refusal(source, f"{protocol}:// needs the package {package}; pip install {package}") from None
    except FileNotFoundError as error:
        # fsspec says so of a server that is not there, too
        cause = f" ({describe_error(error.__cause__)})" if error.__cause__ else ""
        raise refusal(source, f"no file matches {source.path}{cause}; check the address") from error
    except Exception as error:
        raise refusal(
            source, f"{source.path} cannot be read: {describe_error(error)}; check it and your access"
        ) from error
    files = [(name, entry) for name, entry in entries.items() if entry["type"] == "file"]
    return [
        (name[len(prefix) :].lstrip("/"), system.unstrip_protocol(name), entry.get("size"))
        for name, entry in files
    ]


def fixed_prefix(pattern: str, magic: str) -> str:
    """The folders of a glob before its first wildcard: `a/b*/c` → `a`."""
    return re.split(magic, pattern)[0].rpartition("/")[0] or ("/" if pattern.startswith("/") else "")


def file_name(address: str) -> str:
    """The last part of an address's path, without a query, which may hold a secret."""
    return urlsplit(address).path.rstrip("/").rpartition("/")[2] or urlsplit(address).netloc


def choose_format(source: Source, path: str) -> Format:
    """The recipe's word, or what the file name says: `x.warc.wet.gz` → `wet`."""
    if source.format is not None:
        return source.format
    name = path.lower()
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression)
    for endings, format in ENDINGS:
        if name.endswith(endings):
            return format
    raise refusal(
        source,
        f'the name of {path} does not say what it holds; add format = "warc", wet, jsonl, parquet or text',
    )


def refusal(source: Source, problem: str) -> RecipeError:
    return RecipeError(print_safely(f"extract.sources.{source.name}: {problem}"))
