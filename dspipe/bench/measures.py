"""An extracted text and what a person marked → precision, recall and F, in several ways.

Words, shingles and lines want the whole gold text of a page; segments only a few pieces that must be there
and a few that must not. How an extractor breaks lines and marks headings counts for lines alone, which are
meant for texts with code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

WORD = re.compile(r"\w+")
WORDS_IN_SHINGLE = 4


@dataclass(frozen=True)
class Score:
    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class Overlap:
    """What two multisets share, and what only one of them holds; or what was rightly and wrongly found."""

    shared: float
    extra: float  # only in the extracted text
    missing: float  # only in the gold text

    @property
    def score(self) -> Score:
        """1 where both are empty; 0 where only one is.

        Example: gold "a a b", extracted "a b c": shared 2 (a, b), extra 1 (c), missing 1 (the other a);
        precision 2/3, recall 2/3, F 2/3.
        """
        if self.extra == self.missing == 0:
            return Score(1.0, 1.0, 1.0)
        precision = self.shared / (self.shared + self.extra) if self.shared else 0.0
        recall = self.shared / (self.shared + self.missing) if self.shared else 0.0
        return Score(precision, recall, harmonic_mean(precision, recall))


def harmonic_mean(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def compare(extracted: Counter[str], gold: Counter[str]) -> Overlap:
    """Two multisets, element by element."""
    shared = (extracted & gold).total()
    return Overlap(shared, extracted.total() - shared, gold.total() - shared)


def count_words(text: str) -> Counter[str]:
    """The multiset of a text's words: runs of letters, digits and underscores (Unicode), in lower case."""
    return Counter(WORD.findall(text.lower()))


def score_words(extracted: str, gold: str) -> Score:
    """Precision, recall and F of the words of one page, each as often as it occurs, in whatever order."""
    return compare(count_words(extracted), count_words(gold)).score


def average(scores: Sequence[Score]) -> Score:
    """Macro: the mean over pages of precision, of recall, and of each page's F."""
    return Score(
        fmean(score.precision for score in scores),
        fmean(score.recall for score in scores),
        fmean(score.f for score in scores),
    )


def pool(overlaps: Iterable[Overlap]) -> Score:
    """Micro: as if all pages were one, so that long pages count for more."""
    counted = list(overlaps)
    return Overlap(
        sum(overlap.shared for overlap in counted),
        sum(overlap.extra for overlap in counted),
        sum(overlap.missing for overlap in counted),
    ).score


def count_shingles(text: str) -> Counter[str]:
    """The multiset of four words in a row, case kept; a shorter text is one shingle, an empty one none."""
    words = WORD.findall(text)
    places = range(max(1, len(words) - WORDS_IN_SHINGLE + 1)) if words else range(0)
    return Counter(" ".join(words[place : place + WORDS_IN_SHINGLE]) for place in places)


def count_lines(text: str) -> Counter[str]:
    """The multiset of lines that are not blank, indentation and all: what code has to keep."""
    return Counter(line.rstrip() for line in text.splitlines() if line.strip())


def score_shingles(pages: Iterable[tuple[str, str]]) -> Score:
    """The measure of Zyte's article extraction benchmark, over (extracted, gold) of all pages.

    Each page's precision and recall of shingles; the mean of the precisions of pages where something was
    extracted; the mean of the recalls of pages where there is something to extract; F of the two means.
    """
    overlaps = [compare(count_shingles(extracted), count_shingles(gold)) for extracted, gold in pages]
    precisions = [overlap.score.precision for overlap in overlaps if overlap.shared + overlap.extra]
    recalls = [overlap.score.recall for overlap in overlaps if overlap.shared + overlap.missing]
    precision, recall = (fmean(values) if values else 0.0 for values in (precisions, recalls))
    return Score(precision, recall, harmonic_mean(precision, recall))


def find_segments(extracted: str, wanted: Iterable[str], unwanted: Iterable[str]) -> Overlap:
    """The measure of trafilatura's evaluation for one page, to be pooled over all.

    A wanted segment that occurs in the text is shared, one that does not is missing; an unwanted one that
    occurs is extra. Runs of white space count as one space.
    """
    text = join_spaces(extracted)
    found = [join_spaces(segment) in text for segment in wanted]
    extra = sum(join_spaces(segment) in text for segment in unwanted)
    return Overlap(sum(found), extra, len(found) - sum(found))


def join_spaces(text: str) -> str:
    return " ".join(text.split())
