"""What the recipe names for `filter` outside the run → manifest entries, checked before any work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dspipe.filter.languages.files import describe_language_model
from dspipe.filter.lists.entries import describe_file
from dspipe.recipe import Filter, RecipeError


def describe_files(settings: Filter) -> list[dict[str, Any]]:
    """The files that the settings name, as manifest entries with a digest each.

    Raises:
        RecipeError: there is no such file, the thresholds name rules or columns that do not exist, or a
            pattern of licences is too long.
    """
    if settings.thresholds or settings.quality is not None:
        from dspipe.filter.rules import check_columns

        check_columns(settings)
    if settings.licenses.allow or settings.licenses.deny:
        from dspipe.filter.lists.licenses import check_licenses

        check_licenses(settings.licenses)
    return [describe_language_model(settings), *describe_blocklist(settings)]


def describe_blocklist(settings: Filter) -> list[dict[str, Any]]:
    """The list of hosts, URLs and words, if the recipe names one; what it says is read when the stage runs.

    Raises:
        RecipeError: there is no such file.
    """
    if settings.blocklist is None:
        return []
    try:
        return [describe_file("blocklist", Path(settings.blocklist))]
    except OSError as error:
        raise RecipeError(
            f"filter.blocklist: {settings.blocklist} cannot be read: {error.strerror}; name a text file with "
            "one host, beginning of a URL or word a line"
        ) from None
