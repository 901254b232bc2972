"""A request that failed → the same request again, after a wait; or the error, where asking again is no use.

Imports nothing of any driver: what they raise is known by what it says of the server's answer.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Wait = Callable[[float], object]

FIRST_WAIT = 0.5  # seconds; doubled after every failure in a row
LONGEST_WAIT = 60.0
LONGEST_OBEYED = 600.0  # of what a server asks for: a mistaken one must not stop a run for a year
PASSING = {408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 529}
FINAL_TYPES = (
    FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError, TypeError,
    ValueError, AttributeError, KeyError, NotImplementedError, MemoryError, ssl.SSLCertVerificationError,
)  # fmt: skip
FINAL_NAMES = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "FileExpired"}


@dataclass(frozen=True)
class Access:
    """How servers are treated. No byte that is read depends on it."""

    retries: int = 8  # in a row, without anything coming
    connections: int = 16  # to one server, over all processes
    slots: str = ""  # the folder where processes see each other's connections; empty: one for all of a user
    silence: float = 60.0  # seconds without a byte after which a connection counts as broken


class ServerError(OSError):
    """What a server said instead of the bytes; the address is left out, since its query may hold a secret."""

    def __init__(self, status: int, reason: str = "", retry_after: str | None = None) -> None:
        super().__init__(f"{status} {reason or name_status(status)}".strip())
        self.status = status
        self.headers = {"Retry-After": retry_after} if retry_after else {}


class Changed(ValueError):
    """The file is not the one that was found: nothing that is read of it fits to what was read before."""


class Lost(OSError):
    """A server failed too often in a row; the cause is the last failure."""


class Patience:
    """How often a server may still fail, and how long to wait after each failure in a row."""

    def __init__(self, retries: int, wait: Wait = time.sleep) -> None:
        self._retries = retries
        self._wait = wait
        self._failures = 0

    def reward(self) -> None:
        """Forget the failures: something came."""
        self._failures = 0

    def endure(self, error: Exception) -> None:
        """Wait until asking again makes sense; raises the error itself if it is final, `Lost` at the end."""
        if is_final(error):
            raise error
        if self._failures >= self._retries:
            raise Lost(self._failures + 1) from error
        usual = min(FIRST_WAIT * 2.0**self._failures, LONGEST_WAIT)
        asked = read_retry_after(error)
        self._failures += 1
        self._wait(usual if asked is None else min(asked, LONGEST_OBEYED))


def persist(ask: Callable[[], Answer], retries: int, wait: Wait = time.sleep) -> Answer:
    """The answer of a request that may fail a few times."""
    patience = Patience(retries, wait)
    while True:
        try:
            return ask()
        except Exception as error:
            patience.endure(error)


def is_final(error: BaseException) -> bool:
    """Whether the same request would get the same answer.

    fsspec says "not found" of a server that cannot be reached, too: then the cause decides.
    """
    for cause in causes(error):
        if isinstance(cause, Lost):  # asked often enough already
            return True
        if isinstance(cause, socket.gaierror):
            return cause.errno != socket.EAI_AGAIN
        if type(cause).__name__ in FINAL_NAMES:
            return True
        status = read_status(cause)
        if status is not None:
            return status not in PASSING
        if isinstance(cause, FINAL_TYPES) and cause.__cause__ is None:
            return True
    return isinstance(error, FINAL_TYPES) and not isinstance(error, FileNotFoundError)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, at most eight of them; a failed look-up of a name lies in no chain."""
    for _ in range(8):
        if error is None:
            return
        yield error
        inner = getattr(error, "os_error", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__


def read_status(error: BaseException) -> int | None:
    """The HTTP status in an error of any driver; aiohttp calls an answer that it cannot read "400", too."""
    if "aiohttp.http_exceptions" in (type(error).__module__, type(error.__cause__).__module__):
        return None
    response: Any = getattr(error, "response", None)
    if isinstance(response, Mapping):  # botocore
        values = [response.get("ResponseMetadata", {}).get("HTTPStatusCode")]
    else:
        status, code = getattr(error, "status", None), getattr(error, "code", None)
        values = [status, getattr(response, "status_code", None), code]
    return next((value for value in values if isinstance(value, int) and 300 <= value < 600), None)


def read_retry_after(error: BaseException) -> float | None:
    """The seconds that a server asks to wait, given as a number or as a date."""
    for cause in causes(error):
        response: Any = getattr(cause, "response", None)
        if isinstance(response, Mapping):
            headers: Any = response.get("ResponseMetadata", {}).get("HTTPHeaders")
        else:
            headers = getattr(cause, "headers", None) or getattr(response, "headers", None)
        if not hasattr(headers, "get"):
            continue
        value = headers.get("Retry-After") or headers.get("retry-after")
        if value is not None:
            return parse_wait(str(value))
    return None


def parse_wait(value: str) -> float | None:
    """Seconds from now, of a number of seconds or a date; None for anything else."""
    try:
        if value.strip().isdecimal():
            return float(value)
        date = parsedate_to_datetime(value)
        return max(0.0, (date.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def name_status(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
