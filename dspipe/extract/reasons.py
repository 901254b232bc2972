"""Why a record gives no document: the words under which it is counted and listed."""

from __future__ import annotations

REASONS = (
    "not-a-page",  # a record of another kind: request, metadata, warcinfo, …
    "revisit",  # the crawl met the page again and stored only that it had not changed
    "wat",  # metadata computed from pages, which holds no text of its own
    "status-1xx",  # an answer other than 200
    "status-2xx",
    "status-3xx",
    "status-4xx",
    "status-5xx",
    "not-html",
    "bad-encoding",  # bytes that are not UTF-8 where nothing else may stand
    "malformed",  # cannot be parsed; at a break in a file, one for all up to the next record that is found
    "truncated",  # the bytes end before the record does
    "too-large",
    "too-deep",  # HTML nested deeper than any that a person has written
    "crashed",  # native code died of it, and the worker process with it
    "empty",
    "same-url",  # another document of its URL is kept
)


class Unusable(Exception):
    """A record gives no document; its argument is the reason, one of `REASONS`."""
