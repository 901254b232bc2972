"""What the recipe names for `filter` outside the run → manifest entries, checked before any work starts."""

from __future__ import annotations

from typing import Any

from dspipe.filter.languages.files import describe_language_model
from dspipe.recipe import Filter


def describe_files(settings: Filter) -> list[dict[str, Any]]:
    """The files that the settings name, as manifest entries with a digest each.

    Raises:
        RecipeError: there is no such file, or the thresholds name rules or columns that do not exist.
    """
    if settings.thresholds or settings.quality is not None:
        from dspipe.filter.rules import check_columns

        check_columns(settings)
    return [describe_language_model(settings)]
