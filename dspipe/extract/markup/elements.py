"""Tags → the stack of open elements; end tags that are left out are supplied as the HTML standard says."""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.blocks import (
    ALT_BEGIN,
    ALT_END,
    AND,
    ATTRIBUTES,
    BEGUN,
    BEYOND,
    CELLS,
    DEEPEST,
    DEPTH,
    ELEMENTS,
    HREF_BEGIN,
    HREF_END,
    LINE,
    LINK,
    LINK_BEGIN,
    LINK_DEPTH,
    LINK_END,
    LINK_TEXT,
    NEXT_MARKER,
    ON_STACK,
    OUT,
    ROWS,
    S_CELL,
    S_COUNT,
    S_ELEMENT,
    S_FLAGS,
    S_INDENT,
    S_KIND,
    S_ROW,
    S_TAG,
    SPACE,
    STACK_COLUMNS,
    WITH_ALT,
    WITH_LINKS,
    break_verbatim,
    end_block,
    put,
)
from dspipe.extract.markup.characters import put_alt, put_reference
from dspipe.extract.markup.tags import (
    BLOCK,
    CLOSES_P,
    CODE,
    HANDED_DOWN_BY,
    HEADING,
    HIDDEN,
    HIDES,
    HOLDER,
    IGNORED,
    IS_BREAK,
    IS_CELL,
    IS_HEADING,
    IS_IMAGE,
    IS_ITEM,
    IS_LINK,
    IS_LIST,
    IS_P,
    IS_ROW,
    IS_ROWS,
    IS_TABLE,
    IS_TERM,
    IS_TERMS,
    KIND_OF,
    ORDERED,
    OTHER,
    PRE,
    PREFORMATTED,
    PROPERTIES_OF,
    SCOPE,
    VOID,
    WIDE,
)
from dspipe.text.kernel import inlined, kernel


@inlined
def pop_element(blocks, stack, opened, state, names):  # type: ignore[no-untyped-def]
    """Close the innermost element."""
    tag = stack[state[DEPTH], S_TAG]
    properties = names.tags[tag, PROPERTIES_OF]
    opened[tag] -= 1
    if state[LINK] and state[LINK_DEPTH] == state[DEPTH]:
        state[LINK] = 0
    shared = stack[state[DEPTH], S_FLAGS] & stack[state[DEPTH] - 1, S_FLAGS]
    if properties & BLOCK and not shared & HIDDEN:
        if shared & PRE:
            state[SPACE] = 2
        else:
            end_block(blocks, state, 2 if properties & WIDE else 1)
    if properties & IS_ITEM:
        state[NEXT_MARKER] = 0
    state[DEPTH] -= 1


@kernel
def pop_to(depth, blocks, stack, opened, state, names):  # type: ignore[no-untyped-def]
    """Close the element at `depth` and all inside."""
    if state[BEYOND]:
        for tag in range(opened.size):
            opened[tag] &= ON_STACK
        state[BEYOND] = 0
    while state[DEPTH] >= depth:
        pop_element(blocks, stack, opened, state, names)


@inlined
def find_open(wanted, barrier, stack, state, names):  # type: ignore[no-untyped-def]
    """The depth of the nearest open element of a kind; 0 where none is or one that bars the way is nearer."""
    depth = state[DEPTH]
    while depth > 0:
        properties = names.tags[stack[depth, S_TAG], PROPERTIES_OF]
        if properties & wanted:
            return depth
        if properties & barrier:
            return np.int64(0)
        depth -= 1
    return depth


@inlined
def imply_end_tags(properties, blocks, stack, opened, state, names):  # type: ignore[no-untyped-def]
    """Close what the start of an element closes without an end tag: a paragraph, and its own like."""
    wanted, barrier = 0, 0
    if properties & IS_ITEM:
        wanted, barrier = IS_ITEM, IS_LIST | SCOPE | HIDES
    elif properties & IS_TERM:
        wanted, barrier = IS_TERM, IS_TERMS | IS_LIST | SCOPE | HIDES
    elif properties & IS_CELL:
        wanted, barrier = IS_CELL, IS_ROW | IS_TABLE
    elif properties & IS_ROW:
        wanted, barrier = IS_ROW, IS_TABLE
    elif properties & IS_ROWS:
        wanted, barrier = IS_ROWS, IS_TABLE
    elif properties & IS_HEADING:
        wanted, barrier = IS_HEADING, ~0
    depth = find_open(IS_P, SCOPE | HIDES, stack, state, names) if properties & CLOSES_P else np.int64(0)
    if wanted:
        outer = find_open(wanted, barrier, stack, state, names)
        depth = outer if depth == 0 or 0 < outer < depth else depth
    if depth:
        pop_to(depth, blocks, stack, opened, state, names)


@inlined
def push_element(tag, properties, blocks, stack, opened, elements, state, names):  # type: ignore[no-untyped-def]
    """Open an element: it is handed down what its parent has, and adds its own."""
    if state[DEPTH] + 1 >= DEEPEST:
        state[BEYOND] += 1
        opened[tag] += ON_STACK + 1
        return
    parent = stack[state[DEPTH]]
    state[DEPTH] += 1
    top = stack[state[DEPTH]]
    for column in range(STACK_COLUMNS):
        top[column] = parent[column]
    top[S_TAG] = tag
    top[S_COUNT] = 0
    top[S_FLAGS] |= names.tags[tag, HANDED_DOWN_BY] | state[ATTRIBUTES]
    if properties & HIDES:
        top[S_FLAGS] |= HIDDEN
    if names.tags[tag, KIND_OF] != OTHER and top[S_KIND] != HEADING:
        top[S_KIND] = names.tags[tag, KIND_OF]
    if top[S_FLAGS] & PRE:
        top[S_KIND] = CODE
    opened[tag] += 1
    if not properties & BLOCK:
        return
    if properties & HOLDER:
        elements[state[ELEMENTS]] = parent[S_ELEMENT]
        top[S_ELEMENT] = state[ELEMENTS]
        state[ELEMENTS] += 1
    if properties & IS_LIST:
        top[S_INDENT] += 1
    elif properties & IS_ITEM and not top[S_FLAGS] & (PRE | HIDDEN):
        count_item(stack, state, names)
    elif properties & IS_TABLE:
        top[S_ROW] = top[S_CELL] = 0
    elif properties & IS_ROW:
        state[ROWS] += 1
        top[S_ROW] = state[ROWS]
    elif properties & IS_CELL:
        state[CELLS] += 1
        top[S_CELL] = state[CELLS]


@inlined
def count_item(stack, state, names):  # type: ignore[no-untyped-def]
    """Mark the next block as the beginning of a list item, by its number or a bullet."""
    for depth in range(state[DEPTH] - 1, 0, -1):
        properties = names.tags[stack[depth, S_TAG], PROPERTIES_OF]
        if properties & IS_LIST:
            stack[depth, S_COUNT] += 1
            state[NEXT_MARKER] = stack[depth, S_COUNT] if properties & ORDERED else -1
            return
        if properties & SCOPE:
            break
    state[NEXT_MARKER] = -1


@inlined
def end_line(properties, flags, blocks, out, state):  # type: ignore[no-untyped-def]
    """End the block, or the line of preformatted text, at a tag that stands on a line of its own."""
    if not properties & BLOCK or flags & HIDDEN:
        return
    if flags & PRE:
        break_verbatim(out, state)
    else:
        end_block(blocks, state, 2 if properties & WIDE else 1)


@inlined
def open_tag(page, tag, empty, blocks, stack, opened, elements, out, state, names):  # type: ignore[no-untyped-def]
    """Take a start tag whose attributes have been read; `empty`: it ends in `/>`."""
    properties = names.tags[tag, PROPERTIES_OF]
    if properties & IGNORED:
        return
    imply_end_tags(properties, blocks, stack, opened, state, names)
    hidden = stack[state[DEPTH], S_FLAGS] & HIDDEN
    if properties & IS_BREAK:
        break_line(blocks, stack, out, state)
        return
    if properties & IS_IMAGE and state[WITH_ALT] and not hidden and not state[ATTRIBUTES] & HIDDEN:
        state[SPACE] = max(state[SPACE], 1)
        put_alt(page, state[ALT_BEGIN], state[ALT_END], out, blocks, stack, state, names)
        state[SPACE] = max(state[SPACE], 1)
    end_line(properties, stack[state[DEPTH], S_FLAGS], blocks, out, state)
    if properties & VOID or (empty and properties & HIDES):  # `<svg/>`
        return
    if properties & PREFORMATTED and state[BEGUN]:
        end_block(blocks, state, 2)
    push_element(tag, properties, blocks, stack, opened, elements, state, names)
    if properties & IS_LINK:
        state[LINK] = 1
        state[LINK_DEPTH] = state[DEPTH]
        state[HREF_BEGIN], state[HREF_END] = state[LINK_BEGIN], state[LINK_END]
        state[LINK_TEXT] = state[OUT]


@inlined
def break_line(blocks, stack, out, state):  # type: ignore[no-untyped-def]
    """A `<br>`; the second in a row ends the block, since old pages divide paragraphs by them."""
    flags = stack[state[DEPTH], S_FLAGS]
    if flags & HIDDEN:
        return
    if flags & PRE:
        if state[BEGUN]:
            out[state[OUT]] = LINE
            state[OUT] += 1
            state[SPACE] = 0
    elif state[SPACE] == 2:
        end_block(blocks, state, 2)
    elif state[BEGUN]:
        state[SPACE] = 2


@inlined
def close_tag(page, tag, blocks, stack, opened, out, state, names):  # type: ignore[no-untyped-def]
    """Take an end tag: close the nearest element of its name, if there is one within reach."""
    properties = names.tags[tag, PROPERTIES_OF]
    if properties & IS_LINK:
        put_address(page, out, blocks, stack, state, names)
        state[LINK] = 0
    if opened[tag] > ON_STACK:
        opened[tag] -= ON_STACK + 1
        state[BEYOND] -= 1
        end_line(properties, stack[state[DEPTH], S_FLAGS], blocks, out, state)
        return
    if properties & IS_BREAK:
        break_line(blocks, stack, out, state)
    if opened[tag] == 0 and not properties & IS_HEADING:
        if properties & IS_P:
            end_block(blocks, state, 2)
        return
    barrier = SCOPE
    if properties & (IS_CELL | IS_ROW | IS_ROWS):
        barrier = IS_TABLE
    elif properties & SCOPE:
        barrier = 0
    elif not properties & (BLOCK | HIDES):
        barrier = BLOCK
    for depth in range(state[DEPTH], 0, -1):
        met = names.tags[stack[depth, S_TAG], PROPERTIES_OF]
        if stack[depth, S_TAG] == tag or met & properties & IS_HEADING:  # </h2> closes <h1>
            pop_to(depth, blocks, stack, opened, state, names)
            return
        if met & barrier:
            return


@inlined
def put_address(page, out, blocks, stack, state, names):  # type: ignore[no-untyped-def]
    """Write the address of the link that ends here behind its text, where the settings ask for it."""
    at, end = state[HREF_BEGIN], state[HREF_END]
    hidden = stack[state[DEPTH], S_FLAGS] & (HIDDEN | PRE)
    if not state[WITH_LINKS] or not state[LINK] or not state[BEGUN] or hidden or end <= at:
        return
    if state[OUT] == state[LINK_TEXT]:
        return
    state[SPACE] = 1
    put(out, blocks, stack, state, np.uint8(40))
    while at < end:
        if page[at] == AND:
            at = put_reference(page, at, end, out, blocks, stack, state, names, False, True)
            state[SPACE] = 0
            continue
        if page[at] > 32:
            put(out, blocks, stack, state, page[at])
        at += 1
    put(out, blocks, stack, state, np.uint8(41))
