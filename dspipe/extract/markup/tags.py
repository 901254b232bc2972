"""What is known of HTML: its tags, and the words that sites use in `class` and `id`, as tables for kernels.

A name is looked up by a 64-bit hash of its lower-case bytes in an open-addressed table of a power of two
entries.
"""

from __future__ import annotations

import html.entities
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
MASK = (1 << 64) - 1
FACTOR = 0x100000001B3  # FNV-1a, 64 bits
SEED = 0xCBF29CE484222325

# What a name in the table is one of: combined with its hash. The values: the number of a tag; what a word in
# class, id, role or itemprop says of the element; what a whole class says; where the characters of an entity
# stand (times eight, and their bytes), named with a semicolon behind it or without.
TAG_NAME, WORD, CLASS, ENTITY, BARE_ENTITY = (n * 0x9E3779B97F4A7C15 & MASK for n in range(5))

# Columns of `tags`.
PROPERTIES_OF, KIND_OF, HANDED_DOWN_BY = range(3)

# What a tag is to the tree of elements: bits.
VOID = 1 << 0  # has no end tag
RAW = 1 << 1  # its content is no markup: passed over
TITLE = 1 << 2
BLOCK = 1 << 3  # begins a line of its own
WIDE = 1 << 4  # and has an empty line around it
CLOSES_P = 1 << 5
IS_P = 1 << 6
IS_ITEM = 1 << 7
IS_LIST = 1 << 8
IS_TERM = 1 << 9  # dt, dd
IS_TERMS = 1 << 10  # dl
IS_ROW = 1 << 11
IS_CELL = 1 << 12
IS_ROWS = 1 << 13  # thead, tbody, tfoot
IS_TABLE = 1 << 14
IS_HEADING = 1 << 15
SCOPE = 1 << 16  # end tags inside do not reach elements outside
IS_LINK = 1 << 17
IS_BREAK = 1 << 18
IS_IMAGE = 1 << 19
ORDERED = 1 << 20
IGNORED = 1 << 21  # html, head, body: there whether written or not
PREFORMATTED = 1 << 22
HIDES = 1 << 23  # what it holds is not to be read
HOLDER = 1 << 24  # what pages are divided by; other blocks are what these hold

# What kind of text a block is.
OTHER, PARAGRAPH, HEADING, ITEM, CELL, CODE, QUOTE, TERM, CAPTION = range(9)

# What the elements around a block say of it: bits, handed down from an element to all inside.
HIDDEN = 1 << 0
PRE = 1 << 1
NAVIGATION = 1 << 2
HEADER = 1 << 3
FOOTER = 1 << 4
SIDE = 1 << 5
COMMENTS = 1 << 6
SHARING = 1 << 7
RELATED = 1 << 8
NOTICE = 1 << 9  # cookies, advertisement, newsletter, log-in
BYLINE = 1 << 10  # author, date, tags
FORM = 1 << 11
ARTICLE = 1 << 12
MAIN = 1 << 13
BODY = 1 << 14  # the words content, body, text, article
LISTED = 1 << 15
TABLE = 1 << 16
QUOTED = 1 << 17
FIGURE = 1 << 18
TEASER = 1 << 19
FLAG_BITS = 20

BLOCKS = "address center details dialog dir dt dd div fieldset figcaption form hgroup legend li optgroup "
BLOCKS += "option summary tbody td tfoot th thead tr caption search menu"
WIDES = "article aside blockquote dl figure footer h1 h2 h3 h4 h5 h6 header hr main nav ol p pre section "
WIDES += "table ul xmp listing plaintext"
CLOSERS = "address article aside blockquote center details dialog dir div dl fieldset figcaption figure "
CLOSERS += "footer form h1 h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre search section summary "
CLOSERS += "table ul xmp listing plaintext li dd dt"

PROPERTIES: tuple[tuple[int, str], ...] = (
    (VOID, "area base br col embed hr img input link meta param source track wbr basefont bgsound frame"),
    (RAW, "script style iframe noembed noframes noscript textarea"),
    (TITLE, "title"),
    (BLOCK, f"{BLOCKS} {WIDES}"),
    (WIDE, WIDES),
    (CLOSES_P, CLOSERS),
    (HOLDER, "article aside center details div fieldset footer form header main nav section td th"),
    (IS_P, "p"),
    (IS_ITEM, "li"),
    (IS_LIST, "ul ol menu dir"),
    (ORDERED, "ol"),
    (IS_TERM, "dt dd"),
    (IS_TERMS, "dl"),
    (IS_ROW, "tr"),
    (IS_CELL, "td th"),
    (IS_ROWS, "thead tbody tfoot"),
    (IS_TABLE, "table"),
    (IS_HEADING, "h1 h2 h3 h4 h5 h6"),
    (SCOPE, "table td th caption object marquee applet template"),
    (IS_LINK, "a"),
    (IS_BREAK, "br"),
    (IS_IMAGE, "img"),
    (IGNORED, "html head body"),
    (PREFORMATTED, "pre xmp listing plaintext"),
    (
        HIDES,
        "template svg select button object video audio canvas datalist rt rp map dialog "
        "progress meter applet optgroup option annotation annotation-xml mjx-assistive-mml mjx-math",
    ),
    # Known for their names only, so that the end tag of one does not close another.
    (0, "abbr b big cite code del em font i ins kbd label mark q s small span strike strong sub sup tt u"),
)
KINDS: tuple[tuple[int, str], ...] = (
    (PARAGRAPH, "p"),
    (HEADING, "h1 h2 h3 h4 h5 h6"),
    (ITEM, "li"),
    (CELL, "td th"),
    (CODE, "pre xmp listing plaintext"),
    (QUOTE, "blockquote"),
    (TERM, "dt dd"),
    (CAPTION, "figcaption caption legend summary"),
)
HANDED_DOWN: tuple[tuple[int, str], ...] = (
    (PRE, "pre xmp listing plaintext"),
    (NAVIGATION, "nav menu"),
    (HEADER, "header"),
    (FOOTER, "footer"),
    (SIDE, "aside"),
    (FORM, "form fieldset label"),
    (ARTICLE, "article"),
    (MAIN, "main"),
    (LISTED, "ul ol dl"),
    (TABLE, "table"),
    (QUOTED, "blockquote"),
    (FIGURE, "figure figcaption"),
    (BYLINE, "time address"),
)
WORDS: tuple[tuple[int, str], ...] = (
    (HIDDEN, "linenos lineno linenodiv linenumber gutter lnt headerlink editsection visuallyhidden"),
    (
        NAVIGATION,
        "nav navigation navbar menu menus submenu breadcrumb breadcrumbs crumb crumbs pagination pager "
        "paging topbar toolbar toc tabs tab skip jump navi sitemap dropdown hamburger offcanvas",
    ),
    (HEADER, "header masthead banner hero logo branding brand top head"),
    (FOOTER, "footer foot bottom contentinfo colophon copyright legal imprint impressum footnotes"),
    (SIDE, "sidebar aside side rail complementary widget widgets module right left secondary column"),
    (
        COMMENTS,
        "comment comments commentlist disqus reply replies respond discussion kommentar kommentare "
        "comentarios commentaires remark responses reviews review",
    ),
    (
        SHARING,
        "share sharing shares social addthis sharedaddy facebook twitter whatsapp pinterest linkedin "
        "follow like likes sociable bookmark instagram youtube reddit telegram email print",
    ),
    (
        RELATED,
        "related recommended recommendation recommendations more similar popular trending latest recent "
        "next previous prev also read readmore further outbrain taboola suggestions mostread",
    ),
    (
        NOTICE,
        "cookie cookies consent gdpr ad ads advert advertisement advertising sponsor sponsored promo "
        "promotion newsletter subscribe subscription signup login paywall modal popup overlay notice alert "
        "donate anzeige werbung cta toast privacy adsbygoogle dfp",
    ),
    (
        BYLINE,
        "meta author byline date time timestamp published tags tag tagged category categories posted "
        "dateline credit credits info bio avatar views views rating ratings label labels",
    ),
    (FORM, "form search searchform input login register"),
    (ARTICLE, "article post story entry blogpost news artikel beitrag hentry"),
    (MAIN, "main primary"),
    (BODY, "content body text articlebody bodytext inhalt maincontent paragraph prose richtext copy"),
    (FIGURE, "caption figure image gallery photo thumbnail media picture video slideshow carousel slider"),
    (
        TEASER,
        "teaser teasers card cards excerpt preview tile tiles feed thumb results",
    ),
    (QUOTED, "quote blockquote pullquote"),
)
TOKENS: tuple[tuple[int, str], ...] = (
    (PRE, "blob-code syntaxhighlighter"),
    (NAVIGATION, "mw-jump-link noprint navbox printfooter catlinks"),
    (
        HIDDEN,
        "sr-only visually-hidden screen-reader-text screenreader-only screen-reader screen-reader-only "
        "u-hiddenVisually blob-num hljs-ln-numbers line-numbers-rows line-number code-block-lineno ln "
        "input_prompt output_prompt katex-html mjx-chtml mjx-math MathJax_Preview MathJax_Display "
        "MathJax_SVG MathJax_SVG_Display MathJax_CHTML MathJax_MathML MJXc-display MJX_Assistive_MathML "
        "MathJax_Message MathJax_Hidden MathJax_Font_Test "
        "mw-empty-elt",
    ),
)


class Names(NamedTuple):
    """All that the kernels look up; few arrays, since each that is passed to a function costs seven words."""

    table: NDArray[np.uint64]  # open-addressed, (entries, 2): key, value; key zero ends a search
    tags: Integers  # (tags, 3): properties, kind, what is handed down; row 0 for every tag that is not known
    characters: NDArray[np.uint8]


def hash_name(name: str) -> int:
    """64-bit FNV-1a of the UTF-8 bytes; never zero."""
    value = SEED
    for byte in name.encode():
        value = ((value ^ byte) * FACTOR) & MASK
    return value or 1


def make_table(entries: Iterable[tuple[int, str, int]]) -> NDArray[np.uint64]:
    """A table of (what, name, value), at most half full."""
    known = {hash_name(name) ^ what: value for what, name, value in entries}
    size = 1 << (2 * len(known)).bit_length()
    table = np.zeros((size, 2), np.uint64)
    for key, value in known.items():
        place = (key >> 32) & (size - 1)
        while table[place, 0]:
            place = (place + 1) & (size - 1)
        table[place] = key, value
    return table


def collect(groups: Iterable[tuple[int, str]]) -> dict[str, int]:
    """name → all its bits."""
    bits: dict[str, int] = {}
    for bit, names in groups:
        for name in names.split():
            bits[name] = bits.get(name, 0) | bit
    return bits


@cache
def load_names() -> Names:
    """The tables, built once in a process."""
    properties, kinds, handed = collect(PROPERTIES), dict(collect(KINDS)), collect(HANDED_DOWN)
    tags = sorted({*properties, *kinds, *handed})
    characters = bytearray()
    entities: dict[str, int] = {}
    for name, character in html.entities.html5.items():
        encoded = character.encode()
        entities[name] = len(characters) * 8 + len(encoded)
        characters += encoded
    entries = [(TAG_NAME, name, number) for number, name in enumerate(tags, 1)]
    entries += [(WORD, *entry) for entry in collect(WORDS).items()]
    entries += [(CLASS, *entry) for entry in collect(TOKENS).items()]
    for name, place in entities.items():
        entries.append((ENTITY, name[:-1], place) if name.endswith(";") else (BARE_ENTITY, name, place))
    rows = [(properties.get(name, 0), kinds.get(name, OTHER), handed.get(name, 0)) for name in tags]
    return Names(
        make_table(entries),
        np.array([(0, OTHER, 0), *rows], np.int64),
        np.frombuffer(bytes(characters), np.uint8),
    )
