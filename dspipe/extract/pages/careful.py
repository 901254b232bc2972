"""The profile `careful`: a page's content as trafilatura finds it, for those who have forty times the time.

An optional package, imported when a recipe asks for it. It keeps tables, formatting and, if asked for,
comments and links; mathematics is made LaTeX before it sees the page, as in the other profiles.
"""

from __future__ import annotations

from typing import Any

from dspipe.recipe import Extract, RecipeError


def load_trafilatura() -> Any:
    """The package, or a sentence that says how to have it."""
    try:
        import trafilatura
    except ImportError:
        raise RecipeError(
            'extract.profile: "careful" needs trafilatura; pip install "dspipe[careful]", or take "main"'
        ) from None
    return trafilatura


def extract_carefully(page: bytes, settings: Extract) -> tuple[str | None, str]:
    """(title, text) of a page in UTF-8; both are empty where trafilatura finds no content."""
    # without the word "html" at its beginning trafilatura takes a page for something else, and gives nothing
    html = "<!DOCTYPE html>" + page.decode("utf-8", "replace")
    document = load_trafilatura().bare_extraction(
        html,
        include_comments=settings.comments,
        include_links=settings.links,
        include_images=False,
        include_tables=True,
        with_metadata=True,
    )
    if document is None:
        return None, ""
    text = "\n\n".join(part for part in (document.text, document.comments) if part)
    return document.title, text
