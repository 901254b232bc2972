"""Edits that make near copies and decoys, and the texts of poor pages."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from .grammar import Article, blank_shingles, jaccard, shingles, with_sentences

NOTES = (
    "Updated on {n} March: two figures were corrected.",
    "First published in letter {n} of the society.",
    "From our archive, number {n}.",
    "This text also appeared on page {n} of the yearbook.",
)
EDITS = (
    "one sentence changed",
    "two numbers changed",
    "one sentence removed",
    "header added",
    "footer added",
)


def _next_number(match: re.Match[str]) -> str:
    return str(int(match.group()) + 1)


def _edit(article: Article, other: Article, edit: str, rng: random.Random) -> Article:
    """Apply one named edit."""
    sentences: list[str | None] = list(article.sentences())
    place = rng.randrange(1, len(sentences))
    if edit == "one sentence changed":
        sentences[place] = rng.choice(other.sentences())
    elif edit == "one sentence removed":
        sentences[place] = None
    elif edit == "two numbers changed":
        numbered = [i for i, text in enumerate(sentences) if text and re.search(r"\d", text)]
        for i in rng.sample(numbered, 2):
            sentences[i] = re.sub(r"\d+", _next_number, sentences[i] or "", count=1)
    changed = with_sentences(article, sentences)
    note = rng.choice(NOTES).format(n=rng.randint(3, 29))
    if edit == "header added":
        return replace(changed, sections=(("", (note,)), *changed.sections))
    if edit == "footer added":
        return replace(changed, sections=(*changed.sections, ("", (note,))))
    return changed


def near_copy(article: Article, other: Article, number: int) -> tuple[Article, str]:
    """A copy of the article with a small edit, at least 0.9 similar."""
    marks = shingles(article.text())
    for attempt in range(60):
        rng = random.Random(f"near/{number}/{attempt}")
        kinds = EDITS if article.lang == "en" else EDITS[:3]
        edit = kinds[(number + attempt) % len(kinds)]
        copy = _edit(article, other, edit, rng)
        rough = jaccard(blank_shingles(article.text()), blank_shingles(copy.text()))
        if rough >= 0.88 and 0.9 <= jaccard(marks, shingles(copy.text())) < 0.995:
            return copy, edit
    raise RuntimeError(f"no small edit found for {article.title}")


def decoy(article: Article, other: Article, number: int) -> Article:
    """An article that shares about two thirds of its sentences with another and must be kept."""
    marks = shingles(article.text())
    for attempt in range(200):
        rng = random.Random(f"decoy/{number}/{attempt}")
        sentences: list[str | None] = list(article.sentences())
        supply = rng.sample(other.sentences(), min(len(other.sentences()), len(sentences) // 3))
        for place, text in zip(rng.sample(range(len(sentences)), len(supply)), supply, strict=True):
            sentences[place] = text
        made = replace(with_sentences(article, sentences), title=f"{article.title}, once more")
        if 0.43 <= jaccard(marks, shingles(made.text())) <= 0.57:
            return made
    raise RuntimeError(f"no decoy found for {article.title}")


def poor_page(kind: str, rng: random.Random, sentence: str) -> str:
    """The inner HTML of a page that a quality rule must drop."""
    if kind == "too short":
        return f"<h1>Note</h1><p>{sentence}</p>"
    if kind == "symbols":
        soup = " ".join("".join(rng.choices("#*|~^=<>{}$%@+/", k=rng.randint(3, 12))) for _ in range(140))
        return "<h1>### *** ###</h1><p>" + soup.replace("<", "&lt;").replace(">", "&gt;") + "</p>"
    if kind == "menus only":
        words = rng.sample(MENU, len(MENU)) + rng.sample(MENU, len(MENU))
        items = "".join(f"<li>{word} ({rng.randint(1, 99)})</li>" for word in words)
        return f"<h1>Categories</h1><ul>{items}</ul>"
    if kind == "ellipsis lines":
        triples = [", ".join(rng.sample(MENU, 3)).lower() for _ in range(30)]
        lines = (f"All about {triple} and more..." for triple in triples)
        return "<h1>Teasers</h1>" + "".join(f"<p>{line}</p>" for line in lines)
    return "<h1>Listing</h1>" + f"<p>{sentence}</p>" * 24


POOR_KINDS = ("too short", "symbols", "menus only", "ellipsis lines", "repeated lines")
MENU = (
    "Kettles",
    "Spouts",
    "Handles",
    "Lids",
    "Whistles",
    "Repairs",
    "Orders",
    "Returns",
    "Vouchers",
    "Brands",
    "Colours",
    "Sizes",
    "Outlet",
    "New arrivals",
    "Gift cards",
    "Stores",
    "Careers",
    "Press",
    "Help",
    "Login",
)
