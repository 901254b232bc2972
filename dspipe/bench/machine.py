"""This machine → what a figure cannot be read without: processor, cores, memory, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dspipe import __version__

PACKAGES = ("fastwarc", "resiliparse", "trafilatura", "pyarrow", "numpy", "numba")


def describe_machine(packages: Iterable[str] = PACKAGES) -> dict[str, Any]:
    """Processor, cores, bytes of memory, and the versions of everything that matters."""
    return {
        "processor": find_processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "dspipe": __version__,
        "packages": {name: version for name in packages if (version := find_version(name))},
    }


def find_processor() -> str:
    """The processor's own name, where the system tells it."""
    for line in read_lines(Path("/proc/cpuinfo")):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def find_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def read_lines(path: Path) -> list[str]:
    """The lines of a file of the system's; none where there is no such file."""
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
