"""The stage on some data, in new processes → the most memory that one of them held."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dspipe.bench import Say
from dspipe.bench.contenders import extract
from dspipe.bench.crawl import Crawl
from dspipe.bench.machine import read_lines
from dspipe.workers import Pool

LONGEST = 512 << 20  # bytes of the files that are joined into one, of which a fourfold copy is made
TIMES = 4


def measure_memory(crawl: Crawl, folder: Path, workers: int, say: Say) -> dict[str, Any]:
    """The peaks with one worker, with several, for one long file, and for one four times as long."""
    ending = "".join(Path(crawl.files[0]).suffixes[-2:])
    once, long = folder / f"once{ending}", folder / f"long{ending}"
    join(choose_files(crawl.files), once)
    join([str(once)] * TIMES, long)
    peaks = {"1 worker": watch(crawl.pattern, folder, 1)}
    if workers > 1:
        peaks[f"{workers} workers"] = watch(crawl.pattern, folder, workers)
    peaks["one file"] = watch(str(once), folder, 1)
    peaks[f"one file, {TIMES} times"] = watch(str(long), folder, 1)
    shown = ", ".join(f"{name} {peak / 1e6:.0f} MB" for name, peak in peaks.items() if peak)
    say(f"peak memory of the largest worker: {shown or 'this system does not tell'}")
    first, last = list(peaks.values())[-2:]
    growth = last / first if first and last else None
    say(f"{TIMES} times the data take {growth:.2f} times the memory" if growth else "no peaks to compare")
    return {"peaks": peaks, "growth": growth}


def choose_files(files: Sequence[str]) -> list[str]:
    """The first files, as many as are not too long together, and one at least."""
    chosen: list[str] = []
    size = 0
    for file in files:
        size += Path(file).stat().st_size
        if chosen and size > LONGEST:
            break
        chosen.append(file)
    return chosen


def join(files: Sequence[str], target: Path) -> None:
    with target.open("wb") as joined:
        for file in files:
            with open(file, "rb") as stream:
                shutil.copyfileobj(stream, joined)


def watch(pattern: str, folder: Path, workers: int) -> int | None:
    """The peak of the largest of new worker processes in bytes, None where the system does not tell."""
    others = {process.pid for process in multiprocessing.active_children()}
    pool = Pool(workers)
    try:
        extract(pattern, folder, pool)
        started = {process.pid for process in multiprocessing.active_children()} - others
        return max((peak for process in started if (peak := find_peak(process))), default=None)
    finally:
        pool.close()


def find_peak(process: int | None = None) -> int | None:
    """The most bytes that a process, or this one, has held at once."""
    return read_status("VmHWM:", process)


def find_held() -> int | None:
    """The bytes that this process holds."""
    return read_status("VmRSS:", None)


def read_status(key: str, process: int | None) -> int | None:
    for line in read_lines(Path(f"/proc/{process or 'self'}/status")):
        if line.startswith(key):
            return int(line.split()[1]) << 10
    return None
