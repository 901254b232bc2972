"""Pages that hold what breaks parsers of HTML: tags in any order, odd quoting, references, cut anywhere."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from dspipe.extract.markup import tags

TRAITS = tags.collect(tags.PROPERTIES)
SWALLOWED = tags.RAW | tags.TITLE
NAMES = sorted({*(name for name in TRAITS if not TRAITS[name] & SWALLOWED), "x-card", "path", "math"})
COMMON = "p p div div li li ul ol td td tr table pre a a b span h1 h2 br br section article dt dl DIV Td"
CLASSES = [
    "nav", "main-menu", "navBar", "HTMLNav", "commentList", "post content", "sr-only", "x sr-only",
    "SR-ONLY", "blob-code blob-code-inner", "footer2", "cookie\tbanner", "side\u00e9bar", "", " ",
    "related-posts share", "linenos", "article", "u-hiddenVisually", "teaser quote form",
]  # fmt: skip
STYLES = [
    "display:none", "DISPLAY : none;", "color:red;display:none!important", "display:none-not",
    "x:display:none", "visibility: hidden", "display:block;visibility:visible", "\u00a0display:none", "",
]  # fmt: skip
ADDRESSES = [
    "http://a.example/?a=1&amp;b=2&copy=3", "", " /x y ", "#top", "&lt;&gt", "&nbsp;x", "/\u00e9", "&copy",
    "&#47;",
]  # fmt: skip
REFERENCES = [
    "&amp;", "&amp", "&ampx", "&AMP;", "&lt;p&gt;", "&notit;", "&notin;", "&not", "&nbsp;", "&nbsp",
    "&shy;", "&shy", "&nGt;", "&NotEqualTilde;", "&acE;", "&bne;", "&Tab;", "&NewLine;", "&ZeroWidthSpace;",
    "&ThickSpace;", "&CounterClockwiseContourIntegral;", "&hellip;", "&frac12", "&unknown;", "&", "&;",
    "& ", "&#", "&#;", "&#x;", "&#xg", "&#65", "&#65;", "&#x41;", "&#X4a", "&#0;", "&#1;", "&#10;", "&#13;",
    "&#32;", "&#128;", "&#129;", "&#x9f;", "&#150;", "&#160;", "&#173;", "&#8203;", "&#65279;", "&#xD800;",
    "&#x10FFFF;", "&#x110000;", "&#99999999999999999999;", "&#x00000000000000041;", "&#1114111",
    "&#x1F600;", "&#233;",
]  # fmt: skip
TEXTS = [
    "word", "A sentence, with words. ", "Is it? Yes!", "x" * 130, " ", "  ", "\n", "\r\n", "\r", "\t", "\f",
    "\v", "\0", "\x01", "\x7f", "é", "e\u0301", "中文。", "「日本」", "日本、", "हिन्दी।", "ति", "نص، آخر؟",
    "»", "”", "…", "（ok）", "\u00a0", "\u00ad", "\u200b", "\ufeff", "\u200d", "\u3000", "\U0001f600", ".é",
    "1. ", "- ", "|",
]  # fmt: skip
ODDITIES = [
    "<", "<<", "< p>", "<3", "</", "</>", "</ p>", "</3>", "<!", "<!>", "<?xml ?>", "<!doctype html>",
    "<!-->", "<!--->", "<!---->", "<!-- x -->", "<!-- <p> --!>", "<!--a--b-->", "<!---!>-->", "-->", "--!>",
    ">", "/>", "<![CDATA[x]]>", "<a", "<a href", "<a href=", "<p =x>", "<p ==>", "<p a=b/>", "<p/>",
    "<p / >", "<svg/>", "<svg a=b/>", "<br/>", "</br>", "</p>", "<p\0>", "<P CLASS=NAV>", "<a b=1 b=2>",
    "<script>if (a<b) '</p>'</script>", "<SCRIPT></ScRiPt >", "<script></scriptx></script/>",
    "<style><p></style>", "<title>A &amp; <b>B</title>", "<title></title>", "<textarea><div></textarea>",
    "<noscript><p></noscript>", "<select><option>a<option>b</select>", "<svg><title>t</title><path/></svg>",
    "<table><tr><td>a<td>b<tr><th>c</table>", "<ul><li>a<ul><li>b</ul><li>c</ul>", "<ol><li>a</ol>",
    "<pre>\n  a\n</pre>", "<pre><div>a</div>\n<div>b</div></pre>", "<br><br>", "<br>&nbsp;<br>",
    '<img alt="a &amp; b">', "<img alt='x' alt=y hidden>", '<a href="/1">t</a>', "<a href=/2></a>",
    "<p><table><p>",
]  # fmt: skip
SWALLOWING = [  # much of what follows
    "<!--", "<!---!>", "<a href='", '<p class="', "<script>", "<title>", "<textarea>", "<noscript>",
    "<svg>", "<p hidden>", "<b>" * 512, "</b>" * 20, "<div>" * 600,
]  # fmt: skip
FORMS = [' {}="{}"', " {}='{}'", " {}={}", ' {} = "{}"', "/{}\n=\t'{}'", ' {}="{}"x', " {}"]
ATTRIBUTES = [
    (["class", "class", "id", "role", "CLASS", "itemprop"], CLASSES),
    (["style"], STYLES),
    (["href", "alt", "HREF"], ADDRESSES + REFERENCES),
    (["hidden", "aria-hidden", "x"], ["", "true", "false", "T", "TRUE"]),
]
ENDS = [*[">"] * 12, "/>", " >", ""]


def make_page(draw: Random, size: int) -> bytes:
    """A page of so many pieces; it is UTF-8, but where it is cut."""
    page = "".join(make_piece(draw) for _ in range(size)).encode("utf-8", "replace")
    return page[: draw.randrange(len(page) + 1)] if draw.randrange(3) == 0 else page


def make_piece(draw: Random) -> str:
    kind = draw.randrange(100)
    if kind < 12:
        return draw.choice(ODDITIES if draw.randrange(40) else SWALLOWING)
    if kind < 22:
        return draw.choice(REFERENCES)
    if kind < 50:
        return draw.choice(TEXTS)
    name = draw.choice(NAMES if kind % 6 == 0 else COMMON.split())
    if kind < 75:
        return f"</{name}>"
    attributes = (make_attribute(draw) for _ in range(draw.choice((0, 0, 0, 0, 1, 2))))
    return f"<{name}{''.join(attributes)}{draw.choice(ENDS)}"


def make_attribute(draw: Random) -> str:
    names, values = draw.choice(ATTRIBUTES)
    return draw.choice(FORMS).format(draw.choice(names), draw.choice(values))


pages = st.builds(make_page, st.randoms(use_true_random=False), st.integers(0, 60))
LETTERS = b"<>/!-&;#\"'= \n\0apbx1\xc2\xa0\xe2\x80\x8b\xd8\xe3"
random_bytes = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(LETTERS), max_size=80).map(bytes))
