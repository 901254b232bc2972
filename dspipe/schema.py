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
        ("quality", pa.float32()),  # the source's own score, else the signal that [filter] quality names
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

SIGNALS = pa.schema(  # shares are of 0 to 1, and 0 where there is nothing to take them of
    [
        ("id", pa.string()),
        ("language", pa.string()),  # ISO 639 ("no" for Norwegian), or "und"
        ("language_margin", pa.float32()),  # log-probability to the runner-up, per square root of bytes
        ("language_share", pa.float32()),  # of the letters in lines of a known language; null unless asked
        ("second_language", pa.string()),  # the next by letters in such lines; null where there is none
        ("domain", pa.string()),
        ("extension", pa.string()),  # of the file's name, in lower case, without the dot
        # sizes
        ("characters", pa.int64()),
        ("words", pa.int64()),
        ("lines", pa.int64()),
        ("paragraphs", pa.int64()),
        ("sentences", pa.int64()),
        ("mean_word_length", pa.float32()),  # characters
        ("mean_line_length", pa.float32()),
        ("longest_line", pa.int64()),
        # characters, as shares of all
        ("alphabetic_characters", pa.float32()),
        ("uppercase_characters", pa.float32()),
        ("digit_characters", pa.float32()),
        ("symbol_characters", pa.float32()),  # punctuation and symbols
        # words, and tokens (words, and marks between them)
        ("alphabetic_words", pa.float32()),  # share of what stands between white space that has a letter
        ("alphabetic_tokens", pa.float32()),  # share of tokens, marks among them, that have a letter
        ("capital_words", pa.float32()),  # share of words of two or more letters that are all capitals
        ("unique_words", pa.float32()),  # share of words that are the first of their kind
        ("word_entropy", pa.float32()),  # nats, of the distribution of words
        ("stop_words", pa.int64()),  # how many of the language's stop words occur; null without a list
        ("stop_word_share", pa.float32()),  # of all words
        ("hash_ratio", pa.float32()),  # "#" per token
        ("ellipsis_ratio", pa.float32()),  # ellipses per token
        # lines, as shares of those that are not blank
        ("bullet_lines", pa.float32()),
        ("ellipsis_lines", pa.float32()),
        ("ended_lines", pa.float32()),  # whose last character ends sentences
        ("short_lines", pa.float32()),  # of at most 30 characters
        ("numeric_lines", pa.float32()),  # of digits, marks and symbols alone
        ("uppercase_lines", pa.float32()),  # of whose letters more than half are capitals
        ("single_word_lines", pa.float32()),
        ("javascript_lines", pa.float32()),
        ("policy_lines", pa.float32()),  # with a phrase of cookie banners and terms of use
        ("lines_per_token", pa.float32()),  # line ends per token
        # C4
        ("kept_sentences", pa.int64()),  # sentences in the lines that C4 keeps
        ("curly_brackets", pa.int64()),  # "{"
        ("kept_curly_brackets", pa.int64()),  # the same in lines that C4 looks at
        ("lorem_ipsum", pa.bool_()),
        # repetition
        ("duplicate_lines", pa.float32()),  # share of lines that were in the document before
        ("duplicate_line_characters", pa.float32()),  # share of characters in them
        ("duplicate_paragraphs", pa.float32()),
        ("duplicate_paragraph_characters", pa.float32()),
        *((f"top_{n}_gram", pa.float32()) for n in (2, 3, 4)),  # share of characters in the most frequent
        *((f"duplicate_{n}_grams", pa.float32()) for n in range(5, 11)),  # share of characters
        # code and markup
        ("xml_header", pa.bool_()),  # "<?xml version=" in the first 100 characters
        ("visible_characters", pa.int64()),  # of a file of HTML: without tags, scripts and styles; else null
        ("visible_text", pa.float32()),  # the same as a share of all; null where it is no file of HTML
        # what may be private
        ("emails", pa.int64()),
        ("ip_addresses", pa.int64()),
        ("phone_numbers", pa.int64()),
        ("secrets", pa.int64()),
    ]
)

REJECTED = DOCUMENTS.append(pa.field("reasons", pa.list_(pa.string())))
DISTINCT = DOCUMENTS.append(pa.field("cluster", pa.string()))  # the kept document's id
REMOVED = pa.schema(  # what went, in favour of what, and how alike the two are
    [
        ("removed", pa.string()),  # id of the document that went, or lost a piece
        ("kept", pa.string()),  # id of the document that stays, or keeps the piece
        ("kind", pa.string()),  # exact, url, near; or of a piece: line, substring
        ("jaccard", pa.float64()),  # of their sets of shingles; null of a piece
        ("containment", pa.float64()),  # share of the removed one's shingles that the kept one has
        ("start", pa.int64()),  # of a piece: where it began in the text of `filtered`, in bytes
        ("bytes", pa.int64()),  # of a piece: its length
    ]
)
INDEX = pa.schema(  # of all documents that dedup has seen, for later runs; one row group after the other
    [
        ("id", pa.string()),
        ("rank", pa.int64()),  # its place in the order of survivors, among the documents of its own run
        ("key", pa.binary(16)),  # of its normalised text: equal in exact copies
        ("shingles", pa.int64()),  # how many it has, with repeats
        ("needs", pa.uint8()),  # which normal forms its text has to be brought to
        ("signature", pa.binary()),  # MinHash, 4 bytes for each permutation; null where it was removed
        ("kept", pa.string()),  # where it was removed: the one that stayed for it
        ("jaccard", pa.float64()),
        ("containment", pa.float64()),
        ("present", pa.bool_()),  # whether it is a row of `distinct`
        ("text", pa.large_string()),  # as it was compared, where `distinct` has less of it
    ]
)
MIXTURE = DISTINCT.append(pa.field("draw", pa.int32()))  # 0, 1, 2 … for repeats


def sequences(length: int) -> pa.Schema:
    """Rows of `length` tokens; lists have a value for each chunk: a run of one document's tokens in the row.

    What the chunks leave of a row is padding. `checksum` stands beside what it is of, see `sequences.py`.
    """
    tokens = pa.list_(pa.field("item", pa.uint32(), nullable=False), length)
    return pa.schema([("tokens", tokens), *CHUNKS])


CHUNKS = [
    ("lengths", pa.list_(pa.int32())),  # tokens in the chunk
    ("checksum", pa.uint64()),  # of the row's tokens and lengths
    ("documents", pa.list_(pa.string())),  # id of the document
    ("starts", pa.list_(pa.int32())),  # which of the document's tokens is the chunk's first
    ("draws", pa.list_(pa.int32())),  # 0, 1, 2 … where the mixture repeats the document
    ("fim", pa.list_(pa.bool_())),  # whether the document was turned to fill-in-the-middle
    ("places", pa.list_(pa.int64())),  # the document's row in `mixture`, counted through its parts
]


def validation(length: int) -> pa.Schema:
    """Rows held out from training, each of one domain and language, of infilled documents or of others."""
    schema = sequences(length)
    return schema.append(pa.field("domain", pa.string())).append(pa.field("language", pa.string()))
