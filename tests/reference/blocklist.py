"""What a list blocks, each URL against every entry: the slow twin of `dspipe.filter.lists.blocklist`."""

from __future__ import annotations

import re

SPLITS = "/?#"
Parts = tuple[str, str]  # host, and the path with all that follows it


def fold(text: str) -> str:
    """ASCII letters in lower case, and nothing else changed."""
    return re.sub("[A-Z]", lambda found: found[0].lower(), text)


def split(url: str) -> Parts:
    url = url.strip("".join(map(chr, range(33))))
    url = re.sub(r"\A([A-Za-z][A-Za-z0-9+.-]*:)?//", "", url)
    place = re.split(r"[/?#\\]", url)[0]
    rest = url[len(place) :]
    host = place.rpartition("@")[2]
    host = host.partition("]")[0] + "]" * ("]" in host) if host[:1] == "[" else host.partition(":")[0]
    return fold(host.rstrip(".")), rest


def list_entries(content: str) -> tuple[set[str], set[str], set[str]]:
    """(hosts, beginnings, words) of a list without wrong lines."""
    hosts, beginnings, words = set(), set(), set()
    for line in content.removeprefix("\ufeff").split("\n"):
        entry = re.sub(r"(\A|[\x00- ])#.*", "", line, flags=re.DOTALL)
        entry = entry.strip("".join(map(chr, range(33))))
        host, rest = split(entry)
        if re.fullmatch("[A-Za-z0-9]+", entry):
            words.add(fold(entry))
        elif rest:
            beginnings.add(write_url(host, rest))
        elif entry:
            hosts.add(host)
    return hosts, beginnings, words


def write_url(host: str, rest: str) -> str:
    return host + ("" if rest[:1] == "/" else "/") + rest


def is_below(host: str, listed: str) -> bool:
    return host == listed or host.endswith("." + listed)


def begins(url: str, beginning: str) -> bool:
    """Whether a URL has this beginning, and the two part where a path or a query is split."""
    if not url.startswith(beginning) or len(url) == len(beginning):
        return url == beginning
    splits = SPLITS + ("&=" if re.search(r"[?#]", beginning) else "")
    return url[len(beginning)] in splits or beginning[-1] in splits


def find_reasons(url: str | None, entries: tuple[set[str], set[str], set[str]]) -> list[str]:
    if url is None:
        return []
    hosts, beginnings, words = entries
    host, rest = split(url)
    found = {
        "blocked-host": any(is_below(host, listed) for listed in hosts),
        "blocked-url": any(begins(write_url(host, rest), listed) for listed in beginnings),
        "blocked-word": any(word in words for word in re.findall("[a-z0-9]+", fold(url))),
    }
    return [reason for reason, blocked in found.items() if blocked]
