"""Finds the files of a recipe's sources, and describes them for the fingerprint.

A source is one file, a glob, or an address that fsspec opens. A file is known by its path relative to the
part of the glob that has no `*`, so a folder may move without any document changing its id. This module
imports nothing heavy: the runner asks it for the state of a run before any work starts.
"""

from __future__ import annotations

import os
from typing import Any, get_args

import xxhash

from dspipe.extract.sources.common_crawl import find_archived
from dspipe.extract.sources.file import SourceFile, hide_secrets, open_source, refusal, unreadable
from dspipe.extract.sources.local import Found, find_local
from dspipe.extract.sources.patience import Access, Lost, Wait
from dspipe.extract.sources.remote import find_remote
from dspipe.extract.sources.slots import in_parallel
from dspipe.recipe import DspipeError, Extract, Format, RecipeError, Source

ENDINGS: tuple[tuple[tuple[str, ...], Format], ...] = (
    ((".wet",), "wet"),
    ((".wat",), "wat"),
    ((".warc",), "warc"),
    ((".arc",), "arc"),
    ((".jsonl", ".ndjson", ".json"), "jsonl"),
    ((".csv", ".tsv"), "csv"),
    ((".parquet",), "parquet"),
    ((".arrow", ".feather", ".ipc"), "arrow"),
    ((".txt", ".md"), "text"),
)
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".lz4")
SAMPLE = 64 << 10


def find_files(source: Source, settings: Extract | None = None) -> list[SourceFile]:
    """The files of a source, in the order of their relative paths.

    Raises:
        RecipeError: nothing matches, a file may not be read, a driver is not installed, a server does not
        answer, or the format is unknown.
    """
    settings = settings or Extract()
    access = Access(settings.retries, settings.connections)
    format, found = find_places(source, settings.common_crawl, access)
    if not found:
        absolute = "://" in source.path or os.path.isabs(source.path)
        start = "" if absolute else f", which starts from {os.getcwd()}"
        raise refusal(source, f"no file matches {hide_secrets(source.path)}; check the path{start}")
    return [
        SourceFile(
            source.name,
            address,
            path,
            size,
            source.format or format or choose_format(source, path),
            source.domain,
            source.columns,
            access,
        )
        for path, address, size in sorted(set(found))  # a glob with two `**` names a file twice
    ]


def find_places(source: Source, common_crawl: str, access: Access) -> tuple[Format | None, list[Found]]:
    """Where a source's files lie, and their format if that does not follow from their names."""
    if is_archived(source):
        format, found = find_archived(source, common_crawl, access)
        return format, list(found)
    return None, find_remote(source, access) if "://" in source.path else find_local(source)


def is_archived(source: Source) -> bool:
    return source.path.startswith("cc://")


def find_all_files(settings: Extract) -> list[SourceFile]:
    """The files of all sources, in the recipe's order."""
    check_sources(settings)
    return [file for source in settings.sources for file in find_files(source, settings)]


def check_sources(settings: Extract) -> None:
    if not settings.sources:
        raise RecipeError(
            "extract.sources: there are none; add [[extract.sources]] with a name and a path, or take "
            "documents of another run with [use]"
        )


def describe_sources(settings: Extract) -> list[dict[str, Any]]:
    """What the fingerprint depends on outside the recipe: each file's size and a sample of its bytes.

    Common Crawl's archives never change, so theirs are not sampled: of a whole crawl that would take hours.
    """
    check_sources(settings)
    described = []
    for source in settings.sources:
        files = find_files(source, settings)
        samples = ["archived"] * len(files) if is_archived(source) else sample_files(files)
        described += [
            {"source": file.source, "file": file.path, "bytes": file.bytes, "sample": sample}
            for file, sample in zip(files, samples, strict=True)
        ]
    return described


def note_addresses(settings: Extract) -> dict[str, Any]:
    """Where the sources lie, as a manifest may tell it, and Common Crawl's data where any are of these."""
    noted: dict[str, Any] = {
        "sources": {source.name: hide_secrets(source.path) for source in settings.sources}
    }
    if any(is_archived(source) for source in settings.sources):
        noted["common_crawl"] = hide_secrets(settings.common_crawl)
    return noted


def sample_files(files: list[SourceFile]) -> list[str]:
    """A digest of each file; many at once where a server would be waited for."""
    remote = "://" in files[0].address
    return in_parallel(sample_file, files, files[0].access.connections if remote else 1)


def sample_file(file: SourceFile, wait: Wait) -> str:
    """XXH3-64 of the size and of 64 KiB at the beginning, the middle and the end.

    Reading all of a crawl to learn whether it has changed would cost as much as extracting it. A server that
    cannot give ranges is asked for the beginning only.
    """
    digest = xxhash.xxh3_64(str(file.bytes).encode())
    size = file.bytes or 0
    try:
        with open_source(file, wait=wait) as stream:
            digest.update(stream.read(SAMPLE))
            if stream.seekable():
                for offset in (max(0, size // 2 - SAMPLE // 2), max(0, size - SAMPLE)):
                    stream.seek(offset)
                    digest.update(stream.read(SAMPLE))
    except DspipeError as error:
        raise RecipeError(str(error)) from None
    except Lost as error:
        raise unreadable(file, error) from error
    except Exception as error:
        raise RecipeError(str(unreadable(file, error))) from error
    return digest.hexdigest()


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
    first, *others, last = get_args(Format)
    formats = f'"{first}", {", ".join(others)} or {last}'
    raise refusal(source, f"the name of {path} does not say what it holds; add format = {formats}")
