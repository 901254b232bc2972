"""Places at a server: as many processes as it allows read from it at once, the others wait for their turn.

A place is a locked file in a folder that all processes of a user share. The system frees it when its process
ends, however it ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import TypeVar

import xxhash

from dspipe.extract.sources.patience import Wait
from dspipe.recipe import DspipeError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LOOK_AGAIN = 0.05  # seconds

held = (
    threading.local()
)  # the servers at which this thread has a place: a second one could wait for the first


def default_folder() -> str:
    """One for all processes of a user; one for this process alone where somebody else has taken its name."""
    folder = Path(gettempdir()) / f"dspipe-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:  # no folder, or a link to nowhere
        return private_folder()
    except OSError:
        return str(folder)  # `wait_for_slot` says why not
    status = folder.lstat()
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return str(folder) if ours else private_folder()


@cache
def private_folder() -> str:
    folder = mkdtemp(prefix="dspipe-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def take_slot(address: str, count: int, folder: str) -> Iterator[None]:
    """Wait for one of `count` places at the address's server, and keep it for the block."""
    server = name_server(address)
    mine: set[str] = held.__dict__.setdefault("servers", set())
    if server is None or server in mine:
        yield
        return
    path, slot = wait_for_slot(
        Path(folder or default_folder()), xxhash.xxh3_64_hexdigest(server.encode()), count
    )
    mine.add(server)
    try:
        yield
    finally:
        mine.discard(server)
        path.unlink(missing_ok=True)  # while it is locked: see `lock`
        os.close(slot)


def name_server(address: str) -> str | None:
    """`https://host:port`, `s3://bucket`; None for what lies on this machine."""
    scheme, mark, rest = address.rpartition("::")[2].partition("://")
    here = not mark or scheme in ("file", "local", "memory")
    return None if here else f"{scheme}://{rest.partition('/')[0]}"


def wait_for_slot(folder: Path, server: str, count: int) -> tuple[Path, int]:
    """A file, and its descriptor, which holds the lock until it is closed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            for number in range(count):
                path = folder / f"{server}-{number}"
                slot = lock(path)
                if slot is not None:
                    return path, slot
            time.sleep(LOOK_AGAIN)
    except OSError as error:
        raise DspipeError(
            f"connections cannot be counted in {folder}: {error.strerror}; name a folder of yours as TMPDIR"
        ) from error


def lock(path: Path) -> int | None:
    """A descriptor of the locked file, or None where another has locked it, or has just deleted it."""
    slot = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(slot), os.stat(path)):
            return slot
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(slot)
    return None


def in_parallel(function: Callable[[Item, Wait], Answer], items: Sequence[Item], most: int) -> list[Answer]:
    """The answers in the order of the items, asked for by several threads.

    The function is given what to wait with before it asks a server again: after an error, or an interrupt,
    it waits for nothing any more, and what has not begun is left out.
    """
    over = threading.Event()
    with ThreadPoolExecutor(max(1, min(most, len(items)))) as threads:
        futures = [threads.submit(function, item, over.wait) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            over.set()
            for future in futures:
                future.cancel()
