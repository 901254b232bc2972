"""Two texts → where they differ, word by word, with a little of what surrounds each difference.

Patience diff (Bram Cohen): words that each text has once are found in both and are the fixed points; between
two of them the same is done again with the words that are single there. Short rests are compared exactly. So
the work is n log n for any text, unlike difflib's, and only what lies between the first and the last
difference is looked at, up to a limit.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

MOST_CHARACTERS = 200_000  # of each text that are compared
MARGIN = 400  # characters that are alike, before the first and behind the last difference
CONTEXT = 60  # characters that are shown of these on each side of a difference
LEAST_SKIPPED = 40  # fewer are shown, too
LONGEST_WORD = 40  # what is longer is compared piece by piece
TAIL = 40  # words that are shown where nothing is alike of what was compared, or only how it begins
CELLS = 2048  # words times words whose longest common subsequence is found
LOST = 3  # times as long as one or two words alike are the changes on both sides that swallow them
DEEPEST = 8  # how often single words are looked for between single words

Words = list[str]


class Segment(NamedTuple):
    """A stretch of both texts: the same words, between which white space may differ, or different ones."""

    same: bool
    kept: str
    removed: str


class Hunk(NamedTuple):
    """Differences that stand close together, and how many characters alike come before them."""

    skipped: int
    segments: list[Segment]

    def add(self, same: bool, kept: str, removed: str) -> None:
        if kept or removed:
            self.segments.append(Segment(same, kept, removed))


class Difference(NamedTuple):
    hunks: list[Hunk]
    skipped: int  # characters alike behind the last hunk
    more: int  # differences that are not among the hunks
    left: tuple[int, int]  # characters of both texts that were not compared


class Match(NamedTuple):
    """So many words are the same, from one in the one text and from one in the other."""

    kept: int
    removed: int
    length: int


class Change(NamedTuple):
    """Words of the one text that stand in the place of words of the other."""

    kept: int
    kept_end: int
    removed: int
    removed_end: int


class Side(NamedTuple):
    """The words of a text, and where each begins; the last place is the end of what was looked at."""

    text: str
    words: Words
    starts: list[int]

    def cut(self, first: int, last: int) -> str:
        return self.text[self.starts[first] : self.starts[last]]


def compare(kept: str, removed: str, most: int) -> Difference:
    """Find the differences and show the first `most` of them; two texts may differ in white space alone."""
    start = max(0, common_length(kept, removed) - MARGIN)
    behind = max(0, common_length(kept[start:][::-1], removed[start:][::-1]) - MARGIN)
    ends = len(kept) - behind, len(removed) - behind
    cuts = min(ends[0], start + MOST_CHARACTERS), min(ends[1], start + MOST_CHARACTERS)
    left, right = split_words(kept, start, cuts[0]), split_words(removed, start, cuts[1])
    matches = align(left.words, right.words)
    if cuts != ends:  # what stands behind the last match may have its like behind the cut
        last = matches[-1] if matches else Match(0, 0, 0)
        tail = TAIL if last.kept == last.removed == 0 else 0  # but the word behind it is no other's
        left = clip(left, last.kept + last.length + tail)
        right = clip(right, last.removed + last.length + tail)
    over = ends[0] - left.starts[-1], ends[1] - right.starts[-1]
    changes = list_changes(left, right, matches)
    if not changes:
        return Difference([], len(kept) - over[0], 0, over)
    hunks, skipped = cut_hunks(left, right, changes, most)
    more = max(0, len(changes) - most)
    return Difference(hunks, skipped if more else skipped + behind, more, over)


def common_length(a: str, b: str) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


@cache
def word_pattern() -> re.Pattern[str]:
    """A word, a letter of a script without spaces, or a mark."""
    from dspipe.text.unicode import SPACELESS_BLOCKS

    spans = (block.partition("-") for block in SPACELESS_BLOCKS.split())
    single = "".join(rf"\U{int(first, 16):08x}-\U{int(last or first, 16):08x}" for first, _, last in spans)
    return re.compile(rf"[{single}]|[^\W{single}]{{1,{LONGEST_WORD}}}|[^\w\s]")


def split_words(text: str, start: int, end: int) -> Side:
    found = [(match.group(), match.start()) for match in word_pattern().finditer(text, start, end)]
    return Side(text, [word for word, _ in found], [*(place for _, place in found), end])


def clip(side: Side, words: int) -> Side:
    return Side(side.text, side.words[:words], side.starts[: words + 1])


def align(kept: Words, removed: Words) -> list[Match]:
    """The words that two texts have in common, in order, as few long stretches."""
    found: list[Match] = []
    open_ = [(0, len(kept), 0, len(removed), 0)]
    while open_:
        a, a_end, b, b_end, depth = open_.pop()
        while a < a_end and b < b_end and kept[a] == removed[b]:
            found.append(Match(a, b, 1))
            a, b = a + 1, b + 1
        while a < a_end and b < b_end and kept[a_end - 1] == removed[b_end - 1]:
            a_end, b_end = a_end - 1, b_end - 1
            found.append(Match(a_end, b_end, 1))
        if (a_end - a) * (b_end - b) <= CELLS:
            found += (Match(a + i, b + j, 1) for i, j in find_longest(kept[a:a_end], removed[b:b_end]))
        elif depth < DEEPEST:
            fixed = [(a + i, b + j) for i, j in find_single(kept[a:a_end], removed[b:b_end])]
            found += (Match(i, j, 1) for i, j in fixed)
            edges = [(a - 1, b - 1), *fixed, (a_end, b_end)] if fixed else []
            for (i, j), (next_i, next_j) in itertools.pairwise(edges):
                open_.append((i + 1, next_i, j + 1, next_j, depth + 1))
    return join_matches(sorted(found))


def find_single(kept: Words, removed: Words) -> list[tuple[int, int]]:
    """The most of the words single in both that stand in the same order in both (longest increasing run)."""
    counted = Counter(removed)
    places = {word: place for place, word in enumerate(removed) if counted[word] == 1}
    counted = Counter(kept)
    pairs = [(i, places[word]) for i, word in enumerate(kept) if counted[word] == 1 and word in places]
    ends: list[int] = []  # of the runs of each length, the smallest last place
    last: list[int] = []  # the pair it belongs to
    before: list[int] = []  # for each pair, the one before it in its run
    for number, (_, place) in enumerate(pairs):
        length = bisect.bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    run: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        run.append(pairs[number])
        number = before[number]
    return run[::-1]


def find_longest(kept: Words, removed: Words) -> Iterator[tuple[int, int]]:
    """The longest common subsequence of a few words."""
    lengths = [[0] * (len(removed) + 1) for _ in range(len(kept) + 1)]
    for i in range(len(kept) - 1, -1, -1):
        for j in range(len(removed) - 1, -1, -1):
            same = kept[i] == removed[j]
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    i = j = 0
    while i < len(kept) and j < len(removed):
        if kept[i] == removed[j]:
            yield i, j
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1


def join_matches(matches: list[Match]) -> list[Match]:
    """Matches that follow each other in both texts as one."""
    joined: list[Match] = []
    for match in matches:
        last = joined[-1] if joined else Match(-1, -1, 0)
        if (last.kept + last.length, last.removed + last.length) == (match.kept, match.removed):
            joined[-1] = last._replace(length=last.length + match.length)
        else:
            joined.append(match)
    return joined


def list_changes(left: Side, right: Side, matches: list[Match]) -> list[Change]:
    """What lies between the matches, and with it matches of a word or two that are lost in what does not."""
    changes: list[Change] = []
    a = b = 0
    for match in [*matches, Match(len(left.words), len(right.words), 0)]:
        if (a, b) != (match.kept, match.removed):
            change = Change(a, match.kept, b, match.removed)
            if changes and is_lost(left, right, changes[-1], change):
                last = changes.pop()
                change = Change(last.kept, change.kept_end, last.removed, change.removed_end)
            changes.append(change)
        a, b = match.kept + match.length, match.removed + match.length
    return changes


def is_lost(left: Side, right: Side, before: Change, behind: Change) -> bool:
    """Whether what is alike between two changes is so little beside both that it is there by chance."""
    alike = left.starts[behind.kept] - left.starts[before.kept_end]
    sizes = [
        max(
            left.starts[change.kept_end] - left.starts[change.kept],
            right.starts[change.removed_end] - right.starts[change.removed],
        )
        for change in (before, behind)
    ]
    return behind.kept - before.kept_end <= 2 and LOST * alike < min(sizes)


def cut_hunks(left: Side, right: Side, changes: list[Change], most: int) -> tuple[list[Hunk], int]:
    """The first changes with what surrounds them, and how many characters alike follow.

    Of what is alike between two changes the middle is left out.
    """
    hunks: list[Hunk] = []
    a = b = 0  # the words reached
    for change in changes[:most]:
        first = max(a, bisect.bisect_left(left.starts, left.starts[change.kept] - CONTEXT))
        if not hunks:
            first = first if left.starts[first] > LEAST_SKIPPED else 0
            hunks.append(Hunk(left.starts[first] if left.text[: left.starts[first]].strip() else 0, []))
        elif left.starts[first] - left.starts[a] > CONTEXT + LEAST_SKIPPED:
            trail = show_trail(left, right, hunks[-1], a, b, change.kept)
            hunks.append(Hunk(left.starts[first] - left.starts[trail], []))
        else:
            first = a
        other = change.removed - (change.kept - first)
        hunks[-1].add(True, left.cut(first, change.kept), right.cut(other, change.removed))
        a, b = change.kept_end, change.removed_end
        hunks[-1].add(False, left.cut(change.kept, a), right.cut(change.removed, b))
    last = changes[most].kept if len(changes) > most else len(left.words)
    trail = show_trail(left, right, hunks[-1], a, b, last)
    return hunks, left.starts[last] - left.starts[trail]


def show_trail(left: Side, right: Side, hunk: Hunk, a: int, b: int, last: int) -> int:
    """Add to a hunk what stands behind its last change, `last` at most; the first word not shown."""
    trail = max(a, min(last, bisect.bisect_right(left.starts, left.starts[a] + CONTEXT) - 1))
    if left.starts[last] - left.starts[trail] <= LEAST_SKIPPED:
        trail = last
    hunk.add(True, left.cut(a, trail), right.cut(b, b + trail - a))
    return trail
