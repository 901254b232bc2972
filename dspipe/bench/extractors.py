"""What makes text of a web page: dspipe's profiles, and other programs in the settings compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from resiliparse.parse.html import HTMLTree

from dspipe.extract.pages.page import extract_page
from dspipe.extract.reasons import Unusable
from dspipe.recipe import Extract, Profile

Extractor = Callable[[bytes, str | None], str]  # a page and its charset, where one is known → its text

# The settings of resiliparse that change what is main content or which words are written beside it.
GRID = ("comments", "post_meta", "alt_texts", "list_bullets")


def find_extractors() -> dict[str, Extractor]:
    """dspipe's profiles and whatever else is installed, by name, in the order of a table."""
    extractors: dict[str, Extractor] = {
        "dspipe main": partial(extract_ours, "main"),
        "dspipe full": partial(extract_ours, "full"),
    }
    if has_trafilatura():
        extractors["dspipe careful"] = partial(extract_ours, "careful")
    extractors["resiliparse"] = extract_resiliparse
    extractors["resiliparse, no comments"] = partial(extract_resiliparse, comments=False)
    extractors["resiliparse, all text"] = partial(extract_resiliparse, main_content=False)
    if has_trafilatura():
        extractors["trafilatura"] = extract_trafilatura
    return extractors


def find_settings() -> dict[str, Extractor]:
    """Every setting of resiliparse in the grid, named by what it keeps."""
    settings: dict[str, Extractor] = {}
    for values in itertools.product((True, False), repeat=len(GRID)):
        chosen: dict[str, Any] = dict(zip(GRID, values, strict=True))
        name = "resiliparse with " + (", ".join(key for key in GRID if chosen[key]) or "none of them")
        settings[name] = partial(extract_resiliparse, **chosen)
    return settings


def has_trafilatura() -> bool:
    try:
        import trafilatura  # noqa: F401
    except ImportError:
        return False
    return True


def extract_ours(profile: Profile, body: bytes, charset: str | None) -> str:
    """What dspipe makes of a page; nothing, where it is dropped."""
    try:
        return extract_page(body, charset, Extract(profile=profile)).text
    except Unusable:
        return ""


def extract_resiliparse(body: bytes, charset: str | None, main_content: bool = True, **settings: Any) -> str:
    """With its defaults but for `main_content`, line breaks, and the settings given."""
    tree = HTMLTree.parse(bytes_to_str(body, charset or detect_encoding(body) or "utf-8"))
    text: str = extract_plain_text(tree, main_content=main_content, preserve_formatting=True, **settings)
    return text


def extract_trafilatura(body: bytes, charset: str | None) -> str:
    """With its defaults but without comments, as in its own evaluation."""
    from trafilatura import extract

    page = body.decode(charset, "replace") if charset else body
    return extract(page, include_comments=False) or ""
