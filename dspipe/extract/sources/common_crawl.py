"""`cc://CRAWL?kind=warc&files=0-99` → files of Common Crawl, chosen by their numbers in a listing."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from dspipe.extract.sources.file import SourceFile, hide_secrets, open_source, refusal
from dspipe.extract.sources.local import Found
from dspipe.extract.sources.patience import Access
from dspipe.recipe import DspipeError, Format, RecipeError, Source

KINDS: dict[str, Format] = {"warc": "warc", "wet": "wet", "wat": "wat"}
CRAWL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[0-9]+)*")  # CC-MAIN-2024-10, CC-NEWS/2024/01
NUMBERS = re.compile(r"[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*")
LONGEST_LINE = 4096  # bytes of a listing; a name has 140
MOST_FILES = 10_000_000  # in a listing; the largest crawl has 100,000
EXAMPLE = "cc://CC-MAIN-2024-10?kind=warc&files=0-99"

Ranges = tuple[tuple[int, int], ...]  # first and last number, both included


def read_address(source: Source) -> tuple[str, str, Ranges | None]:
    """The crawl, the kind and the chosen numbers (None: all) that an address names."""
    try:
        parts = urlsplit(source.path)
    except ValueError as error:
        raise refusal(source, f"{source.path} is no address ({error}); write it like {EXAMPLE}") from None
    crawl = (parts.netloc + parts.path).rstrip("/")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    unknown = [name for name in query if name not in ("kind", "files")]
    kind, files = query.get("kind", "warc"), query.get("files")
    if unknown:
        problem = f"has no setting {unknown[0]}; there are kind and files"
    elif len(pairs) > len(query):
        problem = "has a setting twice; give each once, several ranges as files=0-9,50"
    elif kind not in KINDS:
        problem = f"has the kind {kind}; there are {', '.join(KINDS)}"
    elif not CRAWL.fullmatch(crawl) or parts.fragment:
        problem = f"does not name a crawl; write it like {EXAMPLE}"
    elif files is not None and not NUMBERS.fullmatch(files):
        problem = f"has files={files}; write numbers like 0-99 or 0-9,50"
    else:
        ranges = tuple(read_range(text) for text in files.split(",")) if files is not None else None
        wrong = next((f"{first}-{last}" for first, last in ranges or () if first > last), None)
        if wrong is None:
            return crawl, kind, ranges
        problem = f"has files={wrong}; the smaller number comes first"
    raise refusal(source, f"{source.path} {problem}")


def read_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


@lru_cache(16)  # archives never change, and the files are asked for twice: to plan a run, and to do it
def find_archived(source: Source, base: str, access: Access) -> tuple[Format, tuple[Found, ...]]:
    """The chosen files of a crawl and their format; `base` is where Common Crawl's data begin.

    Raises:
        RecipeError: no such crawl, no such number, or a server that does not answer.
    """
    crawl, kind, ranges = read_address(source)
    base = base if base.endswith("/") else base + "/"
    folder = f"crawl-data/{crawl}/"
    name = f"{kind}.paths.gz"
    listing = SourceFile(source.name, base + folder + name, name, None, "text", None, source.columns, access)
    chosen, count = [], 0
    try:
        for count, path in enumerate(read_listing(source, listing, folder), 1):
            if ranges is None or any(first <= count - 1 <= last for first, last in ranges):
                chosen.append(path)
    except RecipeError:
        raise
    except DspipeError as error:
        raise explain_listing(source, crawl, base, error) from error
    if beyond := [last for _, last in ranges or () if last >= count]:
        raise refusal(
            source,
            f"{source.path} asks for file {max(beyond)}, but {crawl} has {count} {kind} files, "
            "numbered from 0; choose among these",
        )
    sizes = find_archived_sizes(source, [base + path for path in chosen], access)
    found = zip([path.removeprefix(folder) for path in chosen], sizes, strict=True)
    return KINDS[kind], tuple((path, f"{base}{folder}{path}", size) for path, size in found)


def read_listing(source: Source, file: SourceFile, folder: str) -> Iterator[str]:
    """The paths that a listing names, as far as they can belong to the crawl."""
    problem = "is damaged"
    with open_source(file) as stream:
        try:
            with gzip.open(stream) as lines:
                for _ in range(MOST_FILES):
                    line = lines.readline(LONGEST_LINE)
                    if not line:
                        return
                    path = line.decode("utf-8", "replace").strip()
                    if not path.startswith(folder) or ".." in path.split("/"):
                        problem = "names files that do not belong to the crawl"
                        break
                    yield path
        except (OSError, EOFError, zlib.error) as error:
            if not isinstance(error, gzip.BadGzipFile | EOFError):
                stream.raise_failure()
            problem = f"is damaged ({error})"
    raise refusal(source, f"the listing {hide_secrets(file.address)} {problem}; check extract.common_crawl")


def explain_listing(source: Source, crawl: str, base: str, error: DspipeError) -> DspipeError:
    """No listing means a wrong name; Common Crawl's storage says "forbidden" of what is not there, too."""
    cause = error.__cause__
    absent = isinstance(cause, FileNotFoundError | PermissionError)
    if not absent and getattr(cause, "status", None) not in (403, 404):
        return error
    shown = hide_secrets(base)
    return refusal(source, f"{shown} has no crawl {crawl}, or not this kind of its files; check its name")


def find_archived_sizes(source: Source, addresses: list[str], access: Access) -> list[int | None]:
    try:
        if not addresses or "://" not in addresses[0]:
            return [os.stat(address).st_size for address in addresses]
        from dspipe.extract.sources.connect import find_sizes, find_system

        system, _ = find_system(addresses[0])
        paths = [system._strip_protocol(address) for address in addresses]
        return find_sizes(system, paths, addresses[0], access)
    except Exception as error:
        from dspipe.extract.sources.remote import explain

        raise explain(source, addresses[0], error) from error
