"""The bytes at a mark inside a prefix → a key or token of a service, or a private key.

- a private key: `-----BEGIN … PRIVATE KEY-----` to its `-----END …-----`, in 64 KiB, with 64 characters of
  base64 or more and no "[" between;
- AWS: `AKIA`, `ASIA`, `ABIA` or `ACCA` and 16 capitals or digits;
- Google: `AIza` and 35 of base64url;
- GitHub: `ghp_`, `gho_`, `ghu_`, `ghs_` or `ghr_` and 36 to 255 letters or digits; `github_pat_` and 82 to
  255, "_" too;
- GitLab: `glpat-` and 20 to 300 of base64url;
- Slack: `xoxa-`, `xoxb-`, `xoxe-`, `xoxo-`, `xoxp-`, `xoxr-` or `xoxs-` and 20 to 255 letters, digits or "-",
  three digits among them;
- Stripe: `sk_live_` or `rk_live_` and 16 to 255 letters or digits;
- OpenAI, Anthropic and others: `sk-` and 32 to 255 of base64url, three digits among them;
- Hugging Face: `hf_` and 30 to 64 letters or digits;
- npm: `npm_` and 36 letters or digits;
- PyPI: `pypi-` and 50 to 1024 of base64url, three digits among them;
- a JSON Web Token: `eyJ….eyJ….…`, three parts of 10 or more of base64url.

What follows a prefix has 3 bits of entropy a character, or it is an example ("xxxx…"). A token is not inside
a longer word and does not follow "-", "+" or ".". Services change their lengths, so ranges are wide where a
prefix is telling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.private.characters import (
    ALPHANUMERIC,
    BACKSLASH,
    DASH,
    DIGIT,
    DOT,
    HYPHEN,
    OPENS_SQUARE,
    PLUS,
    POINT,
    SPACE,
    UPPER,
    URL_SAFE,
    WORD,
    byte_at,
    byte_before,
    ends_with,
    follows_word,
    has,
    pack_words,
    precedes_word,
    walk_run,
)
from dspipe.filter.private.entropy import UNIT, is_random
from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel

TOKENS = (  # prefix, what may follow, how many at least and at most, of which digits at least
    *((f"gh{kind}_", ALPHANUMERIC, 36, 255, 0) for kind in "pousr"),
    ("github_pat_", WORD, 82, 255, 0),
    ("glpat-", URL_SAFE, 20, 300, 0),
    *((f"xox{kind}-", ALPHANUMERIC | HYPHEN, 20, 255, 3) for kind in "abeoprs"),
    ("sk_live_", ALPHANUMERIC, 16, 255, 0),
    ("rk_live_", ALPHANUMERIC, 16, 255, 0),
    ("sk-", URL_SAFE, 32, 255, 3),
    ("hf_", ALPHANUMERIC, 30, 64, 0),
    ("npm_", ALPHANUMERIC, 36, 36, 0),
    ("pypi-", URL_SAFE, 50, 1024, 3),
)
PREFIXES = read_only(np.frombuffer("".join(token[0] for token in TOKENS).encode(), np.uint8))
PREFIX_STARTS = read_only(np.cumsum([0, *(len(token[0]) for token in TOKENS)]))
TAILS = read_only(np.array([int.from_bytes(token[0][-3:].encode(), "big") for token in TOKENS], np.int64))
FORMS = read_only(np.array([token[1:] for token in TOKENS], np.int64))
LEAST_BITS = 3 * UNIT  # of entropy a byte: "xxxx…" is no token

KEY_LABELS, KEY_LABEL_STARTS = pack_words("private key,private key block", ",")
LONGEST_LABEL, LONGEST_KEY, LEAST_KEY = 64, 1 << 16, 64
LEAST_PART = 10  # of a JSON Web Token
AKIA, ASIA, ABIA, ACCA, AIZA, BEGIN, END = (
    np.int64(int.from_bytes(name, "big"))
    for name in (b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"AIza", b"BEGIN ", b"END ")
)


def mark_pairs() -> NDArray[np.bool_]:
    """[1024]: whether two letters (five bits each, the first above) stand before the mark of a prefix."""
    pairs = np.zeros(1 << 10, bool)
    for token in TOKENS:
        first, second, _ = token[0][-3:].encode()
        pairs[(first & 31) << 5 | (second & 31)] = True
    return read_only(pairs)


PAIRS = mark_pairs()


@inlined
def may_be_token(text, floor, mark):  # type: ignore[no-untyped-def]
    """Whether the "_" or "-" at `mark` is worth a look."""
    if mark - 2 < floor:
        return False
    return PAIRS[(np.int64(text[mark - 2]) & 31) << 5 | (np.int64(text[mark - 1]) & 31)]


@inlined
def may_be_private_key(text, floor, dash, end):  # type: ignore[no-untyped-def]
    """Whether the "_" or "-" at `dash` is worth a look."""
    return (
        byte_at(text, dash + 5, end) == 66
        and has_dashes(text, dash, end)
        and (not has(byte_before(text, floor, dash), URL_SAFE) or follows_escape(text, floor, dash))
    )


@inlined
def follows_escape(text, floor, position):  # type: ignore[no-untyped-def]
    r"""Whether `\n`, `\r` or `\t` in a string of a program ends at `position`."""
    return (
        byte_before(text, floor, position) in (110, 114, 116)
        and byte_before(text, floor, position - 1) == BACKSLASH
    )


@inlined
def may_be_cloud_key(text, first, end):  # type: ignore[no-untyped-def]
    """Whether the "A" at `first` is worth a look."""
    return byte_at(text, first + 1, end) in (75, 83, 66, 67, 73)  # K S B C I


@inlined
def may_be_web_token(text, floor, mark):  # type: ignore[no-untyped-def]
    """Whether the "J" at `mark` is worth a look."""
    return mark - 2 >= floor and text[mark - 2] == 101 and text[mark - 1] == 121  # e y


@kernel
def find_token(text, floor, mark, end, blocks, classes, counts):  # type: ignore[no-untyped-def]
    """The token whose prefix ends with the "_" or "-" at `mark`."""
    none = (mark, np.int64(-1))
    tail = (np.int64(text[mark - 2]) << 16) | (np.int64(text[mark - 1]) << 8) | np.int64(text[mark])
    for token in range(TAILS.size):
        if tail == TAILS[token] and has_prefix(text, floor, mark + 1, token):
            first = mark + 1 - (PREFIX_STARTS[token + 1] - PREFIX_STARTS[token])
            if not begins_token(text, floor, first, blocks, classes):
                return none
            last = walk_token(text, mark + 1, end, token, counts)
            return none if last < 0 or precedes_word(text, last, end, blocks, classes) else (first, last)
    return none


@kernel
def has_prefix(text, floor, position, token):  # type: ignore[no-untyped-def]
    """Whether the prefix of a row of `TOKENS` ends at `position`."""
    start, stop = PREFIX_STARTS[token], PREFIX_STARTS[token + 1]
    if position - (stop - start) < floor:
        return False
    same = True
    for place in range(stop - start):
        same &= text[position - 1 - place] == PREFIXES[stop - 1 - place]
    return same


@kernel
def walk_token(text, start, end, token, counts):  # type: ignore[no-untyped-def]
    """Where what follows the prefix of a row of `TOKENS` ends, -1 where it has not the form."""
    alphabet, least, most, digits = FORMS[token]
    last = walk_run(text, start, min(end, start + most + 1), alphabet)
    if not least <= last - start <= most or not is_random(text, start, last, LEAST_BITS, counts):
        return np.int64(-1)
    for position in range(start, last):
        digits -= has(text[position], DIGIT)
    return last if digits <= 0 else np.int64(-1)


@kernel
def begins_token(text, floor, first, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether what is before `first` is not of the same token."""
    joined = has(byte_before(text, floor, first), HYPHEN | PLUS | POINT)
    return not joined and not follows_word(text, floor, first, blocks, classes)


@kernel
def find_cloud_key(text, floor, first, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The AWS or Google key that begins with the "A" at `first`."""
    none = (first, np.int64(-1))
    if not begins_token(text, floor, first, blocks, classes):
        return none
    name = read_four(text, first, end)
    if name == AIZA:
        last = walk_run(text, first + 4, min(end, first + 40), URL_SAFE)
        whole = last - first == 39
    else:
        last = walk_run(text, first + 4, min(end, first + 21), UPPER | DIGIT)
        whole = last - first == 20 and name in (AKIA, ASIA, ABIA, ACCA)
    return (first, last) if whole and not precedes_word(text, last, end, blocks, classes) else none


@inlined
def read_four(text, first, end):  # type: ignore[no-untyped-def]
    """Four bytes as one big-endian number, 0 where there are fewer."""
    if first + 4 > end:
        return np.int64(0)
    packed = np.int64(0)
    for position in range(first, first + 4):
        packed = (packed << 8) | np.int64(text[position])
    return packed


@kernel
def find_web_token(text, floor, mark, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The JSON Web Token whose first "eyJ" ends with the "J" at `mark`."""
    first = mark - 2
    none = (mark, np.int64(-1))
    if not begins_token(
        text, floor, first, blocks, classes
    ):  # first, else "eyJeyJ…" is walked again and again
        return none
    header = walk_run(text, first, end, URL_SAFE)
    claims = walk_run(text, min(end, header + 1), end, URL_SAFE)
    last = walk_run(text, min(end, claims + 1), end, URL_SAFE)
    dots = byte_at(text, header, end) == DOT and byte_at(text, claims, end) == DOT
    if not dots or min(header - first, claims - header - 1, last - claims - 1) < LEAST_PART:
        return none
    if text[header + 1] != 101 or text[header + 2] != 121 or text[header + 3] != 74:
        return none
    return none if precedes_word(text, last, end, blocks, classes) else (first, last)


@kernel
def find_private_key(text, dash, end):  # type: ignore[no-untyped-def]
    """The private key whose first line begins with the "-" at `dash`, which no "-" precedes."""
    none = (dash, np.int64(-1))
    start = walk_label(text, dash, end, BEGIN, 6)
    if start < 0 or not is_private(text, dash, start - 5):
        return none
    limit = min(end, start + LONGEST_KEY)
    position, size = start, 0
    while position < limit and text[position] != OPENS_SQUARE and not has_dashes(text, position, end):
        size += has(text[position], ALPHANUMERIC) or text[position] == 43 or text[position] == 47  # + /
        position += 1
    last = walk_label(text, position, end, END, 4)
    return (dash, last) if last >= 0 and size >= LEAST_KEY else none


@kernel
def walk_label(text, dash, end, word, size):  # type: ignore[no-untyped-def]
    """Where the line "-----`word`…-----" that begins at `dash` ends, -1 where there is none."""
    if not has_dashes(text, dash, end) or dash + 5 + size > end:
        return np.int64(-1)
    found = np.int64(0)
    for position in range(dash + 5, dash + 5 + size):
        found = (found << 8) | np.int64(text[position])
    position = dash + 5 + size
    limit = min(end, position + LONGEST_LABEL)
    while position < limit and (text[position] == SPACE or has(text[position], UPPER | DIGIT)):
        position += 1
    return position + 5 if found == word and has_dashes(text, position, end) else np.int64(-1)


@inlined
def has_dashes(text, position, end):  # type: ignore[no-untyped-def]
    """Whether there are five "-" at `position`."""
    if position + 5 > end:
        return False
    dashes = True
    for place in range(position, position + 5):
        dashes &= text[place] == DASH
    return dashes


@kernel
def is_private(text, floor, position):  # type: ignore[no-untyped-def]
    """Whether "PRIVATE KEY" or "PRIVATE KEY BLOCK" ends at `position`."""
    return ends_with(text, floor, position, KEY_LABELS, KEY_LABEL_STARTS) >= 0
