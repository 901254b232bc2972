"""Turns a document into counts of characters, words, tokens and sentences, and lists its tokens.

One walk over the characters. Words are those of `text.words`. A *token* is what n-grams are made of, and what
ratios "per word" of the published rules are in practice: a word, joined to the next over one of ". , : @ _"
between them ("3.14", "example.com"); an apostrophe behind a word with the letters that follow it ("'s"); any
other character that is not white space, a run of the same one being one ("...").
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.quality.counts import (
    BEFORE,
    CAPITAL_WORDS,
    CAPITALS,
    CHARACTERS,
    CHUNK,
    CHUNK_LETTERS,
    CHUNKS,
    CHUNKS_WITH_LETTER,
    CURLY_BRACKETS,
    DIGITS,
    DOTS,
    ELLIPSES,
    FLAGS,
    FOLLOWS,
    HASHES,
    JOINED,
    LETTERS,
    LINE,
    LINE_ENDS,
    LOREM_IPSUM,
    MARK,
    MARK_END,
    PREVIOUS,
    SAID,
    SENTENCES,
    SPACELESS_WORDS,
    STOP_WORD_COUNT,
    STOP_WORDS,
    STOPPED,
    SYMBOLS,
    TOKEN,
    TOKEN_CHARACTERS,
    TOKEN_LETTERS,
    TOKENS,
    TOKENS_WITH_LETTER,
    WORD_CHARACTERS,
    WORD_END,
    WORDS,
)  # fmt: skip
from dspipe.filter.quality.lines import (
    ELLIPSIS,
    HAS_JAVASCRIPT,
    HAS_LONG_CHUNK,
    HAS_POLICY,
    begin_line,
    end_line,
    end_paragraph,
)
from dspipe.filter.quality.memory import ONE
from dspipe.filter.quality.stop_words import (
    COOKIE,
    COOKIES,
    IPSUM,
    JAVASCRIPT,
    KEYWORD,
    LOREM,
    OF,
    POLICY,
    PRIVACY,
    SLOTS,
    STOP,
    TERMS,
    USE,
    USES,
)  # fmt: skip
from dspipe.text.kernel import inlined, kernel
from dspipe.text.unicode import (
    CLASS,
    CLOSING,
    LETTER,
    NUMBER,
    PUNCTUATION,
    SENTENCE_END,
    SPACE,
    SPACELESS,
    SYMBOL,
    read_character,
)
from dspipe.text.words import FIRST, HALF, hash_bytes, read_word

LONGEST_CHUNK = 1000  # characters between white space in a line that C4 keeps
SCRIPTS_WITHOUT_SPACE_AFTER_STOPS = 0x3000  # CJK punctuation and full-width forms start here
LINE_FEED, BLANK, HASH, CURLY, APOSTROPHE, RIGHT_QUOTE = 10, 32, 35, 123, 39, 0x2019
DOT, COMMA, COLON, AT, LOW_LINE = 46, 44, 58, 64, 95
HAS_LOREM = 8
EVEN = ~ONE
NONE = -1


@kernel
def walk_document(text, start, end, language, tables, work, out, document):  # type: ignore[no-untyped-def]
    """Add to out[document] and list the tokens; `language` is the row of its stop words."""
    for unset in (CHUNK, FOLLOWS, MARK, WORD_END):
        work.state[unset] = NONE
    begin_line(start, work, out, document)
    position = start
    while position < end:
        entry = read_character(text, position, end, tables.blocks, tables.classes)
        kind = entry & CLASS
        if kind in (LETTER, NUMBER):
            position = take_word(text, position, end, entry, language, tables, work, out, document)
        elif kind >= SPACE:
            position = take_space(text, position, entry, tables, work, out, document)
        else:
            position = take_mark(text, position, end, entry, tables, work, out, document)
    end_chunk(work, out, document)
    if work.state[LINE] < end:
        end_line(text, end, tables, work, out, document)
    end_paragraph(work, out, document)


@inlined
def take_word(text, position, end, entry, language, tables, work, out, document):  # type: ignore[no-untyped-def]
    """Count the word at `position`; return where it ends."""
    state = work.state
    after, length, letters, capitals, digits = read_word(
        text, position, end, entry, tables.blocks, tables.classes
    )
    value = hash_bytes(text, position, after)
    if state[CHUNK] < 0:
        state[CHUNK] = out[document, CHARACTERS]
    out[document, CHARACTERS] += length
    out[document, LETTERS] += letters
    out[document, CAPITALS] += capitals
    out[document, DIGITS] += digits
    out[document, WORDS] += 1
    out[document, WORD_CHARACTERS] += length
    out[document, CAPITAL_WORDS] += capitals == length and length > 1
    out[document, SPACELESS_WORDS] += (entry & SPACELESS) != 0
    state[SAID], state[STOPPED], state[DOTS], state[MARK], state[WORD_END] = 1, 0, 0, NONE, after
    note_code(find_code(value, language, tables), text, position, after, work, out, document)
    if not state[JOINED]:
        state[TOKEN], state[TOKEN_CHARACTERS], state[TOKEN_LETTERS] = position, 0, 0
    state[TOKEN_CHARACTERS] += length
    state[TOKEN_LETTERS] += letters
    state[CHUNK_LETTERS] += letters
    state[JOINED] = (entry & SPACELESS) == 0 and joins_words(text, after, end, tables)
    if not state[JOINED]:
        if state[TOKEN] != position:
            value = hash_bytes(text, state[TOKEN], after)
        out[document, TOKENS_WITH_LETTER] += state[TOKEN_LETTERS] > 0
        add_token(value | ONE, state[TOKEN_CHARACTERS], work, out, document)
    return after


@inlined
def take_space(text, position, entry, tables, work, out, document):  # type: ignore[no-untyped-def]
    """Count one character of white space; return where it ends."""
    state = work.state
    if state[CHUNK] >= 0:
        end_chunk(work, out, document)
    width = (entry >> 16) & 255
    state[MARK] = NONE
    if text[position] == LINE_FEED:
        end_line(text, position, tables, work, out, document)
        out[document, CHARACTERS] += 1
        out[document, LINE_ENDS] += 1
        begin_line(position + 1, work, out, document)
        return position + 1
    out[document, CHARACTERS] += 1
    return position + width


@inlined
def end_chunk(work, out, document):  # type: ignore[no-untyped-def]
    """Count what stood between white space, and the sentence that it may have ended."""
    state = work.state
    if state[CHUNK] >= 0:
        out[document, CHUNKS] += 1
        out[document, CHUNKS_WITH_LETTER] += state[CHUNK_LETTERS] > 0
        if out[document, CHARACTERS] - state[CHUNK] > LONGEST_CHUNK:
            state[FLAGS] |= HAS_LONG_CHUNK
    out[document, SENTENCES] += state[STOPPED]
    state[SAID] &= state[STOPPED] == 0
    state[CHUNK], state[CHUNK_LETTERS], state[STOPPED], state[DOTS] = NONE, 0, 0, 0


@inlined
def take_mark(text, position, end, entry, tables, work, out, document):  # type: ignore[no-untyped-def]
    """Count one character that is neither white space nor of a word; return where it ends."""
    state, point, kind = work.state, entry >> 24, entry & CLASS
    after = position + ((entry >> 16) & 255)
    if state[CHUNK] < 0:
        state[CHUNK] = out[document, CHARACTERS]
    out[document, CHARACTERS] += 1
    out[document, SYMBOLS] += kind in (PUNCTUATION, SYMBOL)
    out[document, HASHES] += point == HASH
    out[document, CURLY_BRACKETS] += point == CURLY
    state[DOTS] = state[DOTS] + 1 if point == DOT else 0
    out[document, ELLIPSES] += state[DOTS] == 3 or point == ELLIPSIS
    if entry & SENTENCE_END:
        state[STOPPED] = state[SAID]
        if state[SAID] and point >= SCRIPTS_WITHOUT_SPACE_AFTER_STOPS:
            out[document, SENTENCES] += 1
            state[SAID], state[STOPPED] = 0, 0
    elif not entry & CLOSING:
        state[STOPPED] = 0
    if state[JOINED]:
        state[TOKEN_CHARACTERS] += 1
    elif starts_suffix(text, position, after, end, point, tables, work):
        state[TOKEN], state[TOKEN_CHARACTERS], state[TOKEN_LETTERS], state[JOINED] = position, 1, 0, 1
    else:
        add_mark(point, position, work, out, document)
    state[MARK], state[MARK_END] = point, after
    return after


@inlined
def joins_words(text, position, end, tables):  # type: ignore[no-untyped-def]
    """Whether the character behind a word joins it to another word."""
    if position + 1 >= end or text[position] <= COMMA - 1:
        return False
    mark = text[position]
    if mark != DOT and mark != COMMA and mark != COLON and mark != AT and mark != LOW_LINE:
        return False
    kind = read_character(text, position + 1, end, tables.blocks, tables.classes) & CLASS
    return kind in (LETTER, NUMBER)


@inlined
def starts_suffix(text, position, after, end, point, tables, work):  # type: ignore[no-untyped-def]
    """Whether an apostrophe stands between a word and letters."""
    if (point != APOSTROPHE and point != RIGHT_QUOTE) or work.state[WORD_END] != position or after >= end:
        return False
    return read_character(text, after, end, tables.blocks, tables.classes) & CLASS == LETTER


@inlined
def add_mark(point, position, work, out, document):  # type: ignore[no-untyped-def]
    """List a mark as a token, or put it on the one before, if that is a run of the same."""
    state, tokens = work.state, out[document, TOKENS]
    if point != state[MARK] or position != state[MARK_END]:
        value = (np.uint64(point) + ONE) * FIRST
        add_token((value ^ (value >> HALF)) & EVEN, 1, work, out, document)
    elif tokens <= work.hashes.size:
        value = (work.hashes[tokens - 1] ^ np.uint64(point)) * FIRST
        work.hashes[tokens - 1] = (value ^ (value >> HALF)) & EVEN
        work.ends[tokens] += 1


@inlined
def add_token(value, characters, work, out, document):  # type: ignore[no-untyped-def]
    """Count one token, and list it as long as there is room."""
    tokens = out[document, TOKENS]
    if tokens < work.hashes.size:
        work.hashes[tokens] = value
        work.ends[tokens + 1] = work.ends[tokens] + characters
    out[document, TOKENS] = tokens + 1


@inlined
def find_code(value, language, tables):  # type: ignore[no-untyped-def]
    """What `stop_words` says of the word with a hash; 0 for most."""
    slot = np.int64(value & np.uint64(SLOTS - 1))
    while tables.codes[language, slot] != 0:
        if tables.keys[language, slot] == value:
            return tables.codes[language, slot]
        slot = (slot + 1) & (SLOTS - 1)
    return np.int64(0)


@inlined
def note_code(code, text, position, after, work, out, document):  # type: ignore[no-untyped-def]
    """Count a stop word, and see whether a keyword ends a phrase; the words of one stand one space apart."""
    state = work.state
    if code & STOP:
        out[document, STOP_WORDS] |= 1 << ((code & STOP) - 1)  # a set, until the document ends
        out[document, STOP_WORD_COUNT] += 1
    adjacent = position == state[FOLLOWS] and text[position - 1] == BLANK
    previous, before = state[PREVIOUS] * adjacent, state[BEFORE] * adjacent
    if code >= KEYWORD:
        flags = find_phrase(code // KEYWORD, previous, before)
        out[document, LOREM_IPSUM] |= flags & HAS_LOREM
        state[FLAGS] |= flags & ~HAS_LOREM
    state[PREVIOUS], state[BEFORE], state[FOLLOWS] = code // KEYWORD, previous, after + 1


@kernel
def find_phrase(word, previous, before):  # type: ignore[no-untyped-def]
    """The flag of the phrase that ends in a keyword after these keywords; 0 where there is none."""
    if word == JAVASCRIPT:
        return HAS_JAVASCRIPT
    if word == IPSUM and previous == LOREM:
        return HAS_LOREM
    policy = word == POLICY and previous in (PRIVACY, COOKIE)
    terms = word == USE and previous == OF and before == TERMS
    cookies = word == COOKIES and (previous in (USE, USES) or (previous == OF and before == USE))
    return HAS_POLICY if policy or terms or cookies else 0
