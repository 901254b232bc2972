"""A similarity → how many bands and rows of MinHash catch it, and with what probability any pair is caught.

A pair of Jaccard similarity J has one row equal with probability J, so a band of r rows with J^r, and at
least one of b bands with 1 − (1 − J^r)^b (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4).
"""

from __future__ import annotations

import math

from dspipe.recipe import Dedup, RecipeError

CERTAINTY = 0.99  # with which a pair at the threshold becomes a candidate
NOISE = 0.25  # with which, at most, one at half the threshold does: candidates cost a comparison each
LEAST_ROWS = 4  # with fewer, pages that share only a phrase in twenty become candidates by the million
MOST_PERMUTATIONS = 4096


def catch(similarity: float, bands: int, rows: int) -> float:
    """The probability that a pair of this similarity shares a band."""
    return float(1.0 - (1.0 - similarity**rows) ** bands)


def find_bands(settings: Dedup) -> tuple[int, int]:
    """(bands, rows): as the recipe has them, or the fewest permutations for what it leaves open.

    Few rows alone would need the fewest, but then half of all unlike pairs were candidates, too; so of the
    shapes that catch a pair at `similarity` with CERTAINTY, that one is taken which has the fewest
    permutations, LEAST_ROWS, and catches one at half of it with NOISE at most. Below 0.3 there is none with
    so few permutations as MOST_PERMUTATIONS; then it is the quietest.

    Raises:
        RecipeError: the rows that the recipe has need more than MOST_PERMUTATIONS.

    >>> find_bands(Dedup(similarity=0.8))
    (9, 4)
    """
    if settings.rows is not None:
        bands = settings.bands or count_bands(settings.similarity, settings.rows)
        if bands * settings.rows > MOST_PERMUTATIONS and settings.bands is None:
            raise RecipeError(
                f"dedup.rows: to catch pairs at similarity {settings.similarity:g} with rows = "
                f"{settings.rows} takes more than {MOST_PERMUTATIONS} permutations; give fewer rows, "
                "or bands as well"
            )
        return bands, settings.rows
    if settings.bands is not None:
        return settings.bands, find_rows(settings.similarity, settings.bands)
    shapes = [
        (bands, rows)
        for rows in range(1, 65)
        if (bands := count_bands(settings.similarity, rows)) * rows <= MOST_PERMUTATIONS
    ]
    quiet = [
        shape
        for shape in shapes
        if shape[1] >= LEAST_ROWS and catch(settings.similarity / 2, *shape) <= NOISE
    ]
    if quiet:
        return min(quiet, key=lambda shape: shape[0] * shape[1])
    return min(shapes, key=lambda shape: catch(settings.similarity / 2, *shape))


def count_bands(similarity: float, rows: int) -> int:
    """The fewest bands of so many rows that catch this similarity with CERTAINTY."""
    missed = 1.0 - similarity**rows
    if missed >= 1.0:
        return MOST_PERMUTATIONS + 1
    return max(1, math.ceil(math.log(1.0 - CERTAINTY) / math.log(missed))) if missed > 0 else 1


def find_rows(similarity: float, bands: int) -> int:
    """The most rows with which so many bands catch this similarity with CERTAINTY; one at least."""
    enough = [rows for rows in range(1, 65) if catch(similarity, bands, rows) >= CERTAINTY]
    return max(enough, default=1)
