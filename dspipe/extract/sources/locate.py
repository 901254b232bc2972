"""A source and the relative path of one of its files → that file, wherever it lies now, to be read again."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from dspipe.extract.sources.common_crawl import KINDS, read_address
from dspipe.extract.sources.file import HIDDEN, SourceFile, hide_secrets, print_safely
from dspipe.extract.sources.find import choose_format, is_archived
from dspipe.extract.sources.local import Found, find_local, fixed_prefix
from dspipe.extract.sources.patience import Access
from dspipe.extract.sources.remote import find_remote
from dspipe.recipe import DspipeError, Extract, Source


def locate_file(source: Source, path: str, settings: Extract, folders: Sequence[Path]) -> SourceFile:
    """One file of a source; a relative path on this machine is looked for from each of some folders.

    Raises:
        DspipeError: it is not there, or cannot be asked for.
    """
    access = Access(settings.retries, settings.connections)
    known = settings.common_crawl if is_archived(source) else source.path
    if HIDDEN in known:
        problem = f"its address is known as {known} only, without what may be a secret"
        raise absent(source, path, problem)
    if "://" in source.path:
        found = find_address(source, path, settings.common_crawl, access)
    else:
        found = find_path(source, path, folders)
    for _, address, size in found:
        kind = KINDS[read_address(source)[1]] if is_archived(source) else None
        format = source.format or kind or choose_format(source, path)
        return SourceFile(source.name, address, path, size, format, source.domain, source.columns, access)
    raise absent(source, path, f"it is not at {hide_secrets(source.path)} any more")


def find_address(source: Source, path: str, common_crawl: str, access: Access) -> list[Found]:
    """A file elsewhere, without a listing of all that lie beside it."""
    if is_archived(source):
        base = common_crawl if common_crawl.endswith("/") else common_crawl + "/"
        address = f"{base}crawl-data/{read_address(source)[0]}/{path}"
        if "://" not in base:
            return find_local(msgspec.structs.replace(source, path=address))
    else:
        address = source.path
        if "*" in address:
            address = fixed_prefix(address, r"\*") + "/" + path
    return find_remote(msgspec.structs.replace(source, path=address), access)


def find_path(source: Source, path: str, folders: Sequence[Path]) -> list[Found]:
    for folder in [Path(), *folders]:
        pattern = os.path.join(glob.escape(str(folder)), source.path) if folder != Path() else source.path
        places = find_local(msgspec.structs.replace(source, path=pattern))
        if found := [place for place in places if place[0] == path]:
            return found
    return []


def absent(source: Source, path: str, problem: str) -> DspipeError:
    return DspipeError(
        print_safely(
            f"{source.name}/{path} cannot be read again: {problem}; "
            "name a recipe whose source of that name has the path: --recipe FILE"
        )
    )
