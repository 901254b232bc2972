"""Reads the fragment files in ``text/`` and composes articles from them with a seeded generator.

A fragment file has sections opened by ``% slots``, ``% topic NAME``, ``% aspect``, ``% comment``
and ``% ui``.  Inside topics and aspects a line ``== [heading|heading]`` opens a group, and every
other line is one sentence pattern: ``[a|b]`` is a choice, ``{place}`` a value kept for the whole
article and ``{n:3-9}`` a fresh number.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

TEXT_DIR = Path(__file__).resolve().parent / "text"
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)(?::(\d+)-(\d+))?\}")
CJK = "\u3040-\u30ff\u3400-\u9fff"
TOKEN = re.compile(rf"[{CJK}]|[^\W{CJK}]+")
UNSPACED = ("zh", "ja")
SLAVIC = ("ru", "uk", "pl")


@dataclass
class Group:
    """One section of an article: alternative headings and sentence patterns in narrative order."""

    heading: str
    patterns: list[str] = field(default_factory=list)


@dataclass
class Topic:
    """A subject with its title patterns and groups; ``thing`` names it inside shared sentences."""

    name: str
    title: str = ""
    thing: str = ""
    groups: list[Group] = field(default_factory=list)


@dataclass
class Language:
    """Everything read from one fragment file."""

    code: str
    slots: dict[str, list[str]] = field(default_factory=dict)
    topics: list[Topic] = field(default_factory=list)
    aspects: list[Group] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    ui: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Article:
    """A composed document: a title and sections of (heading, sentences)."""

    lang: str
    topic: str
    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
    comments: tuple[str, ...] = ()

    def joiner(self) -> str:
        """The string between two sentences in this article's script."""
        return "" if self.lang in UNSPACED else " "

    def sentences(self) -> list[str]:
        """All sentences in reading order, without headings."""
        return [sentence for _, part in self.sections for sentence in part]

    def text(self) -> str:
        """Title, headings and paragraphs as plain text."""
        lines = [self.title]
        for heading, part in self.sections:
            lines += [heading] if heading else []
            lines.append(self.joiner().join(part))
        return "\n\n".join(lines)


def load(code: str) -> Language:
    """Parse ``text/<code>.txt``."""
    language = Language(code)
    kind = ""
    for line in (TEXT_DIR / f"{code}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("% "):
            kind, _, name = line[2:].partition(" ")
            if kind == "topic":
                language.topics.append(Topic(name))
        elif line:
            _add_line(language, kind, line)
    return language


def _add_line(language: Language, kind: str, line: str) -> None:
    """File one line of a fragment file under the section that is open."""
    if kind in ("slots", "ui"):
        key, _, values = line.partition(": ")
        target = language.slots if kind == "slots" else language.ui
        target[key] = values.split("; ")
    elif kind == "comment":
        language.comments.append(line)
    elif line.startswith("title: "):
        language.topics[-1].title = line[7:]
    elif line.startswith("thing: "):
        language.topics[-1].thing = line[7:]
    else:
        groups = language.aspects if kind == "aspect" else language.topics[-1].groups
        if line.startswith("== "):
            groups.append(Group(line[3:]))
        else:
            groups[-1].patterns.append(line)


class Writer:
    """Expands patterns for one article; named slots keep their value, numbers are fresh."""

    def __init__(self, language: Language, topic: Topic, rng: random.Random) -> None:
        self.rng = rng
        self.code = language.code
        self.bound: dict[str, str] = {"thing": topic.thing}
        for key, values in language.slots.items():
            picks = rng.sample(values, min(3, len(values)))
            self.bound.update({key: picks[0], key + "2": picks[1], key + "3": picks[2]})
        spans = {"year": (1781, 1899), "year2": (1904, 1969), "year3": (1974, 2019), "future": (2031, 2046)}
        self.bound.update({key: str(rng.randint(*span)) for key, span in spans.items()})

    def _slot(self, match: re.Match[str]) -> str:
        name, low, high = match.groups()
        if name == "n":
            return str(self._number(int(low), int(high)))
        return self.bound[str(name)]

    def _number(self, low: int, high: int) -> int:
        """A fresh number; Slavic patterns are worded for numbers that end neither in 1 nor in 2 to 4."""
        value = self.rng.randint(low, high)
        clock = low >= 20 and high <= 23
        few = value % 10 in (1, 2, 3, 4) and value % 100 // 10 != 1
        if self.code in SLAVIC and few and high > 5 and not clock:
            return value + (5 if value > 4 else 4)
        return value

    def _choice(self, match: re.Match[str]) -> str:
        return str(self.rng.choice(match.group(1).split("|")))

    def expand(self, pattern: str) -> str:
        """One sentence: choices from the inside out, then slots."""
        while CHOICE.search(pattern):
            pattern = CHOICE.sub(self._choice, pattern)
        return re.sub(" +", " ", SLOT.sub(self._slot, pattern))

    def section(self, group: Group, at_least: int) -> tuple[str, tuple[str, ...]]:
        """A heading and a subset of the group's sentences in their order."""
        size = self.rng.randint(min(at_least, len(group.patterns)), len(group.patterns))
        chosen = sorted(self.rng.sample(range(len(group.patterns)), size))
        return self.expand(group.heading), tuple(self.expand(group.patterns[i]) for i in chosen)


def compose(language: Language, topic: Topic, rng: random.Random, size: str = "normal") -> Article:
    """Write one article; ``size`` is "normal" or "long" (for originals of near copies)."""
    writer = Writer(language, topic, rng)
    title = writer.expand(topic.title)
    first, rest = topic.groups[0], topic.groups[1:]
    kept = len(rest) if size == "long" else rng.randint(min(2, len(rest)), len(rest))
    groups = [first] + [rest[i] for i in sorted(rng.sample(range(len(rest)), kept))]
    extra = rng.randint(1, 2) + (size == "long") * (language.code == "en")
    extra = 2 if size == "long" and language.code != "en" else extra
    sections = [writer.section(group, 3) for group in groups]
    sections += [writer.section(group, 3) for group in rng.sample(language.aspects, extra)]
    sections[0] = ("", sections[0][1])
    count = rng.randint(2, 4) if language.comments and rng.random() < 0.3 else 0
    comments = tuple(writer.expand(line) for line in rng.sample(language.comments, count))
    return Article(language.code, topic.name, title, tuple(sections), comments)


def shingles(text: str) -> frozenset[str]:
    """The set of word 5-grams of a text, lower-cased (Han and kana count one word per character)."""
    words = TOKEN.findall(text.lower())
    return frozenset(" ".join(words[i : i + 5]) for i in range(len(words) - 4))


def blank_shingles(text: str) -> frozenset[str]:
    """The 5-grams when words are whatever stands between blanks, punctuation included."""
    words = text.lower().split()
    return frozenset(" ".join(words[i : i + 5]) for i in range(len(words) - 4))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over size of the union."""
    shared = len(left & right)
    return shared / max(1, len(left) + len(right) - shared)


class Pool:
    """Hands out articles of one language that differ from all earlier ones."""

    def __init__(self, code: str, limit: float = 0.38) -> None:
        self.language = load(code)
        self.limit = limit
        self.seen: list[frozenset[str]] = []
        self.drawn = 0

    def draw(self, size: str = "normal") -> Article:
        """The next article; candidates too similar to an earlier one are thrown away."""
        topics = self.language.topics
        for attempt in range(400):
            rng = random.Random(f"{self.language.code}/{self.drawn}/{attempt}")
            article = compose(self.language, topics[self.drawn % len(topics)], rng, size)
            marks = shingles(article.text())
            if all(jaccard(marks, other) < self.limit for other in self.seen):
                self.seen.append(marks)
                self.drawn += 1
                return article
        raise RuntimeError(f"no fresh article left in {self.language.code} after {self.drawn}")


def with_sentences(article: Article, sentences: list[str | None]) -> Article:
    """The article with its sentences replaced one by one (None drops a sentence)."""
    supply = iter(sentences)
    sections = []
    for heading, part in article.sections:
        kept = [sentence for sentence in (next(supply) for _ in part) if sentence is not None]
        if kept:
            sections.append((heading, tuple(kept)))
    return replace(article, sections=tuple(sections), comments=())
