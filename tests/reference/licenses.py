"""Licences matched one letter at a time: the slow twin of `dspipe.filter.lists.licenses`."""

from __future__ import annotations


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern of ASCII fits the whole of a text, by the table of all pairs of beginnings."""
    row = [True] + [False] * len(text)
    for letter in pattern.lower():
        before = row
        row = [before[0] and letter == "*"]
        for place, found in enumerate(text.lower()):
            if letter == "*":
                row.append(before[place + 1] or row[place])
            else:
                row.append(before[place] and letter in ("?", found))
    return row[-1]


def goes(text: str | None, allow: list[str], deny: list[str]) -> bool:
    shown = "unknown" if text is None else text
    found = [(len(pattern), True) for pattern in allow if fits(pattern, shown)]
    found += [(len(pattern), False) for pattern in deny if fits(pattern, shown)]
    return not max(found)[1] if found else bool(allow and not deny)
