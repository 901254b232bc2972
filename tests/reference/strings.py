"""What repeats inside documents, as it is defined: the slow twin of `dspipe.dedup.strings`.

Documents are bytes, given in the order of their ranks.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict

Cut = tuple[int, int, int]  # start, end, rank of the document that keeps the copy

SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
WHITE_SPACE = tuple(character.encode() for character in SPACES)


def find_lines(text: bytes) -> list[tuple[int, int, bytes]]:
    """(start, end, what counts of it) of every line that has something."""
    lines, start = [], 0
    for line in split_lines(text):
        if content := strip(line):
            lines.append((start, start + len(line), content))
        start += len(line)
    return lines


def strip(line: bytes) -> bytes:
    while line.startswith(WHITE_SPACE):
        line = next(line.removeprefix(space) for space in WHITE_SPACE if line.startswith(space))
    while line.endswith(WHITE_SPACE):
        line = next(line.removesuffix(space) for space in WHITE_SPACE if line.endswith(space))
    return line


def split_lines(text: bytes) -> list[bytes]:
    *whole, rest = text.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def cut_lines(texts: list[bytes], groups: list[str | None], documents: int, share: float) -> list[list[Cut]]:
    """groups: what each document's lines are counted by; None where they are not."""
    sizes = Counter(groups)
    found: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for rank, (text, group) in enumerate(zip(texts, groups, strict=True)):
        if group is not None:
            for content in {content for _, _, content in find_lines(text)}:
                found[group, content].append(rank)
    cuts: list[list[Cut]] = []
    for rank, (text, group) in enumerate(zip(texts, groups, strict=True)):
        cuts.append([])
        for start, end, content in find_lines(text) if group is not None else []:
            having = found[group or "", content]
            if len(having) >= max(documents, math.ceil(share * sizes[group])) and having[0] != rank:
                add_cut(cuts[rank], (start, end, having[0]))
    return cuts


def add_cut(cuts: list[Cut], cut: Cut) -> None:
    """What touches or overlaps and has one keeper is one cut; where the keeper changes, another begins."""
    start, end, keeper = cut
    if not cuts or cuts[-1][1] < start:
        cuts.append(cut)
    elif cuts[-1][1] < end and cuts[-1][2] == keeper:
        cuts[-1] = (cuts[-1][0], end, keeper)
    elif cuts[-1][1] < end:
        cuts.append((cuts[-1][1], end, keeper))


def remove(text: bytes, cuts: list[Cut]) -> bytes:
    left, position = b"", 0
    for start, end, _ in cuts:
        left += text[position:start]
        position = end
    return left + text[position:]


def find_boundaries(text: bytes) -> list[int]:
    """Where characters begin, and the end."""
    continues = [byte & 0xC0 == 0x80 for byte in text]
    begin = [
        place
        for place in range(len(text))
        if place == 0 or not continues[place] or (place >= 3 and all(continues[place - 3 : place]))
    ]
    return [*begin, len(text)]


def find_windows(text: bytes, length: int) -> list[tuple[int, int]]:
    boundaries = find_boundaries(text)
    windows, behind = [], 0
    for start in boundaries:
        if start + length > len(text):
            break
        while boundaries[behind] < start + length:
            behind += 1
        windows.append((start, boundaries[behind]))
    return windows


def cut_repeats(texts: list[bytes], length: int) -> list[list[Cut]]:
    first: dict[bytes, tuple[int, int]] = {}  # rank, and behind the end of the first occurrence
    cuts: list[list[Cut]] = []
    for rank, text in enumerate(texts):
        own: list[Cut] = []
        for start, end in find_windows(text, length):
            keeper, behind = first.setdefault(text[start:end], (rank, end))
            if keeper == rank and behind > start:
                continue
            add_cut(own, (start, end, keeper))
        cuts.append(own)
    return cuts


def place_cuts(size: int, lines: list[Cut], cuts: list[Cut]) -> list[Cut]:
    """Cuts of a text of some size without `lines` → cuts of the whole text: byte by byte."""
    gone = {place for start, end, _ in lines for place in range(start, end)}
    left = [place for place in range(size) if place not in gone]
    placed: list[Cut] = []
    for start, end, keeper in cuts:
        begin = start
        for place in range(start, end):
            if place + 1 == end or left[place + 1] != left[place] + 1:
                placed.append((left[begin], left[place] + 1, keeper))
                begin = place + 1
    return placed


def scramble(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def find_anchors(text: bytes, length: int) -> list[int]:
    """Where robust winnowing chooses the hash of three quarters of a length."""
    part, base = 3 * length // 4, 0xD1342543DE82EF95
    block = length - part + 1
    values = []
    for start in range(len(text) - part + 1):
        value = 0
        for byte in text[start : start + part]:
            value = (value * base + byte + 1) % 2**64
        values.append(scramble(value))
    chosen: list[int] = []
    for first in range(len(values) - block + 1):
        least = min(values[first : first + block])
        if not chosen or chosen[-1] < first or values[chosen[-1]] != least:
            chosen.append(max(place for place in range(first, first + block) if values[place] == least))
    return chosen


def find_host(url: str) -> str:
    """The host of a URL, as lines are counted by it; empty where there is none."""
    address = re.sub(r"^[^:/?#\\]*:?//", "", url.lstrip("".join(map(chr, range(33)))), count=1)
    authority = re.split(r"[\0- /?#\\]", address, maxsplit=1)[0].rpartition("@")[2]
    host = re.match(r"\[[^\]]*|[^:]*", authority)
    name = re.sub("[A-Z]+", lambda found: found[0].lower(), host[0] if host else "").rstrip(".")
    return name.removeprefix("www.") if name != "www." else name
