"""Names of columns → which of a table's become ours, or a sentence that says what the recipe must name.

Also takes rows, whose text and labels may be anything that a table can hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dspipe.extract.rows import LONGEST_LABEL, Rows
from dspipe.extract.sources.file import SourceFile, print_safely
from dspipe.recipe import DspipeError

LARGEST_LABEL = 4 * LONGEST_LABEL  # bytes: no UTF-8 character is longer than four
MOST_NAMES = 20  # columns in a message


def name_columns(file: SourceFile) -> dict[str, str]:
    """For our columns the names that the recipe gives them in a file; what is the text is nothing else."""
    names = file.columns
    labels = {
        "source_id": names.id,
        "url": names.url,
        "title": names.title,
        "date": names.date,
        "license": names.license,
        "language": names.language,
        "quality": names.quality,
    }
    return {"text": names.text} | {field: name for field, name in labels.items() if name != names.text}


def choose_columns(file: SourceFile, names: Sequence[str]) -> dict[str, int]:
    """For our columns the numbers of those of a file; the text must be there, once.

    Raises:
        DspipeError: one sentence, when it is not.
    """
    counts, text = Counter(names), file.columns.text
    if not counts[text]:
        raise missing_column(file, names)
    if counts[text] > 1:
        raise refusal(
            file, f"{file.path} has {counts[text]} columns {text}; rename all but one, or name another"
        )
    # of two labels of one name nobody knows which is meant
    return {field: names.index(name) for field, name in name_columns(file).items() if counts[name] == 1}


def missing_column(file: SourceFile, names: Sequence[str]) -> DspipeError:
    problem = f"{file.path} has no column {file.columns.text}; {list_names(names)}"
    return refusal(file, f"{problem}; name the one that holds the text")


def list_names(names: Sequence[str]) -> str:
    more = ", …" if len(names) > MOST_NAMES else ""
    return "there are: " + (", ".join(name[:40] for name in names[:MOST_NAMES]) or "none") + more


def refusal(file: SourceFile, problem: str) -> DspipeError:
    """The error for a file whose text column the recipe does not name rightly."""
    return DspipeError(print_safely(f'extract.sources.{file.source}: {problem}: columns = {{ text = "…" }}'))


def add_row(file: SourceFile, offset: int, values: dict[str, object], rows: Rows) -> None:
    """Take one row, by our columns: strings, numbers, and bytes that should be UTF-8; consumes `values`."""
    text = values.pop("text", None)
    if isinstance(text, bytes | memoryview):
        if len(text) > 4 * rows.max_characters:  # no UTF-8 character is longer than four bytes
            return rows.drop("too-large", file, offset, values.get("url"))
        try:
            text = str(text, "utf-8")
        except UnicodeDecodeError:
            return rows.drop("bad-encoding", file, offset, values.get("url"))
    if isinstance(text, str):
        rows.add(file, offset, text, **values)
    else:
        rows.drop("empty" if text is None else "malformed", file, offset, values.get("url"))


def decode_label(data: bytes | memoryview) -> str | None:
    """A label from bytes that should be UTF-8; None where there are too many."""
    return str(data, "utf-8", "replace") if len(data) <= LARGEST_LABEL else None
