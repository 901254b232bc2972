"""What stands behind a tag's name → what it says of the element: hidden, navigation, a comment, a link …"""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.blocks import (
    ALT_BEGIN,
    ALT_END,
    APOSTROPHE,
    ATTRIBUTES,
    BANG,
    BASIS,
    EQUALS,
    GT,
    LINK_BEGIN,
    LINK_END,
    PRIME,
    QUOTE,
    SEMICOLON,
    SLASH,
    is_space,
    look_up,
    lower,
)
from dspipe.extract.markup.tags import CLASS, FACTOR, HIDDEN, SEED, WORD
from dspipe.text.kernel import inlined

A_WORD, A_CLASS = np.uint64(WORD), np.uint64(CLASS)


def hashed(name: str) -> np.uint64:
    value = SEED
    for byte in name.encode():
        value = ((value ^ byte) * FACTOR) & ((1 << 64) - 1)
    return np.uint64(value)


H_CLASS, H_ID, H_ROLE, H_ITEMPROP = hashed("class"), hashed("id"), hashed("role"), hashed("itemprop")
H_HIDDEN, H_ARIA_HIDDEN, H_STYLE = hashed("hidden"), hashed("aria-hidden"), hashed("style")
H_HREF, H_ALT = hashed("href"), hashed("alt")
H_DISPLAY, H_VISIBILITY, H_NONE = hashed("display"), hashed("visibility"), hashed("none")


@inlined
def note_words(page, at, end, names):  # type: ignore[no-untyped-def]
    """What the words of an attribute's value say of the element: whole classes, and the words in them."""
    said = np.int64(0)
    token = word = BASIS
    previous = np.uint8(0)
    while at <= end:
        byte = page[at] if at < end else np.uint8(32)
        small = lower(byte)
        letter = 97 <= small <= 122
        hump = 65 <= byte <= 90 and 97 <= previous <= 122
        if word != BASIS and (hump or not letter):
            said |= max(look_up(names.table, A_WORD, word), 0)
            word = BASIS
        if is_space(byte):
            if token != BASIS:
                said |= max(look_up(names.table, A_CLASS, token), 0)
            token = BASIS
        else:
            token = (token ^ np.uint64(byte)) * PRIME
        if letter:
            word = (word ^ np.uint64(small)) * PRIME
        previous = byte
        at += 1
    return said


@inlined
def says_hidden(page, at, end):  # type: ignore[no-untyped-def]
    """Whether a style hides: `display:none` or `visibility:hidden`, with any white space."""
    key = BASIS  # of the letters since the last of : ; and the first letter
    name_hides = 0
    while at <= end:
        byte = lower(page[at]) if at < end else np.uint8(SEMICOLON)
        if byte == 58:
            name_hides = 1 if key == H_DISPLAY else 2 if key == H_VISIBILITY else 0
            key = BASIS
        elif byte in (SEMICOLON, BANG):
            if (name_hides == 1 and key == H_NONE) or (name_hides == 2 and key == H_HIDDEN):
                return True
            name_hides = 0
            key = BASIS
        elif not is_space(byte):
            key = (key ^ np.uint64(byte)) * PRIME
        at += 1
    return False


@inlined
def note_attribute(page, name, begin, end, state, names):  # type: ignore[no-untyped-def]
    """Take what one attribute says of its element."""
    if name in (H_CLASS, H_ID, H_ROLE, H_ITEMPROP):
        state[ATTRIBUTES] |= note_words(page, begin, end, names)
    elif name == H_STYLE:
        if says_hidden(page, begin, end):
            state[ATTRIBUTES] |= HIDDEN
    elif name == H_HIDDEN:
        state[ATTRIBUTES] |= HIDDEN
    elif name == H_ARIA_HIDDEN:
        if end - begin == 4 and lower(page[begin]) == 116:  # true
            state[ATTRIBUTES] |= HIDDEN
    elif name == H_HREF and state[LINK_END] == 0:  # of two the first is taken
        state[LINK_BEGIN], state[LINK_END] = begin, end
    elif name == H_ALT and state[ALT_END] == 0:
        state[ALT_BEGIN], state[ALT_END] = begin, end


@inlined
def read_attributes(page, at, end, state, names):  # type: ignore[no-untyped-def]
    """Read what stands behind a tag's name; returns where its `>` stands, or `end` where there is none."""
    state[ATTRIBUTES] = 0
    state[LINK_BEGIN] = state[LINK_END] = state[ALT_BEGIN] = state[ALT_END] = 0
    while at < end:
        byte = page[at]
        if byte == GT:
            return at
        if is_space(byte) or byte == SLASH:
            at += 1
            continue
        name = BASIS
        first = at
        while at < end:
            byte = page[at]
            if is_space(byte) or byte in (SLASH, GT) or (byte == EQUALS and at > first):
                break
            name = (name ^ np.uint64(lower(byte))) * PRIME
            at += 1
        while at < end and is_space(page[at]):
            at += 1
        begin = stop = at
        if at < end and page[at] == EQUALS:
            at += 1
            while at < end and is_space(page[at]):
                at += 1
            if at < end and (page[at] == QUOTE or page[at] == APOSTROPHE):
                quote = page[at]
                at += 1
                begin = at
                while at < end and page[at] != quote:
                    at += 1
                stop = at
                at += 1
            else:
                begin = at
                while at < end and page[at] != GT and not is_space(page[at]):
                    at += 1
                stop = at
        note_attribute(page, name, begin, min(stop, end), state, names)
    return end
