"""An address or a glob of addresses → its files. What a server refuses for a while is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import Any
from urllib.parse import urlsplit

from dspipe.extract.sources.file import AGAIN, describe_error, hide_secrets, refusal
from dspipe.extract.sources.local import Found, fixed_prefix
from dspipe.extract.sources.patience import Access, Lost, Patience, persist
from dspipe.extract.sources.slots import take_slot
from dspipe.recipe import DspipeError, Source

PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp",
    "hf": "huggingface_hub", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "adl": "adlfs",
}  # fmt: skip


def find_remote(source: Source, access: Access) -> list[Found]:
    """The files that an address names; only `*` makes a glob of it, since `?` stands in web addresses."""
    try:
        from dspipe.extract.sources.connect import find_sizes, find_system

        system, path = find_system(source.path)
        if "*" not in source.path:
            (size,) = find_sizes(system, [path], source.path, access)
            return [(file_name(source.path), source.path, size)]
        with take_slot(source.path, access.connections, access.slots):
            names, sizes = list_files(system, path, access)
        lacking = [name for name in names if sizes[name] is None]
        sizes |= dict(zip(lacking, find_sizes(system, lacking, source.path, access), strict=True))
    except Exception as error:
        raise explain(source, source.path, error) from error
    start = len(fixed_prefix(path, r"\*"))
    return [(name[start:].lstrip("/"), system.unstrip_protocol(name), sizes[name]) for name in names]


def list_files(system: Any, path: str, access: Access) -> tuple[list[str], dict[str, int | None]]:
    """The names that a glob matches, and the sizes that the listing tells."""
    with patient(system, access.retries):
        entries = persist(lambda: system.glob(path, detail=True), access.retries)
    files = {name: entry.get("size") for name, entry in entries.items() if entry["type"] == "file"}
    return list(files), files


class Unlisted(Exception):
    """A folder could not be listed: no OSError, since fsspec passes over these, and all files behind them."""


@contextmanager
def patient(system: Any, retries: int) -> Iterator[None]:
    """Let every single look into a folder be asked again, and a glob fail when one fails for good."""
    names = ("_ls", "_info") if hasattr(system, "_ls") else ("ls", "info")
    for name in names:
        setattr(system, name, make_patient(getattr(system, name), retries))
    try:
        yield
    finally:
        for name in names:
            delattr(system, name)


def make_patient(look: Callable[..., Any], retries: int) -> Callable[..., Any]:
    """A method of a file system that is called again while it fails."""

    def ask_here(*arguments: Any, **options: Any) -> Any:
        with loud():
            return persist(lambda: look(*arguments, **options), retries)

    async def ask(*arguments: Any, **options: Any) -> Any:
        waits: list[float] = []
        patience = Patience(retries, waits.append)
        with loud():
            while True:
                try:
                    return await look(*arguments, **options)
                except Exception as error:
                    patience.endure(error)
                await asyncio.sleep(waits.pop())

    return ask if iscoroutinefunction(look) else ask_here


@contextmanager
def loud() -> Iterator[None]:
    """Raise what fsspec does not swallow; what is not there may be passed over."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unlisted from error


def explain(source: Source, address: str, error: Exception) -> DspipeError:
    """The sentence for an address that cannot be read: the recipe's fault, or the server's.

    The difference matters: what a stage has done is thrown away when it refuses its recipe.
    """
    if isinstance(error, Unlisted) and isinstance(error.__cause__, OSError):
        error = error.__cause__
    if isinstance(error, DspipeError):
        return error
    if isinstance(error, ImportError):
        protocol = address.partition("://")[0].rpartition("::")[2]
        package = PACKAGES.get(protocol, f"of fsspec's {protocol} driver ({describe_error(error)})")
        return refusal(source, f"{protocol}:// needs the package {package}; pip install {package}")
    shown = hide_secrets(address)
    if isinstance(error, Lost):
        return DspipeError(str(refusal(source, f"{shown} cannot be read: {describe_error(error)}; {AGAIN}")))
    if isinstance(error, FileNotFoundError) or getattr(error, "status", None) == 404:
        return refusal(source, f"no file matches {shown}; check the address")
    return refusal(source, f"{shown} cannot be read: {describe_error(error)}; check it and your access")


def file_name(address: str) -> str:
    """The last part of an address's path, or its server; no password and no query, which are secrets."""
    parts = urlsplit(address)
    return parts.path.rstrip("/").rpartition("/")[2] or parts.netloc.rpartition("@")[2]
