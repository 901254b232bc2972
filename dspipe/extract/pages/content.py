"""The blocks of a page → which of them are its content, and which menus, links, notices and footers.

Every block is measured: what it is itself, what its neighbours are, what the elements around it say and hold.
The measures are weighted and summed: a linear classifier, whose weights stand in `weights.py` for everybody
to read and are learned by `benchmarks/train_content.py`. Linear, because larger ones were tried and were not
better on pages of other sites than those they had learned from.

Sizes are counted in bytes of UTF-8, so that a page in any script is measured alike, more or less.
"""

from __future__ import annotations

import math

import numpy as np

from dspipe.extract.markup.blocks import (
    BEGIN,
    ELEMENT,
    END,
    FLAGS,
    GAP,
    KIND,
    LINKED,
)  # fmt: skip
from dspipe.extract.markup.tags import (
    COMMENTS,
    FLAG_BITS,
    FOOTER,
    NAVIGATION,
    NOTICE,
    PARAGRAPH,
)  # fmt: skip
from dspipe.text.kernel import inlined, kernel

OWN = ("size", "links", "punctuation", "stops", "ended")
KINDS = ("paragraph", "heading", "item", "cell", "code", "quote", "term", "caption")
AROUND = (
    "pre", "navigation", "header", "footer", "side", "comments", "sharing", "related", "notice", "byline",
    "form", "article", "main", "body", "listed", "table", "quoted", "figure", "teaser",
)  # fmt: skip
PAGE = ("place", "text before", "blocks of page", "text of page", "links of page")
HOLDERS = (
    "in best", "steps to best", "near best", "score of parent", "log score of parent", "score of grandparent",
    "links of parent", "links of grandparent", "share of parent", "share of grandparent", "size of parent",
    "before best", "behind best", "blocks to best",
)  # fmt: skip
NEIGHBOUR = ("size", "links", "ended", "paragraph", "stops")
LISTS = ("prose of item", "text of item", "item in best", "prose of cell", "cell in best")
JOINTS = ("beside previous", "beside next", "gap", "sentences before", "sentences behind")
MEASURES = (
    *OWN, *(f"is {kind}" for kind in KINDS), *(f"in {flag}" for flag in AROUND), *PAGE, *HOLDERS,
    *(f"{name} of previous" for name in NEIGHBOUR), *(f"{name} of next" for name in NEIGHBOUR), *JOINTS,
    *LISTS,
)  # fmt: skip

LISTED_BIT, TABLE_BIT = AROUND.index("listed") + 1, AROUND.index("table") + 1
NEAR = 3  # blocks before and behind whose sentences count
UNFIT = COMMENTS | FOOTER | NAVIGATION | NOTICE  # what no element is best for
E_SCORE, E_TEXT, E_LINKS, E_STEPS, E_INSIDE = range(5)  # columns of `sums`, by element
ELEMENT_COLUMNS = 5
B_STOPS, B_ENDED, B_GOOD, B_LINKS = range(4)  # columns of `facts`, by block
BLOCK_FACTS = 4
P_SCORE, P_GOOD, P_LINKED, P_FIRST, P_LAST, P_BEFORE = range(6)  # places in `page`
PAGE_FACTS = 6

DOLLAR = 36

# Marks of sentences as UTF-8: one byte; else the last bytes of those of two and three.
STOPS = np.zeros(128, np.bool_)
STOPS[list(b".,;:!?")] = True
ENDS = np.zeros(128, np.bool_)
ENDS[list(b'.!?:;")')] = True


@inlined
def is_stop(text, at, end):  # type: ignore[no-untyped-def]
    """Whether a mark that divides sentences begins at text[at]: Latin, Arabic, Devanagari, Chinese."""
    byte = text[at]
    if byte < 0x80:
        return STOPS[byte]
    if at + 1 < end and byte == 0xD8:
        return text[at + 1] == 0x8C or text[at + 1] == 0x9B or text[at + 1] == 0x9F
    if at + 2 < end:
        second, third = text[at + 1], text[at + 2]
        if byte == 0xE3:
            return second == 0x80 and (third == 0x81 or third == 0x82)
        if byte == 0xEF:
            return second == 0xBC and third in (0x81, 0x8C, 0x9A, 0x9B, 0x9F)
        if byte == 0xE2:
            return second == 0x80 and third == 0xA6
        return byte == 0xE0 and second == 0xA5 and third == 0xA4
    return False


@inlined
def is_ended(text, begin, end):  # type: ignore[no-untyped-def]
    """Whether text[begin:end] ends as a sentence does: with a stop, a closing quotation mark or bracket."""
    while end > begin and text[end - 1] <= 32:
        end -= 1
    if end == begin:
        return False
    if text[end - 1] < 0x80:
        return ENDS[text[end - 1]]
    if end - begin >= 2 and text[end - 2] in (0xC2, 0xD8):
        return text[end - 1] == 0xBB if text[end - 2] == 0xC2 else is_stop(text, end - 2, end)
    if end - begin >= 3 and text[end - 3] >= 0xE0:
        if text[end - 3] == 0xE2:
            return text[end - 2] == 0x80 and text[end - 1] in (0x9D, 0xA6)
        if text[end - 3] == 0xEF and text[end - 2] == 0xBC and text[end - 1] == 0x89:
            return True
        return is_stop(text, end - 3, end)
    return False


@inlined
def gather_facts(text, blocks, count, facts):  # type: ignore[no-untyped-def]
    """What later measures need of each block, and the elements it lies in."""
    for i in range(count):
        begin, end = blocks[i, BEGIN], blocks[i, END]
        stops = 0
        for at in range(begin, end):
            stops += is_stop(text, at, end)
        size = float(max(end - begin, 1))
        facts[i, B_STOPS] = stops
        facts[i, B_ENDED] = is_ended(text, begin, end)
        facts[i, B_LINKS] = min(blocks[i, LINKED] / size, 1.0)
        facts[i, B_GOOD] = size * (1.0 - facts[i, B_LINKS])


@inlined
def sum_elements(blocks, count, elements, element_count, facts, sums):  # type: ignore[no-untyped-def]
    """Text and links in every element, and its score: the paragraphs it holds, less those of its children."""
    for e in range(element_count):
        for column in range(ELEMENT_COLUMNS):
            sums[e, column] = 0.0
    for i in range(count):
        size = float(blocks[i, END] - blocks[i, BEGIN])
        sums[blocks[i, ELEMENT], E_TEXT] += size
        sums[blocks[i, ELEMENT], E_LINKS] += blocks[i, LINKED]
        if size < 25 or blocks[i, FLAGS] & UNFIT:
            continue
        score = (min(facts[i, B_STOPS], 8.0) + min(size / 100.0, 4.0)) * (1.0 - facts[i, B_LINKS])
        parent = blocks[i, ELEMENT]
        grandparent = elements[parent]
        sums[parent, E_SCORE] += score
        if grandparent != parent:
            sums[grandparent, E_SCORE] += 0.6 * score
        if elements[grandparent] != grandparent:
            sums[elements[grandparent], E_SCORE] += 0.3 * score
    for e in range(element_count - 1, 0, -1):
        sums[elements[e], E_TEXT] += sums[e, E_TEXT]
        sums[elements[e], E_LINKS] += sums[e, E_LINKS]
    for e in range(element_count):
        sums[e, E_LINKS] /= max(sums[e, E_TEXT], 1.0)
        sums[e, E_SCORE] *= 1.0 - min(sums[e, E_LINKS], 1.0)


@inlined
def find_best(elements, element_count, sums):  # type: ignore[no-untyped-def]
    """The element of the highest score; to all others the steps from it up to what holds both."""
    best = 0
    for e in range(element_count):
        sums[e, E_STEPS] = -1.0
        if sums[e, E_SCORE] > sums[best, E_SCORE]:
            best = e
    e, steps = best, 0.0
    while True:
        sums[e, E_STEPS] = steps
        if e == 0:
            break
        e = elements[e]
        steps += 1.0
    for e in range(element_count):
        if sums[e, E_STEPS] < 0:
            sums[e, E_STEPS] = sums[elements[e], E_STEPS]
        sums[e, E_INSIDE] = e == best or (e > 0 and sums[elements[e], E_INSIDE] > 0)
    return best


@inlined
def survey_page(text, blocks, count, elements, element_count, facts, sums, page):  # type: ignore[no-untyped-def]
    """Fill `facts`, `sums` and `page`: what the measures of all blocks have in common."""
    gather_facts(text, blocks, count, facts)
    sum_elements(blocks, count, elements, element_count, facts, sums)
    page[P_SCORE] = sums[find_best(elements, element_count, sums), E_SCORE] + 1e-9
    page[P_GOOD] = page[P_LINKED] = page[P_BEFORE] = page[P_LAST] = 0.0
    page[P_FIRST] = -1.0
    for i in range(count):
        page[P_GOOD] += facts[i, B_GOOD]
        page[P_LINKED] += blocks[i, LINKED]
        if sums[blocks[i, ELEMENT], E_INSIDE] > 0:
            page[P_LAST] = i
            if page[P_FIRST] < 0:
                page[P_FIRST] = i
    page[P_FIRST] = max(page[P_FIRST], 0.0)


@inlined
def measure_block(i, blocks, count, elements, facts, sums, page, row):  # type: ignore[no-untyped-def]
    """Fill row[:len(MEASURES)] for block `i`; to be called in the order of the blocks."""
    at = measure_itself(i, blocks, facts, row)
    at = measure_place(i, count, facts, page, row, at)
    at = measure_holders(i, blocks, elements, sums, page, row, at)
    at = measure_neighbours(i, blocks, count, facts, row, at)
    at = measure_joints(i, blocks, count, facts, row, at)
    measure_lists(i, blocks, facts, sums, row, at)


@inlined
def measure_itself(i, blocks, facts, row):  # type: ignore[no-untyped-def]
    """OWN, KINDS and AROUND; like those below, it returns the column behind those that it has filled."""
    size = float(blocks[i, END] - blocks[i, BEGIN])
    row[0] = math.log1p(size) / 5.0
    row[1] = facts[i, B_LINKS]
    row[2] = min(facts[i, B_STOPS] / max(size, 1.0) * 30.0, 2.0)
    row[3] = min(facts[i, B_STOPS], 10.0) / 5.0
    row[4] = facts[i, B_ENDED]
    at = 5
    for kind in range(1, 9):
        row[at] = blocks[i, KIND] == kind
        at += 1
    for bit in range(1, FLAG_BITS):
        row[at] = float(blocks[i, FLAGS] >> bit & 1)
        at += 1
    return at


@inlined
def measure_place(i, count, facts, page, row, at):  # type: ignore[no-untyped-def]
    """PAGE."""
    row[at] = i / count
    row[at + 1] = page[P_BEFORE] / (page[P_GOOD] + 1.0)
    row[at + 2] = math.log1p(count) / 6.0
    row[at + 3] = math.log1p(page[P_GOOD]) / 8.0
    row[at + 4] = page[P_LINKED] / max(page[P_GOOD] + page[P_LINKED], 1.0)
    page[P_BEFORE] += facts[i, B_GOOD]
    return at + 5


@inlined
def measure_holders(i, blocks, elements, sums, page, row, at):  # type: ignore[no-untyped-def]
    """HOLDERS."""
    parent = blocks[i, ELEMENT]
    grandparent = elements[parent]
    steps = sums[parent, E_STEPS]
    row[at] = sums[parent, E_INSIDE]
    row[at + 1] = min(steps, 6.0) / 6.0
    row[at + 2] = steps <= 1.0
    row[at + 3] = sums[parent, E_SCORE] / page[P_SCORE]
    row[at + 4] = math.log1p(sums[parent, E_SCORE]) / 4.0
    row[at + 5] = sums[grandparent, E_SCORE] / page[P_SCORE]
    row[at + 6] = sums[parent, E_LINKS]
    row[at + 7] = sums[grandparent, E_LINKS]
    row[at + 8] = sums[parent, E_TEXT] / max(sums[0, E_TEXT], 1.0)
    row[at + 9] = sums[grandparent, E_TEXT] / max(sums[0, E_TEXT], 1.0)
    row[at + 10] = math.log1p(sums[parent, E_TEXT]) / 8.0
    row[at + 11] = i < page[P_FIRST]
    row[at + 12] = i > page[P_LAST]
    row[at + 13] = min(max(page[P_FIRST] - i, i - page[P_LAST], 0.0), 30.0) / 30.0
    return at + 14


@inlined
def measure_neighbours(i, blocks, count, facts, row, at):  # type: ignore[no-untyped-def]
    """NEIGHBOUR, of the block before and of the block behind."""
    for other in (i - 1, i + 1):
        there = 0 <= other < count
        row[at] = math.log1p(facts[other, B_GOOD]) / 5.0 if there else 0.0
        row[at + 1] = facts[other, B_LINKS] if there else 0.0
        row[at + 2] = facts[other, B_ENDED] if there else 0.0
        row[at + 3] = there and blocks[other, KIND] == PARAGRAPH
        row[at + 4] = min(facts[other, B_STOPS], 10.0) / 5.0 if there else 0.0
        at += 5
    return at


@inlined
def measure_joints(i, blocks, count, facts, row, at):  # type: ignore[no-untyped-def]
    """JOINTS."""
    for other in (i - 1, i + 1):
        row[at] = 0 <= other < count and blocks[other, ELEMENT] == blocks[i, ELEMENT]
        at += 1
    row[at] = min(blocks[i, GAP], 2) / 2.0
    sentences = 0.0
    for other in range(max(i - NEAR, 0), i):
        sentences += facts[other, B_GOOD] * facts[other, B_ENDED]
    row[at + 1] = math.log1p(sentences) / 7.0
    sentences = 0.0
    for other in range(i + 1, min(i + NEAR + 1, count)):
        sentences += facts[other, B_GOOD] * facts[other, B_ENDED]
    row[at + 2] = math.log1p(sentences) / 7.0
    return at + 3


@inlined
def measure_lists(i, blocks, facts, sums, row, at):  # type: ignore[no-untyped-def]
    """LISTS: in lists and tables the same measures mean other things."""
    prose = (1.0 - facts[i, B_LINKS]) * facts[i, B_ENDED]
    item = blocks[i, FLAGS] >> LISTED_BIT & 1
    cell = blocks[i, FLAGS] >> TABLE_BIT & 1
    row[at] = item * prose
    row[at + 1] = item * math.log1p(facts[i, B_GOOD]) / 5.0
    row[at + 2] = item * sums[blocks[i, ELEMENT], E_INSIDE]
    row[at + 3] = cell * prose
    row[at + 4] = cell * sums[blocks[i, ELEMENT], E_INSIDE]


@kernel
def measure_blocks(text, blocks, count, elements, element_count, facts, sums, page, measures):  # type: ignore[no-untyped-def]
    """Fill measures[:count], one row of MEASURES a block; `facts`, `sums` and `page` are room to work in."""
    survey_page(text, blocks, count, elements, element_count, facts, sums, page)
    for i in range(count):
        measure_block(i, blocks, count, elements, facts, sums, page, measures[i])


@kernel
def choose_blocks(text, blocks, count, elements, element_count, facts, sums, page, row, weights, kept):  # type: ignore[no-untyped-def]
    """kept[:count]: whether the weighted sum of a block's measures is above zero; last comes the bias."""
    survey_page(text, blocks, count, elements, element_count, facts, sums, page)
    last = weights.size - 1
    for i in range(count):
        measure_block(i, blocks, count, elements, facts, sums, page, row)
        total = weights[last]
        for column in range(last):
            total += weights[column] * row[column]
        kept[i] = total > 0.0
    keep_formulas(text, blocks, count, kept)


@inlined
def is_formula(text, begin, end):  # type: ignore[no-untyped-def]
    """Whether text[begin:end] is a formula that stands alone: $$…$$."""
    if end - begin < 4 or text[begin] != DOLLAR or text[begin + 1] != DOLLAR:
        return False
    return text[end - 1] == DOLLAR and text[end - 2] == DOLLAR


@inlined
def keep_formulas(text, blocks, count, kept):  # type: ignore[no-untyped-def]
    """A formula has no words to be judged by, so it goes with the block before it, or else behind it."""
    for i in range(1, count):
        if kept[i - 1] and not kept[i]:
            kept[i] = is_formula(text, blocks[i, BEGIN], blocks[i, END])
    for i in range(count - 2, -1, -1):
        if kept[i + 1] and not kept[i]:
            kept[i] = is_formula(text, blocks[i, BEGIN], blocks[i, END])
