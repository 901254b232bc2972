"""The bytes of a page → its blocks: runs of text that stand on lines of their own, and what is around them.

One pass over the bytes, in time proportional to them whatever they hold: no tree is built, only the stack of
open elements is known, and of that no more than `DEEPEST`; what is nested deeper counts for the element at
that depth, as in browsers. Tags, comments and attributes are found as the HTML standard's tokenizer finds
them, and end tags that are left out (`</p>`, `</li>`, `</td>` …) are supplied as its tree builder does it.
What it leaves out is the tree builder's moving of misplaced elements: text stays where it was written.

White space is collapsed but in preformatted text, character references become characters, and text that no
browser shows is passed over.
"""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.attributes import read_attributes
from dspipe.extract.markup.blocks import (
    BANG,
    BASIS,
    BEYOND,
    DEPTH,
    ELEMENTS,
    GT,
    LT,
    MINUS,
    PRIME,
    QUESTION,
    S_FLAGS,
    SLASH,
    TITLE_BEGIN,
    TITLE_END,
    end_block,
    is_space,
    look_up,
    lower,
)
from dspipe.extract.markup.characters import put_text
from dspipe.extract.markup.elements import close_tag, open_tag
from dspipe.extract.markup.tags import HIDDEN, PROPERTIES_OF, RAW, TAG_NAME, TITLE
from dspipe.text.kernel import inlined, kernel

A_TAG = np.uint64(TAG_NAME)

HOPELESS = 100_000  # elements open at once that no person has written


@inlined
def find_end_tag(page, at, end, first, after):  # type: ignore[no-untyped-def]
    """Where `</` and the name page[first:after] stand at or behind `at`, or `end`."""
    size = after - first
    while at + 2 + size <= end:
        if page[at] == LT and page[at + 1] == SLASH:
            same = True
            for offset in range(size):
                if lower(page[at + 2 + offset]) != lower(page[first + offset]):
                    same = False
                    break
            follows = page[at + 2 + size] if at + 2 + size < end else np.uint8(GT)
            if same and (is_space(follows) or follows in (SLASH, GT)):
                return at
        at += 1
    return end


@inlined
def skip_declaration(page, at, end):  # type: ignore[no-untyped-def]
    """Where the text goes on behind `<!…>`, `<?…>` or a comment that begins at `at`."""
    if at + 3 < end and page[at + 1] == BANG and page[at + 2] == MINUS and page[at + 3] == MINUS:
        place = at + 4
        if place < end and page[place] == GT:
            return place + 1
        if place + 1 < end and page[place] == MINUS and page[place + 1] == GT:
            return place + 2
        while place + 2 < end:
            if page[place] == MINUS and page[place + 1] == MINUS:
                if page[place + 2] == GT:
                    return place + 3
                if page[place + 2] == BANG and place + 3 < end and page[place + 3] == GT:
                    return place + 4
            place += 1
        return end
    place = at + 1
    while place < end and page[place] != GT:
        place += 1
    return place + 1


@inlined
def may_be_tag(page, at, end):  # type: ignore[no-untyped-def]
    """Whether a `<` before `at` begins a tag, a comment or a declaration, and is no text."""
    if at >= end:
        return False
    byte = lower(page[at])
    if byte == SLASH and at + 1 < end:
        return True
    return 97 <= byte <= 122 or byte in (BANG, QUESTION)


@inlined
def read_tag(page, at, end, out, blocks, stack, opened, elements, state, names):  # type: ignore[no-untyped-def]
    """Take the tag, comment or declaration at `at`; returns where the text goes on."""
    closing = page[at + 1] == SLASH
    first = at + 2 if closing else at + 1
    if not 97 <= lower(page[first]) <= 122:
        return skip_declaration(page, at, end)
    key = BASIS
    place = first
    while place < end and page[place] != GT and page[place] != SLASH and not is_space(page[place]):
        key = (key ^ np.uint64(lower(page[place]))) * PRIME
        place += 1
    tag = max(look_up(names.table, A_TAG, key), 0)
    after = place
    place = read_attributes(page, place, end, state, names) + 1
    if place > end:  # a tag without an end is nothing
        return end
    properties = names.tags[tag, PROPERTIES_OF]
    if closing:
        close_tag(page, tag, blocks, stack, opened, out, state, names)
    elif properties & (RAW | TITLE):
        stop = find_end_tag(page, place, end, first, after)
        if properties & TITLE and state[TITLE_END] == 0 and not stack[state[DEPTH], S_FLAGS] & HIDDEN:
            state[TITLE_BEGIN], state[TITLE_END] = place, stop
        return stop
    else:
        empty = page[place - 2] == SLASH
        open_tag(page, tag, empty, blocks, stack, opened, elements, out, state, names)
    return place


@kernel
def lay_out(page, end, out, blocks, stack, opened, elements, state, names):  # type: ignore[no-untyped-def]
    """Divide page[:end], UTF-8, into blocks.

    Written are `out` (text; 2·end + 64 bytes are enough), `blocks` (rows of BLOCK_COLUMNS; as many as the
    page has `<`, and two), `elements` (for every holder the one around it; as many) and `state`, in which
    OUT, COUNT, ELEMENTS, TITLE_BEGIN and TITLE_END are results. `stack`, `opened` and `state` are zeros at
    the beginning, but for the settings in `state`. Returns whether the page is nested beyond all reason.
    """
    state[ELEMENTS] = 1  # the page itself
    at = np.int64(0)
    while True:
        text = at
        while at < end and not (page[at] == LT and may_be_tag(page, at + 1, end)):
            at += 1
        put_text(page, text, at, out, blocks, stack, state, names)
        if at >= end:
            break
        at = read_tag(page, at, end, out, blocks, stack, opened, elements, state, names)
        if state[BEYOND] > HOPELESS:
            return True
    end_block(blocks, state, 2)
    return False
