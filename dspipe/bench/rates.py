"""Seconds of several pieces of work on the same data → bytes and things a second, as figures and as lines."""

from __future__ import annotations

from typing import Any

from dspipe.bench import Say, timing


def rate_all(seconds: dict[str, list[float]], size: int, count: int, unit: str) -> dict[str, Any]:
    """For each piece of work its seconds, its megabytes and its `unit`s ("pages") a second."""
    return {
        name: {
            "seconds": timing.summarize(taken),
            "megabytes_per_second": timing.summarize([size / 1e6 / one for one in taken]),
            f"{unit}_per_second": timing.summarize([count / one for one in taken]),
        }
        for name, taken in seconds.items()
    }


def show_rates(seconds: dict[str, list[float]], size: int, count: int, unit: str, say: Say) -> None:
    """One line for each piece of work: medians, and how it compares with the first of them."""
    yardstick, first = next(iter(seconds.items()))
    width = max(28, 2 + max(map(len, seconds)))
    for name, taken in seconds.items():
        middle = timing.summarize(taken).median
        ratio = f"   {timing.divide(first, taken)} × {yardstick}" if name != yardstick else ""
        bytes_, things = f"{size / 1e6 / middle:8.1f} MB/s", f"{count / middle:9.0f} {unit}/s"
        say(f"{name:<{width}}{middle:8.2f} s{bytes_}{things}{ratio}")
