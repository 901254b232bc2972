"""The columns of every artifact, in one place: what a stage writes and the next one may rely on."""

from __future__ import annotations

import pyarrow as pa

DOCUMENTS = pa.schema(
    [
        ("id", pa.string()),  # 32 hexadecimal digits: hash of source name, relative path, record offset
        ("text", pa.large_string()),
        ("source", pa.string()),  # the recipe's name of the source
        ("source_id", pa.string()),  # the source's own id, where it has one
        ("url", pa.string()),
        ("title", pa.string()),
        ("date", pa.string()),  # as the source gives it, ISO 8601 for crawls
        ("license", pa.string()),
        ("language", pa.string()),  # the source's own label until `filter` decides
        ("domain", pa.string()),  # the recipe's or null until `filter` decides
        ("origin", pa.struct([("file", pa.string()), ("offset", pa.int64())])),
        ("digest", pa.string()),  # of the record's payload, as the crawl's own header gives it
    ]
)
UNUSED = pa.schema(  # records that gave no document
    [
        ("reason", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("url", pa.string()),
    ]
)

SIGNALS = pa.schema(
    [
        ("id", pa.string()),
        ("language", pa.string()),  # ISO 639 ("no" for Norwegian), or "und"
        ("language_margin", pa.float32()),  # log-probability to the runner-up, per square root of bytes
        ("domain", pa.string()),
        ("characters", pa.int64()),
        ("words", pa.int64()),
        ("lines", pa.int64()),
        ("mean_word_length", pa.float32()),  # characters
        ("mean_line_length", pa.float32()),
        ("longest_line", pa.int64()),
        ("symbol_ratio", pa.float32()),  # "#" per word or ellipses per word, the larger
        ("bullet_lines", pa.float32()),  # shares of the lines that are not blank
        ("ellipsis_lines", pa.float32()),
        ("ended_lines", pa.float32()),  # ending as a sentence does
        ("short_lines", pa.float32()),  # of under 30 characters
        ("duplicate_lines", pa.float32()),  # share of characters in lines seen before in the document
        ("alphabetic_words", pa.float32()),  # share of what stands between white space that has a letter
        ("alphabetic_characters", pa.float32()),
        ("stop_words", pa.int64()),  # how many of Gopher's eight English words occur
        ("sentences", pa.int64()),
        ("curly_brackets", pa.int64()),  # "{"
        ("lorem_ipsum", pa.bool_()),
    ]
)

REJECTED = DOCUMENTS.append(pa.field("reasons", pa.list_(pa.string())))
DISTINCT = DOCUMENTS.append(pa.field("cluster", pa.string()))  # the kept document's id
REMOVED = pa.schema(
    [("removed", pa.string()), ("kept", pa.string()), ("kind", pa.string()), ("jaccard", pa.float64())]
)
MIXTURE = DISTINCT.append(pa.field("draw", pa.int32()))  # 0, 1, 2 … for repeats


def sequences(length: int) -> pa.Schema:
    """Rows of `length` tokens; `lengths` and `documents` name the chunks in a row, the rest is padding."""
    return pa.schema(
        [
            ("tokens", pa.list_(pa.field("item", pa.uint32(), nullable=False), length)),
            ("lengths", pa.list_(pa.int32())),
            ("documents", pa.list_(pa.string())),
        ]
    )
