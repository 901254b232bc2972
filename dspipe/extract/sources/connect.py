"""An address → what fetches its bytes, and how many there are. Imports fsspec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fsspec.core import url_to_fs

from dspipe.extract.sources.blocks import Opened, Transport
from dspipe.extract.sources.patience import Access, Wait, persist
from dspipe.extract.sources.slots import in_parallel, take_slot


def find_system(address: str) -> tuple[Any, str]:
    """fsspec's file system for an address, and the file's path in it; nothing is asked of a server."""
    return cast(tuple[Any, str], url_to_fs(address))


def connect(system: Any, path: str, size: int | None, access: Access) -> Transport:
    """What fetches bytes of one file; a web server has ways of its own to fail, which fsspec does not see."""
    if "https" not in system.protocol:
        return Opened(system, path, size)
    from dspipe.extract.sources.web import Web

    return Web(system, path, size, access.silence)


def find_sizes(system: Any, paths: Sequence[str], address: str, access: Access) -> list[int | None]:
    """The sizes of files of one server, asked for by as many threads as may connect to it."""

    def find_size(path: str, wait: Wait) -> int | None:
        with take_slot(address, access.connections, access.slots):
            return persist(lambda: ask_size(system, path, access), access.retries, wait)

    return in_parallel(find_size, paths, access.connections)


def ask_size(system: Any, path: str, access: Access) -> int | None:
    """The size of one file, as its server says.

    Raises:
        OSError: there is none, or the server fails. Other errors are the driver's.
    """
    if "https" not in system.protocol:
        return cast("int | None", system.info(path).get("size"))
    from dspipe.extract.sources.web import Web

    web = Web(system, path, None, access.silence)
    try:
        return web.find_size()
    finally:
        web.close()
