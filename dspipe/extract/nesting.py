"""Bounds what parsing a hostile page may cost, before the price is paid.

Native parsing cannot be interrupted, so two ways to make a small page cost minutes or gigabytes are looked
for:

- depth: text extraction takes time in proportion to the sum of all elements' depths; 100,000 nested `<div>`
  in a page of 1 MB take four minutes. Browsers stop at a depth of 512, and so does this.
- unclosed formatting: HTML opens `<b>`, `<i>`, `<a>`, … again in every later block until they are closed, so
  k of them and m paragraphs make k·m elements; 26 KB can take a gigabyte.

Neither is possible with few tags, so nearly every page pays for one count of `<` only.
"""

from __future__ import annotations

import re

from resiliparse.parse.html import HTMLTree

HARMLESS_TAGS = 1000
MOST_TAGS = 200_000
MOST_ELEMENTS = 1_000_000
DEEPEST = " > ".join(["*"] * 512)  # the CSS selector of an element that stands at depth 512 or below

# Elements that HTML opens again, and elements at whose end it forgets what was opened inside.
FORMATTING = b"a|big|b|code|em|font|i|nobr|small|strike|strong|s|tt|u"
SCOPES = b"applet|caption|marquee|object|td|template|th"
TAG = re.compile(rb"<(?:(/?)(" + FORMATTING + rb")|(" + SCOPES + rb"))(?=[\s/>])", re.IGNORECASE)


def has_too_many_elements(page: bytes) -> bool:
    """Whether parsing the page could make more elements than any honest page has."""
    tags = page.count(b"<")
    if tags <= HARMLESS_TAGS:
        return False
    return tags > MOST_TAGS or tags * count_reopened(page) > MOST_ELEMENTS


def count_reopened(page: bytes) -> int:
    """The most formatting elements that can be open at once, or more, never fewer.

    An end tag inside a table cell does not close what was opened outside it, so that is counted as open for
    good.
    """
    open_now: dict[bytes, int] = {}
    outside = most = 0
    for end, name, scope in TAG.findall(page):
        if scope:
            outside += sum(open_now.values())
            open_now.clear()
        elif not end:
            open_now[name.lower()] = open_now.get(name.lower(), 0) + 1
            most = max(most, outside + sum(open_now.values()))
        elif open_now.get(name.lower()):
            open_now[name.lower()] -= 1
    return most


def is_too_deep(tree: HTMLTree, page: bytes) -> bool:
    """Whether an element stands too deep for the text to be extracted in reasonable time."""
    document = tree.document
    if document is None or page.count(b"<") <= HARMLESS_TAGS:
        return False
    return document.query_selector(DEEPEST) is not None
