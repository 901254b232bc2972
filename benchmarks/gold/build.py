#!/usr/bin/env python3
r"""Builds the gold set of pages with code and mathematics: `python benchmarks/gold/build.py`.

Every page is written twice from one source: as the text that a person would want of it, and as the HTML that a
certain kind of site makes of it, with its menus, notices, comments and copies of formulas. The sources stand at
the end of this file, in a small language of paragraphs, `# headings`, `- items`, `1. items`, `| table | rows |`,
``` code, $formulas$ and $$displays$$. Everything was written for this project. Nothing is drawn at random, so the
file is the same byte for byte wherever it is built.
"""

from __future__ import annotations

import html
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

# ruff: noqa: E101, E501 (the markup of sites is not broken into lines here, and their code may have tabs)

OUT = Path(__file__).parent / "code-and-math.jsonl"


# ---------------------------------------------------------------- sources


@dataclass(frozen=True)
class Block:
    kind: str  # heading, paragraph, items, numbered, table, code, display, quote
    lines: tuple[str, ...]
    detail: str = ""  # of a heading its level, of code its language


@dataclass(frozen=True)
class Document:
    name: str
    shell: str
    kind: str
    language: str
    url: str
    options: dict[str, str]
    title: str
    parts: tuple[tuple[Block, ...], ...]  # more than one where a page has answers or posts
    number: int = 0
    seen: dict[str, int] = field(default_factory=dict)  # counters of this page's formulas


def read_documents(source: str) -> list[Document]:
    documents = []
    for number, text in enumerate(source.split("\n@ ")[1:]):
        header, _, body = text.partition("\n")
        shell, kind, language, url, *options = header.split()
        title, _, rest = body.strip("\n").partition("\n")
        parts = tuple(tuple(read_blocks(part)) for part in re.split(r"(?m)^-----$", rest))
        pairs = dict(option.split("=") for option in options)
        name = f"{number + 1:02}-{shell}"
        documents.append(
            Document(name, shell, kind, language, url, pairs, title.removeprefix("# "), parts, number)
        )
    return documents


def read_blocks(text: str) -> Iterable[Block]:
    pieces = re.split(r"(?ms)^```(\w*)\n(.*?)\n```$", text)
    for prose, language, code in zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True):
        for paragraph in re.split(r"\n\s*\n", prose.strip("\n")):
            if paragraph.strip():
                yield read_block(paragraph.strip().split("\n"))
        if code:
            yield Block("code", tuple(code.split("\n")), language)


def read_block(lines: list[str]) -> Block:
    first = lines[0]
    if heading := re.match(r"(#+) (.*)", first):
        return Block("heading", (heading[2],), str(len(heading[1])))
    if first.startswith("| "):
        return Block("table", tuple(lines))
    if first.startswith("$$"):
        return Block("display", (" ".join(line.strip() for line in lines)[2:-2].strip(),))
    for kind, mark in (("items", r"- "), ("numbered", r"\d+\. "), ("quote", r"> ")):
        if re.match(mark, first):
            return Block(kind, tuple(join_lines(item.split("\n")) for item in split_items(lines, mark)))
    return Block("paragraph", (join_lines(lines),))


def split_items(lines: list[str], mark: str) -> list[str]:
    items: list[str] = []
    for line in lines:
        if re.match(mark, line):
            items.append(re.sub("^" + mark, "", line))
        else:
            items[-1] += "\n" + line.strip()
    return items


def join_lines(lines: list[str]) -> str:
    """Lines as one; between two ideographs there is no space."""
    return re.sub(
        r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])", "", "\n".join(lines)
    ).replace("\n", " ")


INLINE = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)")


# ---------------------------------------------------------------- the text that is wanted


def write_text(document: Document) -> str:
    blocks = [write_block(block, document) for part in document.parts for block in part]
    title = [] if document.options.get("title") == "no" else [write_inline(document.title, document)]
    return "\n\n".join([*title, *blocks]) + "\n"


def write_block(block: Block, document: Document) -> str:
    if block.kind == "code":
        return "\n".join(block.lines)
    if block.kind == "display":
        left, right = (r"\[", r"\]") if document.options.get("math") == "parentheses" else ("$$", "$$")
        return left + block.lines[0] + right
    if block.kind == "table":
        return "\n".join(
            " | ".join(write_inline(cell, document) for cell in cells(row)) for row in block.lines
        )
    marks = {"items": lambda n: "- ", "numbered": lambda n: f"{n}. "}.get(block.kind, lambda n: "")
    return "\n".join(marks(n) + write_inline(line, document) for n, line in enumerate(block.lines, 1))


def write_inline(line: str, document: Document) -> str:
    left, right = (r"\(", r"\)") if document.options.get("math") == "parentheses" else ("$", "$")
    return INLINE.sub(lambda m: m[1] or (left + m[2] + right if m[2] else m[3] or m[4]), line)


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


# ---------------------------------------------------------------- TeX as MathML


def words(text: str) -> list[str]:
    return text.split()


GREEK = dict(
    zip(
        words(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi "
            "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega varepsilon varphi ell infty partial nabla "
            "emptyset hbar"
        ),
        "αβγδϵζηθικλμνξπρστϕχψωΓΔΘΛΞΠΣΦΨΩεφℓ∞∂∇∅ℏ",
        strict=True,
    )
)
OPERATORS = dict(
    zip(
        words(
            "leq geq neq approx equiv sim cong in notin subset subseteq cup cap times cdot pm to mapsto Rightarrow "
            "iff mid forall exists setminus circ ldots cdots vdots lfloor rfloor lceil rceil langle rangle otimes "
            "oplus perp wedge vee ll gg implies simeq propto ast neg le ge"
        ),
        "≤≥≠≈≡∼≅∈∉⊂⊆∪∩×⋅±→↦⇒⟺∣∀∃∖∘…⋯⋮⌊⌋⌈⌉⟨⟩⊗⊕⊥∧∨≪≫⟹≃∝∗¬≤≥",
        strict=True,
    )
)
LARGE = {"sum": "∑", "prod": "∏", "int": "∫", "bigcup": "⋃", "bigcap": "⋂", "oint": "∮", "iint": "∬"}
NAMED = words("sin cos tan log ln exp lim max min sup inf det gcd dim ker arctan deg Pr")
ACCENTS = {"hat": "^", "bar": "¯", "vec": "→", "tilde": "~", "dot": "˙", "overline": "¯", "widehat": "^"}
LETTERS = {"mathbb": "double-struck", "mathcal": "script", "mathbf": "bold", "mathfrak": "fraktur"}
SPACES = {",": "0.167em", ";": "0.278em", "quad": "1em", "qquad": "2em", "!": "-0.167em"}
ENVIRONMENTS = {"pmatrix": "()", "bmatrix": "[]", "vmatrix": "||", "cases": "{ ", "aligned": "", "matrix": ""}


class Tex:
    """Reads the TeX of the sources below, which is all it has to know."""

    def __init__(self, tex: str) -> None:
        self.tokens = re.findall(r"\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\S", tex)
        self.raw = tex
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def row(self, *stops: str) -> str:
        parts = []
        while self.peek() and self.peek() not in stops:
            parts.append(self.scripted())
        return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"

    def group(self) -> str:
        if self.peek() != "{":
            return self.atom()
        self.take()
        row = self.row("}")
        self.take()
        return row

    def scripted(self) -> str:
        is_large = self.peek().lstrip("\\") in (*LARGE, "lim", "max", "min", "sup", "inf", "underbrace")
        is_integral = self.peek() in (r"\int", r"\oint", r"\iint")
        base, sub, sup = self.atom(), "", ""
        primes = 0
        while self.peek() in ("_", "^", "'"):
            mark = self.take()
            if mark == "_":
                sub = self.group()
            elif mark == "^":
                sup = self.group()
            else:
                primes += 1
                sup = f"<mo>{'′' * primes}</mo>"
        kind = "munderover" if is_large and not is_integral else "msubsup"
        applied = "<mo>&#x2061;</mo>" if base.endswith("<mo>&#x2061;</mo>") else ""
        base = base.removesuffix(applied)
        if sub and sup:
            return f"<{kind}>{base}{sub}{sup}</{kind}>{applied}"
        if sub or sup:
            kind = {"munderover": ("munder", "mover"), "msubsup": ("msub", "msup")}[kind][not sub]
            return f"<{kind}>{base}{sub}{sup}</{kind}>{applied}"
        return base + applied

    def words(self) -> str:
        """The argument of \\text, read from the tokens with spaces between words."""
        self.take()
        words = []
        while self.peek() != "}":
            words.append(self.take())
        self.take()
        return "".join(words)

    def atom(self) -> str:
        token = self.take()
        name = token[1:]
        if token == "{":
            self.at -= 1
            return self.group()
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token[0] != "\\":
            if token.isalpha():
                return f"<mi>{token}</mi>"
            return f"<mo>{html.escape(token.replace('-', '−'))}</mo>"
        if name in ("frac", "binom", "dfrac"):
            above, below = self.group(), self.group()
            if name == "binom":
                inner = f'<mfrac linethickness="0">{above}{below}</mfrac>'
                return f'<mrow><mo fence="true">(</mo>{inner}<mo fence="true">)</mo></mrow>'
            return f"<mfrac>{above}{below}</mfrac>"
        if name == "sqrt":
            index = ""
            if self.peek() == "[":
                self.take()
                index = self.row("]")
                self.take()
            inner = self.group()
            return f"<mroot>{inner}{index}</mroot>" if index else f"<msqrt>{inner}</msqrt>"
        if name in ACCENTS:
            return f'<mover accent="true">{self.group()}<mo>{ACCENTS[name]}</mo></mover>'
        if name in LETTERS:
            return f'<mi mathvariant="{LETTERS[name]}">{self.words()}</mi>'
        if name in ("mathrm", "operatorname"):
            word = self.words()
            single = ' mathvariant="normal"' if len(word) == 1 else ""
            return f"<mi{single}>{word}</mi>" + ("<mo>&#x2061;</mo>" if name == "operatorname" else "")
        if name == "text":
            return f"<mtext>{self.words().replace('~', ' ')}</mtext>"
        if name == "left":
            opening = self.take().removeprefix("\\")
            inner = self.row(r"\right")
            self.take()
            closing = self.take().removeprefix("\\")
            return f'<mrow><mo fence="true">{opening}</mo>{inner}<mo fence="true">{closing}</mo></mrow>'
        if name == "begin":
            return self.environment()
        return self.symbol(name)

    def symbol(self, name: str) -> str:
        if name in GREEK:
            return f"<mi>{GREEK[name]}</mi>"
        if name in OPERATORS:
            return f"<mo>{OPERATORS[name]}</mo>"
        if name in LARGE:
            return f"<mo>{LARGE[name]}</mo>"
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}"></mspace>'
        if name in NAMED:
            return (
                f"<mi>{name}</mi><mo>&#x2061;</mo>"
                if name not in ("lim", "max", "min")
                else f"<mo>{name}</mo>"
            )
        if name == "bmod":
            return "<mo>mod</mo>"
        if name in "{}%&|":
            return f"<mo>{html.escape(name).replace('|', '‖')}</mo>"
        raise KeyError(name)

    def environment(self) -> str:
        name = self.words()
        rows: list[list[str]] = [[]]
        while self.peek() != r"\end":
            rows[-1].append(self.row("&", r"\\", r"\end"))
            if self.peek() in ("&", r"\\") and self.take() == r"\\":
                rows.append([])
        self.take()
        self.words()
        inside = "".join(f"<mtr>{''.join(f'<mtd>{c}</mtd>' for c in row)}</mtr>" for row in rows)
        align = ' columnalign="right left"' if name == "aligned" else ""
        table = f"<mtable{align}>{inside}</mtable>"
        if not ENVIRONMENTS[name]:
            return table
        opening, closing = ENVIRONMENTS[name]
        return f'<mrow><mo fence="true">{opening}</mo>{table}<mo fence="true">{closing.strip()}</mo></mrow>'


def to_mathml(tex: str) -> str:
    return Tex(tex).row()


def math_element(
    tex: str, display: bool, attributes: str = "", note: str = "", annotated: bool = True
) -> str:
    row = to_mathml(tex)
    block = ' display="block"' if display else ""
    if annotated:
        noted = (
            f'<annotation encoding="application/x-tex">{html.escape(note or tex, quote=False)}</annotation>'
        )
        row = f"<semantics>{row if row.startswith('<mrow') else f'<mrow>{row}</mrow>'}{noted}</semantics>"
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML"{attributes}{block}>{row}</math>'


# ---------------------------------------------------------------- formulas as sites write them

Formula = Callable[[str, bool, Document], str]


def glyphs(tex: str) -> list[str]:
    return [text for text in re.findall(r">([^<]+)<", to_mathml(tex)) if text != "&#x2061;"]


def count(document: Document, what: str) -> int:
    document.seen[what] = document.seen.get(what, 0) + 1
    return document.seen[what]


def wikipedia(tex: str, display: bool, document: Document) -> str:
    kind = "display" if display else "inline"
    styled = html.escape("{\\displaystyle " + tex + "}")
    math = math_element(tex, display, f' alttext="{styled}"', "{\\displaystyle " + tex + "}")
    number = 7 * len(tex) + count(document, "formula")
    return (
        f'<span class="mwe-math-element mwe-math-element-{kind}"><span class="mwe-math-mathml-{kind} '
        f'mwe-math-mathml-a11y" style="display: none;">{math}</span><img src="https://math.example/api/rest_v1/'
        f'media/math/render/svg/{number:040x}" class="mwe-math-fallback-image-{kind} mw-invert" '
        f'aria-hidden="true" style="vertical-align: -0.838ex; width:{len(tex)}.5ex; height:2.843ex;" '
        f'alt="{styled}"></span>'
    )


def old_wiki(tex: str, display: bool, document: Document) -> str:
    image = f'<img class="tex" alt="{html.escape(tex)}" src="/w/images/math/{len(tex):032x}.png" />'
    return f"<dl><dd>{image}</dd></dl>" if display else image


def katex(tex: str, display: bool, document: Document) -> str:
    visual = "".join(
        f'<span class="{"mord mathnormal" if text.isalpha() else "mrel"}">{text}</span>'
        + ('<span class="mspace" style="margin-right:0.2778em;"></span>' if not text.isalnum() else "")
        for text in glyphs(tex)
    )
    math = f'<span class="katex-mathml">{math_element(tex, display)}</span>'
    strut = '<span class="strut" style="height:1em;vertical-align:-0.25em;"></span>'
    both = (
        f'{math}<span class="katex-html" aria-hidden="true"><span class="base">{strut}{visual}</span></span>'
    )
    inline = f'<span class="katex">{both}</span>'
    return f'<span class="katex-display">{inline}</span>' if display else inline


def mathjax2(tex: str, display: bool, document: Document) -> str:
    """As a browser has it after MathJax 2 has run: preview, frame with a visual and a hidden copy, script."""
    n = count(document, "formula")
    math = math_element(tex, display, annotated=False)
    spans = "".join(
        f'<span class="mi" id="MathJax-Span-{n}{k:02}" style="font-family: MathJax_Math-italic;">{text}</span>'
        for k, text in enumerate(glyphs(tex))
    )
    frame = (
        f'<span class="MathJax" id="MathJax-Element-{n}-Frame" tabindex="0" style="position: relative;" '
        f'data-mathml="{math.replace(chr(34), "&quot;")}" role="presentation"><nobr aria-hidden="true">'
        f'<span class="math" id="MathJax-Span-{n}" style="width: 3.2em; display: inline-block;"><span class="mrow">'
        f'{spans}</span></span></nobr><span class="MJX_Assistive_MathML" role="presentation">{math}</span></span>'
    )
    if display:
        frame = f'<div class="MathJax_Display" style="text-align: center;">{frame}</div>'
    mode = "; mode=display" if display else ""
    return (
        f'<span class="MathJax_Preview" style="color: inherit;"></span>{frame}'
        f'<script type="math/tex{mode}" id="MathJax-Element-{n}">{tex}</script>'
    )


def mathjax2_svg(tex: str, display: bool, document: Document) -> str:
    n = count(document, "formula")
    paths = "".join(
        f'<use xlink:href="#MJMATHI-{ord(text[0]):X}" x="{k * 500}" y="0"></use>'
        for k, text in enumerate(glyphs(tex))
    )
    frame = (
        f'<span class="MathJax_SVG" id="MathJax-Element-{n}-Frame" tabindex="0"><svg width="9ex" height="2ex" '
        f'role="img" focusable="false"><g stroke="currentColor" transform="matrix(1 0 0 -1 0 0)">{paths}</g></svg></span>'
    )
    if display:
        frame = f'<div class="MathJax_SVG_Display" style="text-align: center;">{frame}</div>'
    mode = "; mode=display" if display else ""
    return f'<span class="MathJax_Preview"></span>{frame}<script type="math/tex{mode}" id="MathJax-Element-{n}">{tex}</script>'


def mathjax2_unset(tex: str, display: bool, document: Document) -> str:
    """What kramdown writes and MathJax has not seen."""
    content = f"% <![CDATA[\n{tex} %]]>" if "<" in tex or "&" in tex else tex
    return f'<script type="math/tex{"; mode=display" if display else ""}">{content}</script>'


def mathjax3(tex: str, display: bool, document: Document) -> str:
    symbols = "".join(
        f'<mjx-mi class="mjx-i"><mjx-c class="mjx-c{ord(text[0]):X} TEX-I"></mjx-c></mjx-mi>'
        for text in glyphs(tex)
    )
    block = ' display="block"' if display else ""
    true = ' display="true"' if display else ""
    return (
        f'<mjx-container class="MathJax CtxtMenu_Attached_0" jax="CHTML" tabindex="0"{true} '
        f'style="font-size: 119.5%; position: relative;"><mjx-math class="MJX-TEX" aria-hidden="true">{symbols}'
        f'</mjx-math><mjx-assistive-mml unselectable="on"{block or " display=" + chr(34) + "inline" + chr(34)}>'
        f"{math_element(tex, display, annotated=False)}</mjx-assistive-mml></mjx-container>"
    )


def latexml(tex: str, display: bool, document: Document) -> str:
    n = count(document, "formula")
    kind = "block" if display else "inline"
    content = f"<csymbol cd='latexml' id='m{n}.1'>formula</csymbol>"
    semantics = (
        f'<semantics id="m{n}a">{to_mathml(tex)}<annotation-xml encoding="MathML-Content" id="m{n}b"><apply>{content}'
        f'<ci>x</ci></apply></annotation-xml><annotation encoding="application/x-tex" id="m{n}c">'
        f"{html.escape(tex, quote=False)}</annotation></semantics>"
    )
    math = f'<math id="S1.p{n}.m1" class="ltx_Math" alttext="{html.escape(tex)}" display="{kind}">{semantics}</math>'
    if not display:
        return math
    return (
        f'<table id="S1.E{n}" class="ltx_equation ltx_eqn_table"><tbody><tr class="ltx_equation ltx_eqn_row '
        'ltx_align_baseline"><td class="ltx_eqn_cell ltx_eqn_center_padleft"></td><td class="ltx_eqn_cell '
        f'ltx_align_center">{math}</td><td class="ltx_eqn_cell ltx_eqn_center_padright"></td></tr></tbody></table>'
    )


def wordpress_image(tex: str, display: bool, document: Document) -> str:
    quoted = urllib.parse.quote(tex)
    image = (
        f'<img decoding="async" src="https://s0.wp.example/latex.php?latex={quoted}&#038;bg=ffffff&#038;fg=333333&#038;s=0'
        f'&#038;c=20201002" alt="{html.escape(tex)}" class="latex" />'
    )
    return f'<p align="center">{image}</p>' if display else image


def codecogs(tex: str, display: bool, document: Document) -> str:
    spaced = html.escape(tex.replace(" ", "&space;")).replace("&amp;space;", "&space;")
    return f'<img src="https://latex.codecogs.com/svg.image?{spaced}" title="{html.escape(tex)}" alt="{html.escape(tex)}" />'


def plain_mathml(tex: str, display: bool, document: Document) -> str:
    math = math_element(tex, display, annotated=False)
    return f'<div class="eq">{math}</div>' if display else math


def prefixed_mathml(tex: str, display: bool, document: Document) -> str:
    prefixed = re.sub(r"<(/?)(m[a-z]+)", r"<\1m:\2", math_element(tex, display, annotated=False))
    return prefixed.replace(" xmlns=", " xmlns:m=")


def dollars(tex: str, display: bool, document: Document) -> str:
    raw = html.escape(tex, quote=False)
    return f'<span class="math-container">{"$$" if display else "$"}{raw}{"$$" if display else "$"}</span>'


def parentheses(tex: str, display: bool, document: Document) -> str:
    raw = html.escape(tex, quote=False)
    return (
        f'<span class="math display">\\[{raw}\\]</span>'
        if display
        else f'<span class="math inline">\\({raw}\\)</span>'
    )


FORMULAS: dict[str, Formula] = {
    "wikipedia": wikipedia, "oldwiki": old_wiki, "katex": katex, "mathjax2": mathjax2, "svg": mathjax2_svg,
    "unset": mathjax2_unset, "mathjax3": mathjax3, "latexml": latexml, "wordpress": wordpress_image,
    "codecogs": codecogs, "mathml": plain_mathml, "prefixed": prefixed_mathml, "dollars": dollars,
    "parentheses": parentheses,
}  # fmt: skip


# ---------------------------------------------------------------- code as sites write it

KEYWORDS = frozenset(
    words(
        "and as async auto await begin bool break case char class const continue def defer do double elif else end "
        "enum export extends fi final fn for from func function if impl import in int interface is lambda let local "
        "loop match module mut new nil not null of or package pass private public pub raise return self select "
        "static struct switch then this throw try type typedef unsigned use using var void where while with yield "
        "SELECT FROM WHERE GROUP BY ORDER JOIN ON AS INSERT INTO VALUES CREATE TABLE PRIMARY KEY NOT NULL"
    )
)
COMMENTS = {
    "python": "#",
    "bash": "#",
    "yaml": "#",
    "r": "#",
    "julia": "#",
    "make": "#",
    "ruby": "#",
    "sql": "--",
}
COMMENTS |= {"haskell": "--", "lua": "--", "asm": ";", "tex": "%", "text": "\0", "out": "\0"}


def tokens(line: str, language: str) -> Iterable[tuple[str, str]]:
    comment = re.escape(COMMENTS.get(language, "//"))
    pattern = rf"""(?P<comment>{comment}.*)|(?P<string>"[^"]*"|'[^']*')|(?P<number>\b\d[\w.]*)|(?P<name>[^\W\d]\w*)"""
    pattern += r"|(?P<space>\s+)|(?P<operator>[^\w\s\"']+?|.)"
    for match in re.finditer(pattern, line):
        kind = match.lastgroup or ""
        yield ("keyword" if kind == "name" and match[0] in KEYWORDS else kind), match[0]


def highlight(block: Block, classes: dict[str, str], tag: str = "span") -> list[str]:
    """The lines of a block as HTML; kinds of tokens without a class stay bare."""
    if block.detail in ("text", "out", ""):
        return [html.escape(line, quote=False) for line in block.lines]
    return [
        "".join(
            f'<{tag} class="{classes[kind]}">{html.escape(text, quote=False)}</{tag}>'
            if kind in classes
            else html.escape(text, quote=False)
            for kind, text in tokens(line, block.detail)
        )
        for line in block.lines
    ]


PYGMENTS = {"comment": "c1", "string": "s2", "number": "mi", "keyword": "k", "name": "n", "operator": "o"}
HLJS = {
    "comment": "hljs-comment",
    "string": "hljs-string",
    "number": "hljs-number",
    "keyword": "hljs-keyword",
}
PRISM = {kind: f"token {kind}" for kind in ("comment", "string", "number", "keyword", "operator")}
GITHUB = {"comment": "pl-c", "string": "pl-s", "number": "pl-c1", "keyword": "pl-k", "name": "pl-s1"}


def sphinx_code(block: Block) -> str:
    lines = "\n".join(highlight(block, PYGMENTS))
    language = block.detail or "default"
    return (
        f'<div class="highlight-{language} notranslate"><div class="highlight"><pre><span></span>{lines}\n'
        "</pre></div></div>"
    )


def mkdocs_code(block: Block) -> str:
    n = len(block.lines)
    lines = "".join(
        f'<a id="__codelineno-{n}-{k}" name="__codelineno-{n}-{k}" href="#__codelineno-{n}-{k}"></a>{line}\n'
        for k, line in enumerate(highlight(block, PYGMENTS), 1)
    )
    button = '<button class="md-clipboard md-icon" title="Copy to clipboard"></button>'
    return f'<div class="language-{block.detail} highlight"><pre id="__code_{n}"><span></span>{button}<code>{lines}</code></pre></div>'


def hljs_code(block: Block) -> str:
    lines = "\n".join(highlight(block, HLJS))
    return f'<pre class="lang-{block.detail} s-code-block"><code class="hljs language-{block.detail}">{lines}\n</code></pre>'


def prism_code(block: Block) -> str:
    lines = "\n".join(highlight(block, PRISM))
    rows = f'<span aria-hidden="true" class="line-numbers-rows">{"<span></span>" * len(block.lines)}</span>'
    return (
        f'<div class="code-toolbar"><pre class="line-numbers language-{block.detail}" tabindex="0"><code '
        f'class="language-{block.detail}">{lines}{rows}</code></pre><div class="toolbar"><div class="toolbar-item">'
        "<button class='copy-to-clipboard-button' type='button'><span>Copy</span></button></div></div></div>"
    )


def prism_react_code(block: Block) -> str:
    lines = "".join(
        f'<span class="token-line" style="color:#393A34">{line}<br></span>'
        for line in highlight(block, PRISM)
    )
    return (
        f'<div class="language-{block.detail} codeBlockContainer_Ckt0 theme-code-block"><div class="codeBlockContent_biex">'
        f'<pre tabindex="0" class="prism-code language-{block.detail} codeBlock_bY9V thin-scrollbar"><code '
        f'class="codeBlockLines_e6Vv">{lines}</code></pre><div class="buttonGroup__atx"><button type="button" '
        'aria-label="Copy code to clipboard" title="Copy" class="clean-btn"><span aria-hidden="true"></span></button>'
        "</div></div></div>"
    )


def rouge_code(block: Block) -> str:
    numbers = "\n".join(str(n) for n in range(1, len(block.lines) + 1))
    lines = "\n".join(highlight(block, PYGMENTS))
    return (
        f'<figure class="highlight"><pre><code class="language-{block.detail}" data-lang="{block.detail}"><table '
        f'class="rouge-table"><tbody><tr><td class="gutter gl"><pre class="lineno">{numbers}\n</pre></td><td '
        f'class="code"><pre>{lines}\n</pre></td></tr></tbody></table></code></pre></figure>'
    )


def chroma_code(block: Block) -> str:
    numbers = "".join(f'<span class="lnt">{n}\n</span>' for n in range(1, len(block.lines) + 1))
    lines = "".join(
        f'<span class="line"><span class="cl">{line}\n</span></span>' for line in highlight(block, PYGMENTS)
    )
    return (
        '<div class="highlight"><div class="chroma"><table class="lntable"><tr><td class="lntd"><pre tabindex="0" '
        f'class="chroma"><code>{numbers}</code></pre></td><td class="lntd"><pre tabindex="0" class="chroma"><code '
        f'class="language-{block.detail}" data-lang="{block.detail}">{lines}</code></pre></td></tr></table></div></div>'
    )


def octopress_code(block: Block) -> str:
    numbers = "".join(f"<span class='line-number'>{n}</span>\n" for n in range(1, len(block.lines) + 1))
    lines = "".join(f"<span class='line'>{line}</span>\n" for line in highlight(block, PYGMENTS))
    return (
        "<figure class='code'><figcaption><span></span></figcaption><div class=\"highlight\"><table><tr><td "
        f'class="gutter"><pre class="line-numbers">{numbers}</pre></td><td class=\'code\'><pre><code '
        f"class='{block.detail}'>{lines}</code></pre></td></tr></table></div></figure>"
    )


def github_code(block: Block) -> str:
    lines = "\n".join(highlight(block, GITHUB))
    copy = (
        '<div class="zeroclipboard-container"><clipboard-copy aria-label="Copy" class="ClipboardButton btn" '
    )
    copy += f'value="{html.escape(block.lines[0])}" tabindex="0" role="button"><svg class="octicon"></svg></clipboard-copy></div>'
    return f'<div class="highlight highlight-source-{block.detail} notranslate" dir="auto"><pre>{lines}</pre>{copy}</div>'


def blob_code(block: Block) -> str:
    rows = "".join(
        f'<tr><td id="L{n}" class="blob-num js-line-number js-blob-rnum" data-line-number="{n}"></td>'
        f'<td id="LC{n}" class="blob-code blob-code-inner js-file-line">{line or chr(10)}</td></tr>\n'
        for n, line in enumerate(highlight(block, GITHUB), 1)
    )
    return (
        '<div itemprop="text" class="Box-body p-0 blob-wrapper data type-code"><table data-hpc class="highlight '
        f'tab-size js-file-line-container" data-tab-size="8" data-paste-markdown-skip><tbody>{rows}</tbody></table></div>'
    )


def syntaxhighlighter_code(block: Block) -> str:
    gutter = "".join(f'<div class="line number{n}">{n}</div>' for n in range(1, len(block.lines) + 1))
    rows = "".join(
        f'<div class="line number{n} index{n - 1} alt{1 + n % 2}">' + spaced(line, block) + "</div>"
        for n, line in enumerate(block.lines, 1)
    )
    return (
        f'<div id="highlighter_{len(block.lines)}" class="syntaxhighlighter {block.detail}"><table border="0" cellpadding="0" '
        f'cellspacing="0"><tbody><tr><td class="gutter">{gutter}</td><td class="code"><div class="container">{rows}</div></td>'
        "</tr></tbody></table></div>"
    )


def spaced(line: str, block: Block) -> str:
    indent = len(line) - len(line.lstrip(" "))
    before = f'<code class="{block.detail} spaces">{"&nbsp;" * indent}</code>' if indent else ""
    classes = {"keyword": "keyword", "comment": "comments", "string": "string"}
    rest = "".join(
        f'<code class="{block.detail} {classes.get(kind, "plain")}">{html.escape(text, quote=False)}</code>'
        for kind, text in tokens(line.lstrip(" "), block.detail)
    )
    return (before + rest) or "&nbsp;"


def doxygen_code(block: Block) -> str:
    classes = {"keyword": "keyword", "comment": "comment", "string": "stringliteral"}
    rows = "\n".join(
        f'<div class="line"><a id="l{n:05}" name="l{n:05}"></a><span class="lineno">{n:5}</span>&#160;{line}</div>'
        for n, line in enumerate(highlight(block, classes), 1)
    )
    return f'<div class="fragment">{rows}</div>'


def blogger_code(block: Block) -> str:
    lines = "<br />".join(html.escape(line, quote=False).replace("  ", "&nbsp; ") for line in block.lines)
    return f'<div style="font-family: monospace; white-space: pre-wrap; background: #eee;"><pre>{lines}</pre></div>'


def rustdoc_code(block: Block) -> str:
    lines = "\n".join(
        highlight(block, {"keyword": "kw", "comment": "comment", "string": "string", "number": "number"})
    )
    return (
        f'<div class="example-wrap"><pre class="rust rust-example-rendered"><code>{lines}</code></pre></div>'
    )


def plain_code(block: Block) -> str:
    return f"<pre>{html.escape(chr(10).join(block.lines), quote=False)}\n</pre>"


def pre_code(block: Block) -> str:
    return f'<pre><code class="language-{block.detail}">{html.escape(chr(10).join(block.lines), quote=False)}</code></pre>'


CODES: dict[str, Callable[[Block], str]] = {
    "sphinx": sphinx_code, "mkdocs": mkdocs_code, "hljs": hljs_code, "prism": prism_code, "react": prism_react_code,
    "rouge": rouge_code, "chroma": chroma_code, "octopress": octopress_code, "github": github_code, "blob": blob_code,
    "syntaxhighlighter": syntaxhighlighter_code, "doxygen": doxygen_code, "blogger": blogger_code,
    "rustdoc": rustdoc_code, "plain": plain_code, "pre": pre_code,
}  # fmt: skip


# ---------------------------------------------------------------- content as HTML


@dataclass(frozen=True)
class Look:
    """How a site writes the blocks that pages are made of."""

    code: str = "pre"
    math: str = "parentheses"
    paragraph: str = "<p>{}</p>"
    display: str = "<p>{}</p>"
    heading: str = "<h{level}>{}</h{level}>"
    table: str = "<table>{}</table>"
    item: str = "<li>{}</li>"
    inline_code: str = "<code>{}</code>"


def write_html(blocks: Iterable[Block], document: Document, look: Look) -> str:
    return "\n".join(block_html(block, document, look) for block in blocks)


def block_html(block: Block, document: Document, look: Look) -> str:
    def inline(line: str) -> str:
        return inline_html(line, document, look)

    if block.kind == "code":
        return CODES[document.options.get("code", look.code)](block)
    if block.kind == "display":
        return look.display.format(formula_html(block.lines[0], True, document, look))
    if block.kind == "heading":
        anchor = re.sub(r"\W+", "-", block.lines[0].lower()).strip("-")
        return look.heading.format(inline(block.lines[0]), level=block.detail, anchor=anchor)
    if block.kind == "table":
        head, *rows = block.lines
        top = "".join(f"<th>{inline(cell)}</th>" for cell in cells(head))
        body = "".join(f"<tr>{''.join(f'<td>{inline(c)}</td>' for c in cells(row))}</tr>\n" for row in rows)
        return look.table.format(f"<thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody>")
    if block.kind in ("items", "numbered"):
        name = "ul" if block.kind == "items" else "ol"
        return (
            f"<{name}>\n" + "\n".join(look.item.format(inline(line)) for line in block.lines) + f"\n</{name}>"
        )
    if block.kind == "quote":
        return "<blockquote>" + "".join(f"<p>{inline(line)}</p>" for line in block.lines) + "</blockquote>"
    return look.paragraph.format(inline(block.lines[0]))


def inline_html(line: str, document: Document, look: Look) -> str:
    parts = []
    done = 0
    for match in INLINE.finditer(line):
        parts.append(html.escape(line[done : match.start()], quote=False))
        done = match.end()
        code, tex, bold, anchor, target = match.groups()
        if code:
            parts.append(look.inline_code.format(html.escape(code, quote=False)))
        elif tex:
            parts.append(formula_html(tex, False, document, look))
        elif bold:
            parts.append(f"<strong>{html.escape(bold)}</strong>")
        else:
            parts.append(f'<a href="{target}">{html.escape(anchor)}</a>')
    return "".join(parts) + html.escape(line[done:], quote=False)


def formula_html(tex: str, display: bool, document: Document, look: Look) -> str:
    return FORMULAS[document.options.get("math", look.math)](tex, display, document)


# ---------------------------------------------------------------- what stands around the content

MENUS = {
    "en": "Home|About|Archive|Tags|Search|Contact|Projects|Newsletter|Log in|Sign up|Pricing|Support|Careers|Press",
    "de": "Startseite|Über uns|Archiv|Suche|Kontakt|Anmelden|Veranstaltungen|Newsletter|Fakultäten|Bibliothek",
    "fr": "Accueil|À propos|Archives|Rechercher|Contact|Connexion|Forum|Cours|Plan du site|Boutique",
    "es": "Inicio|Acerca de|Archivo|Buscar|Contacto|Entrar|Cursos|Foro|Tienda|Ayuda",
    "pt": "Início|Sobre|Arquivo|Pesquisar|Contato|Entrar|Cursos|Fórum|Loja|Ajuda",
    "it": "Pagina iniziale|Chi siamo|Archivio|Cerca|Contatti|Accedi|Corsi|Forum|Negozio|Aiuto",
    "pl": "Strona główna|O nas|Archiwum|Szukaj|Kontakt|Zaloguj|Kursy|Forum|Sklep|Pomoc",
    "ru": "Главная|О сайте|Архив|Поиск|Контакты|Войти|Курсы|Форум|Магазин|Помощь",
    "zh": "首页|关于|归档|搜索|联系我们|登录|课程|论坛|商店|帮助",
    "ja": "ホーム|このサイトについて|アーカイブ|検索|お問い合わせ|ログイン|講座|掲示板|ショップ|ヘルプ",
}
RELATED = {
    "en": "Why my compost never gets warm|Ten knots every sailor needs|A weekend in the salt marshes|Reading a tide table|"
    "Choosing a first telescope|The bread that would not rise|Repairing a bicycle wheel|How bees find their way home|"
    "Notes from a power cut|What the old maps left out|Sharpening a chisel|Ask me anything, spring edition|"
    "Moving house with four cats|The case for slow travel|Our reader survey, results|Painting a hallway twice",
    "de": "Zehn Fragen an eine Imkerin|Mit dem Rad an die Küste|Brot ohne Hefe|Der Garten im März|Umzug der Redaktion",
    "fr": "Dix questions à une apicultrice|À vélo jusqu'à la mer|Du pain sans levure|Le jardin en mars|La rédaction déménage",
    "es": "Diez preguntas a una apicultora|En bici hasta la costa|Pan sin levadura|El huerto en marzo|Nos mudamos",
    "pt": "Dez perguntas a uma apicultora|De bicicleta até a costa|Pão sem fermento|A horta em março|Mudamos de casa",
    "it": "Dieci domande a un'apicoltrice|In bici fino alla costa|Pane senza lievito|L'orto a marzo|Traslochiamo",
    "pl": "Dziesięć pytań do pszczelarki|Rowerem nad morze|Chleb bez drożdży|Ogród w marcu|Przeprowadzka redakcji",
    "ru": "Десять вопросов пасечнику|На велосипеде к морю|Хлеб без дрожжей|Сад в марте|Редакция переезжает",
    "zh": "十问养蜂人|骑车去海边|不用酵母的面包|三月的菜园|编辑部搬家了",
    "ja": "養蜂家への十の質問|自転車で海へ|酵母なしのパン|三月の庭|編集部の引っ越し",
}
REMARKS = {
    "en": "Thanks, this saved my afternoon!|First!|Does anybody know whether this still works on the old version?|"
    "I tried it and my cat was not impressed.|Please fix the typo in the third line.|Great read, subscribed.|"
    "Can you do one about gardening next?|Worked for me, cheers from Lisbon.",
    "de": "Danke, das hat mir sehr geholfen!|Gibt es das auch als PDF?|Schöner Beitrag, gerne mehr davon.",
    "fr": "Merci, exactement ce que je cherchais !|Il y a une coquille dans le titre.|Vivement la suite.",
    "es": "¡Gracias, me ha servido mucho!|¿Hay una versión en PDF?|Muy buen artículo.",
    "pt": "Obrigado, ajudou muito!|Tem em PDF?|Ótimo texto.",
    "it": "Grazie, mi è servito molto!|C'è anche in PDF?|Bell'articolo.",
    "pl": "Dzięki, bardzo pomogło!|Czy jest wersja PDF?|Świetny tekst.",
    "ru": "Спасибо, очень помогло!|А есть в PDF?|Ждём продолжения.",
    "zh": "谢谢，太有用了！|有 PDF 版吗？|写得真好。",
    "ja": "助かりました。|PDF版はありますか？|続きを楽しみにしています。",
}
NOTICES = {
    "en": "We use cookies to improve your experience. By continuing to browse you agree to our cookie policy.",
    "de": "Wir verwenden Cookies, um Ihnen das beste Erlebnis zu bieten.",
    "fr": "Nous utilisons des cookies pour améliorer votre expérience.",
    "es": "Utilizamos cookies para mejorar su experiencia.",
    "pt": "Usamos cookies para melhorar a sua experiência.",
    "it": "Utilizziamo i cookie per migliorare la tua esperienza.",
    "pl": "Używamy plików cookie, aby poprawić komfort korzystania z serwisu.",
    "ru": "Мы используем файлы cookie, чтобы сделать сайт удобнее.",
    "zh": "我们使用 Cookie 来改善您的体验。",
    "ja": "当サイトでは利便性向上のためクッキーを使用しています。",
}
NAMES = (
    "marit_k|old_oak|Jonas W.|tidepool|a. serrano|kestrel77|Ines|boxwood|P. Laurin|nightferry|Yuki|mossgrown"
)


def some(pool: dict[str, str] | str, document: Document, number: int) -> list[str]:
    choices = (pool if isinstance(pool, str) else pool[document.language]).split("|")
    begin = 5 * document.number % len(choices)
    return list(islice(cycle(choices), begin, begin + number))


def links(
    pool: dict[str, str] | str, document: Document, number: int, form: str = '<li><a href="/{0}">{1}</a></li>'
) -> str:
    return "\n".join(
        form.format(k, html.escape(text)) for k, text in enumerate(some(pool, document, number), 1)
    )


def bare(line: str) -> str:
    return re.sub(r"[$`*]", "", line)


def title_html(document: Document, look: Look) -> str:
    return inline_html(document.title, document, look)


def whole(document: Document, body: str, head: str = "", site: str = "") -> str:
    title = html.escape(bare(document.title)) + (f" - {site}" if site else "")
    return (
        f'<!DOCTYPE html>\n<html lang="{document.language}">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n{head}</head>\n{body}\n</html>\n'
    )


def body_html(document: Document, look: Look) -> str:
    return write_html([block for part in document.parts for block in part], document, look)


def shell_qa(document: Document) -> str:
    look = Look(
        code="hljs",
        math="dollars",
        inline_code="<code>{}</code>",
        table='<div class="s-table-container"><table class="s-table">{}</table></div>',
    )
    posts = []
    for number, part in enumerate(document.parts):
        name = "answer" if number else "question"
        remarks = "".join(
            f'<li id="comment-{number}{k}" class="comment js-comment"><div class="comment-text js-comment-text-and-form">'
            f'<div class="comment-body js-comment-edit-hide"><span class="comment-copy">{text}</span> &ndash;&nbsp;<a href="/users/{k}" '
            f'class="comment-user">{some(NAMES, document, 4)[k]}</a> <span class="comment-date">'
            f'<a class="comment-link" href="#c{k}">May {k + 3} at 9:1{k}</a></span></div></div></li>'
            for k, text in enumerate(some(REMARKS, document, 3))
        )
        posts.append(
            f'<div id="{name}-{number}" class="{name} js-{name}"><div class="post-layout"><div class="votecell post-layout--left">'
            '<div class="js-voting-container d-flex jc-center fd-column"><button class="js-vote-up-btn s-btn" aria-label="Up vote">'
            f'<svg class="svg-icon"></svg></button><div class="js-vote-count" data-value="{7 * number + 3}">{7 * number + 3}</div>'
            '<button class="js-vote-down-btn s-btn"></button></div></div>'
            f'<div class="{name}cell post-layout--right"><div class="s-prose js-post-body" itemprop="text">\n'
            f'{write_html(part, document, look)}\n</div><div class="mt24 mb12"><div class="post-taglist d-flex">'
            '<a href="/tags/a" class="post-tag" rel="tag">beginner</a> <a href="/tags/b" class="post-tag">performance</a></div></div>'
            '<div class="mb0"><div class="js-post-menu"><a href="#" class="js-share-link">Share</a> <a href="#">Improve this '
            f'{name}</a> <button class="s-btn s-btn__link js-follow-post">Follow</button></div><div class="post-signature owner">'
            f'<div class="user-info"><div class="user-action-time">asked <span class="relativetime">Mar {number + 2}</span></div>'
            f'<div class="user-details"><a href="/users/{number}">{some(NAMES, document, 4)[number]}</a><span class="reputation-score">1,{number}04</span>'
            f'</div></div></div></div></div><div class="post-layout--full"><div class="comments js-comments-container"><ul class="comments-list">{remarks}</ul>'
            '</div><a class="js-add-link comments-link" href="#">Add a comment</a></div></div></div>'
        )
    answers = "\n".join(posts[1:])
    header = f'<div id="answers-header"><h2 class="mb0" data-answercount="{len(posts) - 1}">{len(posts) - 1} Answers</h2><span>Sorted by: <select><option>Highest score (default)</option><option>Date created</option></select></span></div>'
    side = links(
        RELATED,
        document,
        8,
        '<div class="spacer"><a href="/q/{0}"><div class="answer-votes">{0}</div></a><a href="/q/{0}" class="question-hyperlink">{1}</a></div>',
    )
    return whole(
        document,
        f'<body class="question-page unified-theme"><header class="s-topbar"><a href="#content" class="s-topbar--skip-link">Skip to main content</a>'
        f'<ol class="s-navigation">{links(MENUS, document, 5)}</ol><form id="search"><input name="q" placeholder="Search…"></form></header>'
        f'<div class="container"><div id="left-sidebar" class="left-sidebar"><nav role="navigation"><ol class="nav-links">{links(MENUS, document, 8)}</ol></nav></div>'
        f'<div id="content"><div class="inner-content clearfix" itemscope itemtype="https://schema.org/Question"><div id="question-header" class="d-flex">'
        f'<h1 itemprop="name" class="fs-headline1"><a href="{document.url}" class="question-hyperlink">{title_html(document, look)}</a></h1>'
        '<div class="ml12"><a href="/questions/ask" class="s-btn s-btn__filled">Ask Question</a></div></div><div class="d-flex fw-wrap pb8 mb16 bb">'
        '<div>Asked <time>3 years, 2 months ago</time></div><div>Modified <a href="?lastactivity">today</a></div><div>Viewed 21k times</div></div>'
        f'<div id="mainbar">{posts[0]}<div id="answers">{header}{answers}<h2 class="space">Your Answer</h2><form id="post-form"><textarea></textarea>'
        '<p class="privacy-policy-agreement">By clicking “Post Your Answer”, you agree to our terms of service.</p></form></div></div>'
        f'<div id="sidebar"><div class="s-sidebarwidget">The Overflow Blog<ul>{links(RELATED, document, 3)}</ul></div><div class="module sidebar-related"><h4>Related</h4>{side}</div></div>'
        f'</div></div></div><footer id="footer"><nav>{links(MENUS, document, 9)}</nav><p id="copyright">Site design / logo © 2024; user contributions licensed under CC BY-SA.</p></footer>'
        f'<div id="onetrust-banner-sdk" role="dialog" aria-label="Cookie banner"><p>{NOTICES[document.language]}</p><button>Accept all cookies</button></div></body>',
    )


def shell_readme(document: Document) -> str:
    look = Look(
        code="github",
        math="katex",
        heading='<div class="markdown-heading" dir="auto"><h{level} tabindex="-1" class="heading-element" dir="auto">{}</h{level}><a id="user-content-{anchor}" class="anchor" aria-label="Permalink: {anchor}" href="#{anchor}"><svg class="octicon octicon-link" aria-hidden="true"></svg></a></div>',
        paragraph='<p dir="auto">{}</p>',
        table="<markdown-accessiblity-table><table>{}</table></markdown-accessiblity-table>",
    )
    files = "\n".join(
        f'<tr class="react-directory-row"><td class="react-directory-row-name-cell-large-screen"><a title="{name}" href="/blob/{name}">{name}</a></td>'
        f'<td class="react-directory-row-commit-cell"><a href="/commit/{k}">{message}</a></td><td><relative-time>{k + 2} months ago</relative-time></td></tr>'
        for k, (name, message) in enumerate(
            [
                ("src", "Bump version"),
                (".gitignore", "Initial commit"),
                ("LICENSE", "Create LICENSE"),
                ("README.md", "Fix typo"),
            ]
        )
    )
    owner, repository = document.url.split("/")[3:5]
    return whole(
        document,
        f'<body class="logged-out env-production page-responsive"><div class="position-relative header-wrapper js-header-wrapper"><a href="#start-of-content" class="sr-only">Skip to content</a>'
        f'<header class="HeaderMktg header-logged-out"><ul class="list-style-none">{links(MENUS, document, 9)}</ul><a class="btn" href="/login">Sign in</a></header></div>'
        f'<div class="application-main"><main id="js-repo-pjax-container"><div id="repository-container-header"><div><strong><a href="/{owner}">{owner}</a></strong>/<strong itemprop="name"><a href="#">{repository}</a></strong> <span class="Label">Public</span></div>'
        '<ul class="pagehead-actions"><li><a class="btn-sm">Notifications</a></li><li><a class="btn-sm">Fork <span class="Counter">12</span></a></li><li><a class="btn-sm">Star <span class="Counter">345</span></a></li></ul>'
        '<nav aria-label="Repository" class="UnderlineNav"><ul><li><a href="#">Code</a></li><li><a href="#">Issues 7</a></li><li><a href="#">Pull requests 2</a></li><li><a href="#">Actions</a></li><li><a href="#">Security</a></li></ul></nav></div>'
        f'<div class="repository-content"><table aria-labelledby="folders-and-files"><tbody>{files}</tbody></table><div class="Box"><div class="Box-header"><nav><a href="#readme">README</a><a href="#license">MIT license</a></nav></div>'
        f'<article class="markdown-body entry-content container-lg" itemprop="text"><div class="markdown-heading" dir="auto"><h1 tabindex="-1" class="heading-element" dir="auto">{title_html(document, look)}</h1></div>\n{body_html(document, look)}\n</article></div>'
        '<div class="Layout-sidebar"><div class="BorderGrid"><h2 class="mb-3 h4">About</h2><p class="f4 my-3">No description, website, or topics provided.</p><div><a href="#">Readme</a></div><div><a href="#">MIT license</a></div>'
        '<div><a href="#">Activity</a></div><div><strong>345</strong> stars</div><h2 class="h4">Releases 4</h2><h2 class="h4">Packages</h2><div class="text-small">No packages published</div><h2 class="h4">Languages</h2></div></div></div></main></div>'
        f'<footer class="footer"><ul>{links(MENUS, document, 7)}</ul><span>© 2024 Example, Inc.</span></footer><div class="ajax-error-message flash flash-error" hidden>You can’t perform that action at this time.</div></body>',
        site=f"{owner}/{repository}",
    )


def shell_blob(document: Document) -> str:
    look = Look(code="blob")
    owner, repository, _, _, *path = document.url.split("/")[3:]
    crumbs = '<span class="separator">/</span>'.join(
        f'<span class="js-path-segment"><a href="#">{part}</a></span>' for part in [repository, *path[:-1]]
    )
    lines = len(document.parts[0][0].lines)
    return whole(
        document,
        f'<body class="logged-in env-production"><header class="Header js-details-container"><div class="Header-item"><a href="/" class="Header-link">Pull requests</a> <a href="/issues" class="Header-link">Issues</a> <a href="/explore" class="Header-link">Explore</a></div></header>'
        f'<main><nav class="js-repo-nav UnderlineNav"><ul>{links(MENUS, document, 4)}</ul></nav><div class="d-flex flex-items-start flex-shrink-0 pb-3 flex-wrap"><details class="branch-select-menu"><summary class="btn"><i>Branch:</i> <span class="css-truncate-target">main</span></summary></details>'
        f'<div id="blob-path" class="breadcrumb flex-auto">{crumbs}<span class="separator">/</span><strong class="final-path">{path[-1]}</strong></div><a href="#" class="btn" data-hotkey="t">Go to file</a></div>'
        f'<div class="Box d-flex flex-column flex-shrink-0 mb-3"><div class="Details d-flex"><span class="commit-author">{some(NAMES, document, 1)[0]}</span> <a class="commit-message" href="#">Tidy up</a> Latest commit <code>9f2c1d0</code> <relative-time>on Jun 3</relative-time></div></div>'
        f'<div class="Box mt-3 position-relative"><div class="Box-header js-blob-header py-2"><div class="text-mono f6">{lines} lines ({lines - 3} sloc) <span class="file-info-divider"></span> {lines * 31} Bytes</div><div class="BtnGroup"><a href="#" id="raw-url" class="btn-sm btn">Raw</a><a class="btn-sm btn">Blame</a></div></div>'
        f'{body_html(document, look)}</div></main><footer class="footer"><ul>{links(MENUS, document, 6)}</ul></footer></body>',
        site=f"{owner}/{repository}",
    )


def shell_sphinx(document: Document) -> str:
    look = Look(
        code="sphinx",
        math="mathjax3",
        heading='<h{level}>{}<a class="headerlink" href="#{anchor}" title="Link to this heading">¶</a></h{level}>',
        table='<div class="wy-table-responsive"><table class="docutils align-default">{}</table></div>',
        item="<li><p>{}</p></li>",
        inline_code='<code class="docutils literal notranslate"><span class="pre">{}</span></code>',
        display='<div class="math notranslate nohighlight">{}</div>',
    )
    toc = links(
        RELATED,
        document,
        9,
        '<li class="toctree-l1"><a class="reference internal" href="{0}.html">{1}</a></li>',
    )
    return whole(
        document,
        '<body class="wy-body-for-nav"><div class="wy-grid-for-nav"><nav data-toggle="wy-nav-shift" class="wy-nav-side"><div class="wy-side-scroll"><div class="wy-side-nav-search">'
        '<a href="index.html" class="icon icon-home"> tooldocs </a><div class="version">2.4</div><div role="search"><form id="rtd-search-form"><input type="text" name="q" placeholder="Search docs"></form></div></div>'
        f'<div class="wy-menu wy-menu-vertical" data-spy="affix" role="navigation"><p class="caption" role="heading"><span class="caption-text">User guide</span></p><ul>{toc}</ul></div></div></nav>'
        '<section data-toggle="wy-nav-shift" class="wy-nav-content-wrap"><nav class="wy-nav-top" aria-label="Mobile navigation menu"><a href="index.html">tooldocs</a></nav><div class="wy-nav-content"><div class="rst-content">'
        f'<div role="navigation" aria-label="Page navigation"><ul class="wy-breadcrumbs"><li><a href="index.html" class="icon icon-home" aria-label="Home"></a></li><li class="breadcrumb-item active">{html.escape(document.title)}</li>'
        '<li class="wy-breadcrumbs-aside"><a href="_sources/page.rst.txt" rel="nofollow"> View page source</a></li></ul><hr></div><div role="main" class="document" itemscope itemtype="http://schema.org/Article"><div itemprop="articleBody">'
        f'<section id="top"><h1>{title_html(document, look)}<a class="headerlink" href="#top" title="Link to this heading">¶</a></h1>\n{body_html(document, look)}\n</section></div></div>'
        '<footer><div class="rst-footer-buttons" role="navigation" aria-label="Footer"><a href="a.html" class="btn btn-neutral float-left" rel="prev">Previous</a><a href="b.html" class="btn btn-neutral float-right" rel="next">Next</a></div><hr>'
        '<div role="contentinfo"><p>&#169; Copyright 2024, the authors.</p></div>Built with Sphinx using a theme provided by Read the Docs.</footer></div></div></section></div></body>',
        head='<link rel="stylesheet" href="_static/pygments.css">\n<script src="_static/documentation_options.js"></script>\n',
        site="tooldocs 2.4 documentation",
    )


def shell_mkdocs(document: Document) -> str:
    look = Look(
        code="mkdocs",
        math="katex",
        heading='<h{level} id="{anchor}">{}<a class="headerlink" href="#{anchor}" title="Permanent link">&para;</a></h{level}>',
        display='<div class="arithmatex">{}</div>',
        table='<div class="md-typeset__scrollwrap"><div class="md-typeset__table"><table>{}</table></div></div>',
    )
    items = links(
        RELATED,
        document,
        7,
        '<li class="md-nav__item"><a href="../{0}/" class="md-nav__link"><span class="md-ellipsis">{1}</span></a></li>',
    )
    contents = "".join(
        f'<li class="md-nav__item"><a href="#s{k}" class="md-nav__link">{html.escape(bare(block.lines[0]))}</a></li>'
        for k, block in enumerate(document.parts[0])
        if block.kind == "heading"
    )
    return whole(
        document,
        '<body dir="ltr" data-md-color-scheme="default"><input class="md-toggle" data-md-toggle="drawer" type="checkbox" id="__drawer"><div data-md-component="skip"><a href="#top" class="md-skip">Skip to content</a></div>'
        '<div data-md-component="announce"><aside class="md-banner"><div class="md-banner__inner">Version 3 is out! <a href="/blog">Read the announcement</a>.</div></aside></div>'
        f'<header class="md-header" data-md-component="header"><nav class="md-header__inner md-grid" aria-label="Header"><span class="md-ellipsis">Fieldbook</span><div class="md-search" role="dialog"><input type="text" class="md-search__input" placeholder="Search"><div class="md-search-result__meta">Initializing search</div></div></nav></header>'
        f'<div class="md-container"><nav class="md-tabs"><ul class="md-tabs__list">{links(MENUS, document, 5)}</ul></nav><main class="md-main"><div class="md-main__inner md-grid"><div class="md-sidebar md-sidebar--primary"><nav class="md-nav md-nav--primary"><ul class="md-nav__list">{items}</ul></nav></div>'
        f'<div class="md-sidebar md-sidebar--secondary"><nav class="md-nav md-nav--secondary" aria-label="Table of contents"><label class="md-nav__title">Table of contents</label><ul class="md-nav__list">{contents}</ul></nav></div>'
        f'<div class="md-content" data-md-component="content"><article class="md-content__inner md-typeset"><a href="/edit" title="Edit this page" class="md-content__button md-icon"></a><h1 id="top">{title_html(document, look)}</h1>\n{body_html(document, look)}\n'
        '<aside class="md-source-file"><span class="md-source-file__fact">Last update: <span class="git-revision-date">3 weeks ago</span></span></aside><form class="md-feedback"><fieldset><legend class="md-feedback__title">Was this page helpful?</legend></fieldset></form></article></div></div></main>'
        '<footer class="md-footer"><nav class="md-footer__inner" aria-label="Footer"><a href="../a/" class="md-footer__link">Previous</a></nav><div class="md-footer-meta">Made with <a href="#">Material</a></div></footer></div></body>',
    )


def shell_notebook(document: Document) -> str:
    look = Look(
        math="mathjax2",
        display="<p>{}</p>",
        heading='<h{level} id="{anchor}">{}<a class="anchor-link" href="#{anchor}">&#182;</a></h{level}>',
    )
    written = [
        f'<div class="cell border-box-sizing text_cell rendered"><div class="prompt input_prompt"></div><div class="inner_cell"><div class="text_cell_render border-box-sizing rendered_html"><h1>{title_html(document, look)}<a class="anchor-link" href="#top">&#182;</a></h1></div></div></div>'
    ]
    number = 0
    for block in document.parts[0]:
        if block.kind != "code":
            written.append(
                f'<div class="cell border-box-sizing text_cell rendered"><div class="prompt input_prompt"></div><div class="inner_cell"><div class="text_cell_render border-box-sizing rendered_html">{block_html(block, document, look)}</div></div></div>'
            )
        elif block.detail == "out":
            lines = html.escape("\n".join(block.lines), quote=False)
            written.append(
                f'<div class="output_wrapper"><div class="output"><div class="output_area"><div class="prompt output_prompt">Out[{number}]:</div><div class="output_text output_subarea output_execute_result"><pre>{lines}</pre></div></div></div></div>'
            )
        else:
            number += 1
            lines = "\n".join(highlight(block, PYGMENTS))
            written.append(
                f'<div class="cell border-box-sizing code_cell rendered"><div class="input"><div class="prompt input_prompt">In&nbsp;[{number}]:</div><div class="inner_cell"><div class="input_area"><div class=" highlight hl-ipython3"><pre><span></span>{lines}\n</pre></div></div></div></div></div>'
            )
    return whole(
        document,
        '<body class="nbviewer"><noscript><div class="alert">Please enable JavaScript</div></noscript><div id="menubar" class="navbar navbar-default navbar-fixed-top"><div class="container"><ul class="nav navbar-nav navbar-right"><li><a href="/">viewer</a></li><li><a href="/faq">FAQ</a></li>'
        '<li><a href="#" title="View as code"><span class="menu-text">View as Code</span></a></li><li><a href="#"><span class="menu-text">Download Notebook</span></a></li></ul></div></div><div class="container container-main"><ol class="breadcrumb"><li><a href="#">notes</a></li><li><a href="#">main</a></li></ol>'
        f'<div id="notebook"><div id="notebook-container">{chr(10).join(written)}</div></div></div><footer class="footer hidden-print"><div class="container"><p>This web site does not host notebooks, it only renders notebooks available on other websites.</p><p class="text-muted">Rendered in 0.42 seconds</p></div></footer></body>',
        head='<script type="text/x-mathjax-config">MathJax.Hub.Config({tex2jax: {inlineMath: [["$","$"]]}});</script>\n',
        site="Notebook viewer",
    )


def shell_mediawiki(document: Document) -> str:
    look = Look(
        math="wikipedia",
        code="mediawiki",
        heading='<div class="mw-heading mw-heading{level}"><h{level} id="{anchor}">{}</h{level}><span class="mw-editsection"><span class="mw-editsection-bracket">[</span><a href="#" title="Edit section"><span>edit</span></a><span class="mw-editsection-bracket">]</span></span></div>',
        display="<dl><dd>{}</dd></dl>",
        table='<table class="wikitable">{}</table>',
    )
    contents = "".join(
        f'<li class="vector-toc-list-item vector-toc-level-1"><a class="vector-toc-link" href="#{k}"><div class="vector-toc-text"><span class="vector-toc-numb">{k}</span><span>{html.escape(bare(b.lines[0]))}</span></div></a></li>'
        for k, b in enumerate(document.parts[0], 1)
        if b.kind == "heading"
    )
    return whole(
        document,
        '<body class="skin--responsive skin-vector mediawiki ltr ns-0"><a class="mw-jump-link" href="#bodyContent">Jump to content</a><div class="vector-header-container"><header class="vector-header mw-header"><nav class="vector-main-menu-landmark" aria-label="Site">'
        f'<div id="p-navigation" class="vector-menu mw-portlet"><ul class="vector-menu-content-list">{links(MENUS, document, 8)}</ul></div></nav><div id="p-search"><form action="/w/index.php"><input type="search" placeholder="Search the wiki"></form></div></header></div>'
        f'<div class="mw-page-container"><div class="vector-column-start"><nav id="mw-panel-toc" class="mw-table-of-contents-container"><div id="vector-toc"><h2>Contents</h2><ul class="vector-toc-contents">{contents}</ul></div></nav></div>'
        f'<main id="content" class="mw-body"><header class="mw-body-header vector-page-titlebar"><h1 id="firstHeading" class="firstHeading mw-first-heading"><span class="mw-page-title-main">{title_html(document, look)}</span></h1></header>'
        '<div class="vector-page-toolbar"><div id="p-namespaces"><ul><li id="ca-talk"><a href="#">Talk</a></li><li id="ca-edit"><a href="#">Edit</a></li><li id="ca-history"><a href="#">View history</a></li></ul></div></div>'
        '<div id="bodyContent" class="vector-body"><div id="siteSub" class="noprint">From the Free Handbook</div><div id="contentSub"></div><div id="mw-content-text" class="mw-body-content"><div class="mw-content-ltr mw-parser-output" dir="ltr">'
        f'{body_html(document, look)}</div><div class="printfooter" data-nosnippet="">Retrieved from "<a dir="ltr" href="{document.url}">{document.url}</a>"</div></div>'
        f'<div id="catlinks" class="catlinks"><div id="mw-normal-catlinks"><a href="#">Categories</a>: <ul><li><a href="#">Unreviewed pages</a></li><li><a href="#">All stubs</a></li></ul></div></div></div></main></div>'
        '<footer id="footer" class="mw-footer"><ul id="footer-info"><li id="footer-info-lastmod"> This page was last edited on 2 May 2023, at 10:44.</li><li id="footer-info-copyright">Text is available under the Creative Commons License.</li></ul><ul id="footer-places"><li><a href="#">Privacy policy</a></li><li><a href="#">Disclaimers</a></li></ul></footer></body>',
        site="The Free Handbook",
    )


def mediawiki_code(block: Block) -> str:
    lines = "\n".join(highlight(block, PYGMENTS))
    return f'<div class="mw-highlight mw-highlight-lang-{block.detail} mw-content-ltr" dir="ltr"><pre><span></span>{lines}\n</pre></div>'


CODES["mediawiki"] = mediawiki_code


def shell_latexml(document: Document) -> str:
    look = Look(
        math="latexml",
        code="listing",
        heading='<h{level} class="ltx_title ltx_title_section">{}</h{level}>',
        paragraph='<div class="ltx_para"><p class="ltx_p">{}</p></div>',
        display="{}",
        table='<figure class="ltx_table"><table class="ltx_tabular ltx_centering ltx_align_middle">{}</table></figure>',
        inline_code='<span class="ltx_text ltx_font_typewriter">{}</span>',
    )
    return whole(
        document,
        '<body><nav class="ltx_page_navbar"><nav class="ltx_TOC"><h6 class="ltx_title ltx_title_contents">Table of Contents</h6><ol class="ltx_toclist">'
        + "".join(
            f'<li class="ltx_tocentry ltx_tocentry_section"><a href="#S{k}" class="ltx_ref"><span class="ltx_text ltx_ref_title">{html.escape(bare(b.lines[0]))}</span></a></li>'
            for k, b in enumerate(document.parts[0])
            if b.kind == "heading"
        )
        + '</ol></nav></nav><div class="package-alerts ltx_document" role="status"><p>HTML conversions sometimes display errors due to content that did not convert correctly from the source.</p></div>'
        f'<div class="ltx_page_main"><div class="ltx_page_content"><article class="ltx_document ltx_authors_1line"><h1 class="ltx_title ltx_title_document">{title_html(document, look)}</h1>\n{body_html(document, look)}\n</article></div>'
        '<footer class="ltx_page_footer"><div class="ltx_page_logo">Generated on Tue Jan  9 by <a href="#" class="ltx_LaTeXML_logo"><span>L<span class="ltx_font_smallcaps">a</span>T<span>e</span></span><span>XML</span></a></div></footer></div>'
        '<div class="ltx_page_footer keyboard-glossary"><h2>Instructions for reporting errors</h2><p>We are continuing to improve HTML versions of papers, and your feedback helps.</p></div></body>',
    )


def listing_code(block: Block) -> str:
    lines = "".join(
        f'<div id="lstnumberx{n}" class="ltx_listingline">'
        + re.sub(
            r"^ +", lambda m: f'<span class="ltx_text ltx_lst_space ltx_font_typewriter">{m[0]}</span>', line
        )
        + "\n</div>"
        for n, line in enumerate(
            highlight(
                block,
                {"keyword": "ltx_text ltx_lst_keyword ltx_font_bold", "name": "ltx_text ltx_lst_identifier"},
            ),
            1,
        )
    )
    return f'<div class="ltx_listing ltx_lst_language_{block.detail} ltx_lstlisting"><div class="ltx_listing_data"><a href="data:text/plain;base64,AA==" download="">⬇</a></div>{lines}</div>'


CODES["listing"] = listing_code


def shell_wordpress(document: Document) -> str:
    look = Look(
        code="syntaxhighlighter",
        math="wordpress",
        display="{}",
        heading='<h{level} class="wp-block-heading">{}</h{level}>',
        table='<figure class="wp-block-table"><table>{}</table></figure>',
    )
    remarks = "".join(
        f'<li id="comment-{k}" class="comment even thread-even depth-1"><article id="div-comment-{k}" class="comment-body"><footer class="comment-meta"><div class="comment-author vcard"><b class="fn">{some(NAMES, document, 4)[k]}</b> <span class="says">says:</span></div></footer><div class="comment-content"><p>{text}</p></div><div class="reply"><a class="comment-reply-link" href="#respond">Reply</a></div></article></li>'
        for k, text in enumerate(some(REMARKS, document, 3))
    )
    return whole(
        document,
        f'<body class="post-template-default single single-post single-format-standard"><div id="page" class="site"><a class="skip-link screen-reader-text" href="#content">Skip to content</a><header id="masthead" class="site-header"><p class="site-title"><a href="/">Chalk and Sand</a></p><p class="site-description">Just another weblog</p>'
        f'<nav id="site-navigation" class="main-navigation"><ul id="menu-main" class="menu">{links(MENUS, document, 6, "<li class=menu-item><a href=/{0}>{1}</a></li>")}</ul></nav></header><div id="content" class="site-content"><div id="primary" class="content-area"><main id="main" class="site-main">'
        f'<article id="post-{document.number}11" class="post type-post status-publish format-standard hentry category-notes"><header class="entry-header"><h1 class="entry-title">{title_html(document, look)}</h1><div class="entry-meta"><span class="posted-on">Posted on <time class="entry-date published">12 November 2015</time></span> <span class="byline">by <a href="#">admin</a></span></div></header>'
        f'<div class="entry-content">\n{body_html(document, look)}\n<div id="jp-post-flair" class="sharedaddy sd-like-enabled sd-sharing-enabled"><div class="sharedaddy sd-sharing-enabled"><div class="robots-nocontent sd-block sd-social"><h3 class="sd-title">Share this:</h3><div class="sd-content"><ul><li class="share-twitter"><a href="#">Twitter</a></li><li class="share-facebook"><a href="#">Facebook</a></li></ul></div></div></div>'
        f'<div id="jp-relatedposts" class="jp-relatedposts"><h3 class="jp-relatedposts-headline"><em>Related</em></h3>{links(RELATED, document, 3, "<p><a href=/{0}>{1}</a></p>")}</div></div></div><footer class="entry-footer"><span class="cat-links">Posted in <a href="#">Notes</a></span><span class="tags-links">Tagged <a href="#">notes</a></span></footer></article>'
        f'<nav class="navigation post-navigation"><h2 class="screen-reader-text">Post navigation</h2><div class="nav-previous"><a href="#">← {some(RELATED, document, 1)[0]}</a></div></nav><div id="comments" class="comments-area"><h2 class="comments-title">3 thoughts on “{html.escape(bare(document.title))}”</h2><ol class="comment-list">{remarks}</ol><div id="respond" class="comment-respond"><h3>Leave a Reply</h3><form><label>Comment</label><textarea></textarea></form></div></div></main></div>'
        f'<aside id="secondary" class="widget-area"><section class="widget widget_search"><form role="search"><input type="search" placeholder="Search …"></form></section><section class="widget widget_recent_entries"><h2 class="widget-title">Recent Posts</h2><ul>{links(RELATED, document, 5)}</ul></section><section class="widget widget_archive"><h2 class="widget-title">Archives</h2><ul><li><a href="#">November 2015</a></li><li><a href="#">August 2015</a></li></ul></section></aside></div>'
        f'<footer id="colophon" class="site-footer"><div class="site-info">Proudly powered by WordPress</div></footer></div><div class="widget widget_eu_cookie_law_widget"><div id="eu-cookie-law">{NOTICES[document.language]}</div></div></body>',
        site="Chalk and Sand",
    )


def shell_jekyll(document: Document) -> str:
    look = Look(
        code="rouge",
        math="unset",
        display="{}",
        inline_code='<code class="language-plaintext highlighter-rouge">{}</code>',
        heading='<h{level} id="{anchor}">{}</h{level}>',
    )
    return whole(
        document,
        f'<body><header class="site-header" role="banner"><div class="wrapper"><a class="site-title" rel="author" href="/">Low Water</a><nav class="site-nav"><input type="checkbox" id="nav-trigger" class="nav-trigger"><div class="trigger">{links(MENUS, document, 4, "<a class=page-link href=/{0}>{1}</a>")}</div></nav></div></header>'
        f'<main class="page-content" aria-label="Content"><div class="wrapper"><article class="post h-entry" itemscope itemtype="http://schema.org/BlogPosting"><header class="post-header"><h1 class="post-title p-name" itemprop="name headline">{title_html(document, look)}</h1><p class="post-meta"><time class="dt-published" itemprop="datePublished">Feb 2, 2019</time></p></header><div class="post-content e-content" itemprop="articleBody">\n{body_html(document, look)}\n</div>'
        '<div id="disqus_thread"></div><noscript>Please enable JavaScript to view the comments.</noscript><a class="u-url" href="#" hidden></a></article></div></main><footer class="site-footer h-card"><div class="wrapper"><div class="footer-col-wrapper"><ul class="contact-list"><li class="p-name">Low Water</li><li><a class="u-email" href="mailto:a@b.example">a@b.example</a></li></ul><p>Notes on tides and types.</p></div></div></footer></body>',
        head='<script src="https://cdn.example/mathjax/2.7.7/MathJax.js?config=TeX-MML-AM_CHTML" async></script>\n',
    )


def shell_hugo(document: Document) -> str:
    look = Look(
        code="chroma",
        math="katex",
        heading='<h{level} id="{anchor}">{}<a hidden class="anchor" aria-hidden="true" href="#{anchor}">#</a></h{level}>',
    )
    return whole(
        document,
        f'<body class="" id="top"><header class="header"><nav class="nav"><div class="logo"><a href="/" accesskey="h" title="Kiln (Alt + H)">Kiln</a><div class="logo-switches"><button id="theme-toggle" accesskey="t"></button></div></div><ul id="menu">{links(MENUS, document, 5)}</ul></nav></header>'
        f'<main class="main"><article class="post-single"><header class="post-header"><div class="breadcrumbs"><a href="/">Home</a>&nbsp;»&nbsp;<a href="/posts/">Posts</a></div><h1 class="post-title entry-hint-parent">{title_html(document, look)}</h1><div class="post-meta"><span title="2022-08-14">August 14, 2022</span>&nbsp;·&nbsp;5 min&nbsp;·&nbsp;847 words</div></header>'
        f'<div class="post-content">{body_html(document, look)}</div><footer class="post-footer"><ul class="post-tags"><li><a href="/tags/a/">notes</a></li></ul><nav class="paginav"><a class="prev" href="#"><span class="title">« Prev</span><br><span>{some(RELATED, document, 1)[0]}</span></a></nav><ul class="share-buttons"><li><a target="_blank" rel="noopener noreferrer" aria-label="share on x" href="#"><svg></svg></a></li></ul></footer></article></main>'
        '<footer class="footer"><span>&copy; 2024 <a href="/">Kiln</a></span> <span>Powered by <a href="#">Hugo</a></span></footer></body>',
    )


def shell_octopress(document: Document) -> str:
    look = Look(code="octopress", math="svg", display="{}")
    return whole(
        document,
        f'<body class="collapse-sidebar sidebar-footer"><header role="banner"><hgroup><h1><a href="/">The Second Draft</a></h1><h2>Code, mostly.</h2></hgroup></header><nav role="navigation"><ul class="subscription"><li><a href="/atom.xml" rel="subscribe-rss" title="subscribe via RSS">RSS</a></li></ul><form action="/search"><input class="search" type="text" placeholder="Search"></form><ul class="main-navigation">{links(MENUS, document, 3)}</ul></nav>'
        f'<div id="main"><div id="content"><div><article class="hentry" role="article"><header><h1 class="entry-title">{title_html(document, look)}</h1><p class="meta"><time pubdate>Mar 9<span>th</span>, 2013</time> | <a href="#disqus_thread">Comments</a></p></header><div class="entry-content">{body_html(document, look)}</div><footer><p class="meta"><span class="byline author vcard">Posted by <span class="fn">Someone</span></span></p><div class="sharing"><a href="//twitter.example/share" class="twitter-share-button">Tweet</a></div><p class="meta"><a class="basic-alignment left" href="#" title="Previous Post">&laquo; {some(RELATED, document, 1)[0]}</a></p></footer></article></div>'
        f'<aside class="sidebar"><section><h1>Recent Posts</h1><ul id="recent_posts">{links(RELATED, document, 4, "<li class=post><a href=/{0}>{1}</a></li>")}</ul></section></aside></div></div><footer role="contentinfo"><p>Copyright &copy; 2013 - Someone - <span class="credit">Powered by Octopress</span></p></footer></body>',
    )


def shell_man(document: Document) -> str:
    look = Look(
        code="plain",
        heading='<h1 class="Sh" title="Sh" id="{anchor}"><a class="permalink" href="#{anchor}">{}</a></h1>',
        inline_code='<code class="Nm">{}</code>',
        paragraph='<p class="Pp">{}</p>',
        item="<li>{}</li>",
    )
    name = document.title
    return whole(
        document,
        f'<body><div id="topbar"><a href="/">manual pages</a> <form action="/cgi-bin/man.cgi"><input name="query" value="{name}"><select name="sec"><option>All Sections</option><option>1 - General Commands</option><option>8 - System Manager</option></select><button>Search</button></form></div><table class="head"><tr><td class="head-ltitle">{name.upper()}</td><td class="head-vol">General Commands Manual</td><td class="head-rtitle">{name.upper()}</td></tr></table>'
        f'<div class="manual-text"><h1>{name}</h1>{body_html(document, look)}</div><table class="foot"><tr><td class="foot-date">April 4, 2021</td><td class="foot-os">ShoreBSD 7.1</td></tr></table><hr><p class="footer"><a href="/">home</a> | <a href="/help">help</a></p></body>',
    )


def shell_rustdoc(document: Document) -> str:
    look = Look(
        code="rustdoc",
        math="katex",
        heading='<h{level} id="{anchor}"><a class="doc-anchor" href="#{anchor}">§</a>{}</h{level}>',
        table="<div><table>{}</table></div>",
    )
    return whole(
        document,
        f'<body class="rustdoc fn"><nav class="mobile-topbar"><button class="sidebar-menu-toggle"></button></nav><nav class="sidebar"><div class="sidebar-crate"><h2><a href="../index.html">tarn</a><span class="version">0.9.2</span></h2></div><div class="sidebar-elems"><section><h3><a href="#">Sections</a></h3><ul class="block top-toc"><li><a href="#examples">Examples</a></li></ul></section><div id="rustdoc-modnav"><h2><a href="index.html">In tarn::<wbr>grid</a></h2></div></div></nav>'
        f'<main><div class="width-limiter"><rustdoc-search></rustdoc-search><section id="main-content" class="content"><div class="main-heading"><div class="rustdoc-breadcrumbs"><a href="../index.html">tarn</a>::<wbr><a href="index.html">grid</a></div><h1>{title_html(document, look)}</h1><rustdoc-toolbar></rustdoc-toolbar><span class="sub-heading"><a class="src" href="#">Source</a></span></div>'
        f'<details class="toggle top-doc" open><summary class="hideme"><span>Expand description</span></summary><div class="docblock">{body_html(document, look)}</div></details></section></div></main></body>',
    )


def shell_doxygen(document: Document) -> str:
    look = Look(
        code="doxygen",
        math="codecogs",
        heading='<h{level} class="groupheader"><a id="{anchor}" name="{anchor}"></a>{}</h{level}>',
        table='<table class="params">{}</table>',
        display='<p class="formulaDsp">{}</p>',
    )
    return whole(
        document,
        '<body><div id="top"><div id="titlearea"><table cellspacing="0" cellpadding="0"><tbody><tr id="projectrow"><td id="projectalign"><div id="projectname">libfathom<span id="projectnumber">&#160;1.8</span></div></td></tr></tbody></table></div><script type="text/javascript">var searchBox = new SearchBox("searchBox", "search/",".html");</script>'
        '<div id="main-nav"><ul class="sm sm-dox"><li><a href="index.html">Main Page</a></li><li><a href="modules.html">Modules</a></li><li><a href="annotated.html">Data Structures</a></li><li><a href="files.html">Files</a></li></ul></div></div>'
        f'<div class="header"><div class="summary"><a href="#define-members">Macros</a> &#124; <a href="#func-members">Functions</a></div><div class="headertitle"><h1 class="title">{title_html(document, look)}</h1></div></div><div class="contents">{body_html(document, look)}</div>'
        '<hr class="footer"/><address class="footer"><small>Generated by&#160;<a href="#"><img class="footer" src="doxygen.svg" width="104" height="31" alt="doxygen"/></a> 1.9.8</small></address></body>',
    )


def shell_textbook(document: Document) -> str:
    look = Look(
        math="mathjax3",
        heading='<h{level} class="heading hide-type"><span class="title">{}</span></h{level}>',
        paragraph='<div class="para logical"><div class="para">{}</div></div>',
        display='<div class="displaymath process-math">{}</div>',
        code="pre",
    )
    return whole(
        document,
        f'<body class="pretext book ignore-math"><a class="assistive" href="#ptx-content">Skip to main content</a><header id="ptx-masthead" class="ptx-masthead smallbuttons"><div class="ptx-banner"><div class="title-container"><p class="pretext"><span class="title">A Second Course</span></p></div></div></header><nav id="ptx-navbar" class="ptx-navbar navbar"><button class="toc-toggle button"><span class="name">Contents</span></button><a class="index-button" href="#"><span class="name">Index</span></a><span class="nav-other-controls"><a class="previous-button button" href="#"><span class="name">Prev</span></a><a class="next-button" href="#"><span class="name">Next</span></a></span></nav>'
        f'<div id="latex-macros" class="hidden-content process-math" style="display:none">\\(\\newcommand{{\\R}}{{\\mathbb R}}\\)</div><div class="ptx-page"><div id="ptx-sidebar" class="ptx-sidebar"><nav id="ptx-toc" class="ptx-toc"><ul class="structural">{links(RELATED, document, 9, "<li class=toc-item><a class=internal href={0}.html><span class=title>{1}</span></a></li>")}</ul></nav></div><main class="ptx-main"><div id="ptx-content" class="ptx-content"><section class="section"><h2 class="heading hide-type"><span class="type">Section</span> <span class="title">{title_html(document, look)}</span></h2>{body_html(document, look)}</section></div>'
        '<div class="ptx-content-footer"><a class="previous-button button" href="#">Prev</a><a class="top-button button" href="#">Top</a></div></main></div><div class="ptx-page-footer"><a class="pretext-link" href="#"><span>Authored in PreTeXt</span></a></div></body>',
    )


def shell_forum(document: Document) -> str:
    look = Look(
        code="phpbb",
        math="oldwiki",
        paragraph="{}<br><br>",
        display="{}<br><br>",
        heading="<strong>{}</strong><br><br>",
        item="<li>{}</li>",
    )
    posts = "".join(
        f'<div id="p{k}" class="post has-profile bg{k % 2 + 1}"><div class="inner"><dl class="postprofile"><dt><a href="#" class="username">{some(NAMES, document, 5)[k]}</a></dt><dd class="profile-rank">Deckhand</dd><dd class="profile-posts"><strong>Posts:</strong> <a href="#">{41 * k + 6}</a></dd><dd class="profile-joined"><strong>Joined:</strong> Tue Aug 05, 2008 8:1{k} pm</dd></dl><div class="postbody"><div id="post_content{k}"><h3{" class=first" if k == 0 else ""}><a href="#p{k}">{"Re: " if k else ""}{html.escape(bare(document.title))}</a></h3><p class="author"><a class="unread" href="#"><span class="sr-only">Post</span></a> <span class="responsive-hide">by <strong><a href="#" class="username">{some(NAMES, document, 5)[k]}</a></strong> » </span><time>Mon Sep 0{k + 1}, 2014 6:30 pm</time></p>'
        f'<div class="content">{write_html(part, document, look)}</div><div id="sig{k}" class="signature">“Measure twice.”</div></div></div><div class="back2top"><a href="#top" class="top">Top</a></div></div></div><hr class="divider">'
        for k, part in enumerate(document.parts)
    )
    return whole(
        document,
        f'<body id="phpbb" class="nojs notouch section-viewtopic ltr"><div id="wrap" class="wrap"><div id="page-header"><div class="headerbar" role="banner"><p class="site-name">Harbour Workshop</p><p>Community board</p></div><div class="navbar" role="navigation"><ul id="nav-main" class="nav-main linklist">{links(MENUS, document, 6)}</ul><ul id="nav-breadcrumbs"><li class="breadcrumbs"><a href="#">Board index</a> » <a href="#">General</a></li></ul></div></div>'
        f'<div id="page-body" class="page-body" role="main"><h2 class="topic-title"><a href="#">{title_html(document, look)}</a></h2><div class="action-bar bar-top"><a href="#" class="button" title="Post a reply"><span>Post Reply</span></a><div class="pagination">{len(document.parts)} posts • Page <strong>1</strong> of <strong>1</strong></div></div>{posts}'
        '<div class="stat-block online-list"><h3>Who is online</h3><p>Users browsing this forum: No registered users and 2 guests</p></div></div><div id="page-footer" class="page-footer"><div class="navbar"><ul><li>All times are UTC</li><li><a href="#">Delete cookies</a></li></ul></div><div class="copyright"><p>Powered by phpBB® Forum Software</p></div></div></div></body>',
        site="Harbour Workshop",
    )


def phpbb_code(block: Block) -> str:
    lines = html.escape("\n".join(block.lines), quote=False)
    return f'<div class="codebox"><p>Code: <a href="#" onclick="selectCode(this); return false;">Select all</a></p><pre><code>{lines}\n</code></pre></div><br>'


CODES["phpbb"] = phpbb_code


def shell_tables(document: Document) -> str:
    look = Look(
        code="plain",
        math="oldwiki",
        display="<center>{}</center>",
        paragraph="<P>{}",
        item="<LI>{}",
        heading='<H{level}><FONT COLOR="#003366">{}</FONT></H{level}>',
        inline_code="<TT>{}</TT>",
        table='<TABLE BORDER="1" CELLPADDING="3">{}</TABLE>',
    )
    menu = links(MENUS, document, 8, '<TR><TD><A HREF="{0}.htm"><FONT SIZE="-1">{1}</FONT></A></TD></TR>')
    return (
        f'<HTML>\n<HEAD>\n<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=utf-8">\n<TITLE>{html.escape(bare(document.title))}</TITLE>\n</HEAD>\n<BODY BGCOLOR="#FFFFFF" LINK="#0000CC">\n'
        f'<TABLE WIDTH="100%" BORDER="0" CELLSPACING="0"><TR><TD COLSPAN="2" BGCOLOR="#003366"><FONT COLOR="white" SIZE="+2">The Harbour School Pages</FONT></TD></TR>\n<TR><TD WIDTH="140" VALIGN="TOP" BGCOLOR="#EEEEEE"><TABLE>{menu}</TABLE><P><IMG SRC="counter.gif" ALT="counter"></TD>\n'
        f'<TD VALIGN="TOP"><H1>{title_html(document, look)}</H1>\n{body_html(document, look)}\n<HR><FONT SIZE="-1"><A HREF="index.htm">Back to the index</A> | <A HREF="mailto:x@y.example">Mail me</A><BR>Last updated 11 Oct 1999. Best viewed at 800x600.</FONT></TD></TR></TABLE>\n</BODY>\n</HTML>\n'
    )


def shell_bare(document: Document) -> str:
    look = Look(code="plain", math="mathml", display="{}")
    return f"<!doctype html>\n<meta charset=utf-8>\n<title>{html.escape(bare(document.title))}</title>\n<h1>{title_html(document, look)}</h1>\n{body_html(document, look)}\n"


def shell_docusaurus(document: Document) -> str:
    look = Look(
        code="react",
        math="katex",
        heading='<h{level} class="anchor anchorWithStickyNavbar_LWe7" id="{anchor}">{}<a href="#{anchor}" class="hash-link" aria-label="Direct link to {anchor}" title="Direct link">​</a></h{level}>',
    )
    menu = links(
        RELATED,
        document,
        8,
        '<li class="theme-doc-sidebar-item-link menu__list-item"><a class="menu__link" href="/docs/{0}">{1}</a></li>',
    )
    return whole(
        document,
        f'<body class="navigation-with-keyboard"><div id="__docusaurus"><div role="region" aria-label="Skip to main content"><a class="skipToContent_fXgn" href="#__docusaurus_skipToContent_fallback">Skip to main content</a></div><nav aria-label="Main" class="navbar navbar--fixed-top"><div class="navbar__inner"><div class="navbar__items">{links(MENUS, document, 5, "<a class=navbar__item href=/{0}>{1}</a>")}</div></div></nav>'
        f'<div class="main-wrapper"><div class="docsWrapper_hBAB"><aside class="theme-doc-sidebar-container"><nav aria-label="Docs sidebar" class="menu thin-scrollbar"><ul class="theme-doc-sidebar-menu menu__list">{menu}</ul></nav></aside><main class="docMainContainer_TBSr"><div class="container padding-top--md"><div class="row"><div class="col docItemCol_VOVn"><div class="docItemContainer_Djhp"><article><nav class="theme-doc-breadcrumbs" aria-label="Breadcrumbs"><ul class="breadcrumbs"><li class="breadcrumbs__item"><a href="/">Home</a></li><li class="breadcrumbs__item breadcrumbs__item--active"><span class="breadcrumbs__link">Guides</span></li></ul></nav><span class="theme-doc-version-badge badge badge--secondary">Version: 5.x</span>'
        f'<div class="theme-doc-markdown markdown"><header><h1>{title_html(document, look)}</h1></header>{body_html(document, look)}</div><footer class="theme-doc-footer"><a href="/edit" class="theme-edit-this-page">Edit this page</a></footer></article><nav class="pagination-nav docusaurus-mt-lg" aria-label="Docs pages"><a class="pagination-nav__link pagination-nav__link--prev" href="#"><div class="pagination-nav__sublabel">Previous</div><div class="pagination-nav__label">Install</div></a></nav></div></div></div></div></main></div></div>'
        f'<footer class="footer footer--dark"><div class="container"><div class="row footer__links">{links(MENUS, document, 6, "<a class=footer__link-item href=/{0}>{1}</a>")}</div><div class="footer__copyright">Copyright © 2024 Example.</div></div></footer></div></body>',
    )


def shell_blogger(document: Document) -> str:
    look = Look(
        code="blogger",
        math="mathjax2",
        paragraph="<div>{}</div><div><br /></div>",
        heading="<h{level}>{}</h{level}>",
        display="{}<div><br /></div>",
    )
    return whole(
        document,
        f"<body class='loading'><div class='navbar section' id='navbar'><div class='widget Navbar'><iframe src='#'></iframe></div></div><div class='content'><header><div class='header-outer'><h1 class='title'><a href='/'>Evening Arithmetic</a></h1></div></header><div class='tabs-outer'><ul>{links(MENUS, document, 4)}</ul></div><div class='main-outer'><div class='column-center-outer'><div class='date-outer'><h2 class='date-header'><span>Thursday, June 7, 2012</span></h2>"
        f"<div class='post hentry uncustomized-post-template'><h3 class='post-title entry-title' itemprop='name'>{title_html(document, look)}</h3><div class='post-body entry-content' id='post-body-{document.number}' itemprop='description articleBody'>{body_html(document, look)}<div style='clear: both;'></div></div><div class='post-footer'><div class='post-footer-line post-footer-line-1'><span class='post-author vcard'>Posted by <span class='fn'>Someone</span></span> <span class='post-timestamp'>at <abbr class='published'>9:30 PM</abbr></span><div class='post-share-buttons goog-inline-block'><a class='goog-inline-block share-button sb-email' href='#'><span class='share-button-link-text'>Email This</span></a><a class='share-button sb-blog' href='#'><span class='share-button-link-text'>BlogThis!</span></a></div></div><div class='post-footer-line'><span class='post-labels'>Labels: <a href='#' rel='tag'>evening</a></span></div></div></div>"
        f"<div class='comments' id='comments'><h4>2 comments:</h4><div id='comment-holder'><ol id='top-ra'>{''.join(f'<li class=comment id=c{k}><div class=comment-block><div class=comment-header><cite class=user>Anonymous</cite></div><p class=comment-content>{t}</p></div></li>' for k, t in enumerate(some(REMARKS, document, 2)))}</ol></div></div></div></div>"
        f"<div class='column-right-outer'><aside><div class='widget PopularPosts'><h2>Popular Posts</h2><ul>{links(RELATED, document, 5)}</ul></div><div class='widget BlogArchive'><h2>Blog Archive</h2><ul><li>2012 (14)</li><li>2011 (30)</li></ul></div></aside></div></div><footer><div class='footer-outer'>Simple theme. Powered by <a href='#'>Blogger</a>.</div></footer></div></body>",
    )


def shell_magazine(document: Document) -> str:
    look = Look(
        code="medium",
        math="codecogs",
        paragraph='<p id="a1b2" class="pw-post-body-paragraph nj nk fr">{}</p>',
        heading='<h{level} id="c3" class="oh oi fr bf">{}</h{level}>',
        display='<figure class="pt"><div role="button">{}</div></figure>',
        inline_code='<code class="cx pv pw px b">{}</code>',
        item='<li id="d4" class="nj nk">{}</li>',
    )
    return whole(
        document,
        f'<body><div id="root"><div class="a b c"><div class="d e f"><div class="headerbar"><a href="/">Open in app</a><a href="#">Sign up</a><a href="#">Sign in</a></div></div><div class="cf l"><article><div class="l"><section><div><div class="fi fj"><div class="ch bg"><div><h1 id="t1" class="pw-post-title gr gs" data-testid="storyTitle">{title_html(document, look)}</h1><div class="speechify-ignore ab cp"><div class="ab"><a href="#"><div class="l"><img alt="Portrait" class="l ep" src="p.jpg" width="44" height="44"></div></a><div><a href="#">Wren Aldous</a><span>·</span><a href="#">Follow</a></div><div><span>6 min read</span><span>·</span><span>Jan 21, 2021</span></div></div><div class="pw-multi-vote-icon"><button>--</button></div><div><button aria-label="Listen">Listen</button><button>Share</button></div></div>\n{body_html(document, look)}\n'
        f'</div></div></div></div></section></div></article><div class="tags"><a href="#">Programming</a><a href="#">Notes</a></div><div class="pw-multi-vote-count">312</div><div class="author-footer"><h2>Written by Wren Aldous</h2><p>1.2K Followers</p></div><div class="recommendations"><h2>More from Wren Aldous</h2>{links(RELATED, document, 4, "<article><h2><a href=/{0}>{1}</a></h2><p>4 min read</p></article>")}</div><div class="footer">{links(MENUS, document, 7, "<a href=/{0}>{1}</a>")}</div></div></div></div></body>',
    )


def medium_code(block: Block) -> str:
    lines = "<br>".join(highlight(block, HLJS))
    return f'<pre class="pt pu pv pw px qx ql qy bp qz bb bk"><span id="7f3d" class="ra oi fr ql b bg" data-selectable-paragraph="">{lines}</span></pre>'


CODES["medium"] = medium_code


def shell_course(document: Document) -> str:
    look = Look(
        math="mathjax3",
        display="{}",
        code="pre",
        heading="<h{level}>{}</h{level}>",
        table='<table class="table table-striped">{}</table>',
    )
    return whole(
        document,
        f'<body><header class="uni-header"><a class="logo" href="/"><img src="/logo.svg" alt="University logo"></a><ul class="meta-nav">{links(MENUS, document, 4)}</ul></header><div id="breadcrumb"><a href="/">Start</a> &gt; <a href="/dept">Department</a> &gt; <a href="/teaching">Teaching</a></div><div class="row"><div class="col-md-3" id="navi"><ul class="nav nav-pills nav-stacked">{links(RELATED, document, 6)}</ul></div><div class="col-md-9" id="inhalt"><h1>{title_html(document, look)}</h1>\n{body_html(document, look)}\n</div></div>'
        f'<footer class="uni-footer"><div class="container"><address>Example Street 1, 12345 Town<br>Tel. 000 / 1234-0</address><ul>{links(MENUS, document, 5)}</ul></div></footer><div class="cookie-consent" id="cookie-consent"><p>{NOTICES[document.language]}</p><button>OK</button></div></body>',
    )


def shell_mailinglist(document: Document) -> str:
    look = Look(code="plain", paragraph="{}", item="{}")
    text = []
    for block in document.parts[0]:
        lines = write_block(block, document).split("\n")
        text.append("\n".join(html.escape(line, quote=False) for line in lines))
    return (
        f'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2//EN">\n<HTML>\n <HEAD>\n   <TITLE> [harbour-dev] {html.escape(document.title)}\n   </TITLE>\n   <LINK REL="Index" HREF="index.html" >\n </HEAD>\n <BODY BGCOLOR="#ffffff">\n   <H1>{title_html(document, look)}</H1>\n    <B>Wren Aldous</B> \n    <A HREF="mailto:x">wren at harbour.example\n       </A><BR>\n    <I>Tue Mar 14 09:26:53 UTC 2006</I>\n    <P><UL>\n        <LI>Previous message: <A HREF="000313.html">[harbour-dev] weekly report\n</A></li>\n        <LI>Next message: <A HREF="000315.html">[harbour-dev] holidays\n</A></li>\n         <LI> <B>Messages sorted by:</B> \n              <a href="date.html#314">[ date ]</a>\n              <a href="thread.html#314">[ thread ]</a>\n         </LI>\n       </UL>\n    <HR>  \n<!--beginarticle-->\n'
        f'<PRE>{(chr(10) * 2).join(text)}\n</PRE>\n<!--endarticle-->\n    <HR>\n    <P><UL>\n        <!--threads-->\n\t<LI>Previous message: <A HREF="000313.html">[harbour-dev] weekly report\n</A></li>\n       </UL>\n<hr>\n<a href="http://lists.harbour.example/listinfo">More information about the harbour-dev\nmailing list</a><br>\n</body></html>\n'
    )


def shell_tutorial(document: Document) -> str:
    look = Look(code="prism", math="katex", table='<table class="ws-table-all">{}</table>')
    return whole(
        document,
        f'<body><div id="tnb-google-search-mobile-container"></div><div id="topnav" class="w3-bar">{links(MENUS, document, 8, "<a class=w3-bar-item href=/{0}>{1}</a>")}</div><div class="w3-sidebar w3-collapse" id="sidenav"><div id="leftmenuinner"><h2 class="left"><span class="left_h2">Tutorial</span></h2>{links(RELATED, document, 12, "<a target=_top href={0}.asp>{1}</a>")}</div></div><div class="w3-main w3-light-grey" id="belowtopnav"><div class="w3-row"><div class="w3-col l10 m12" id="main"><div id="mainLeaderboard" style="overflow:hidden;"><div id="adngin-main_leaderboard-0">ADVERTISEMENT</div></div><h1>{title_html(document, look)}</h1><div class="w3-clear nextprev"><a class="w3-left w3-btn" href="#">&#10094; Previous</a><a class="w3-right w3-btn" href="#">Next &#10095;</a></div><hr>'
        f'{body_html(document, look)}<br><div class="w3-clear nextprev"><a class="w3-left w3-btn" href="#">&#10094; Previous</a><a class="w3-right w3-btn" href="#">Next &#10095;</a></div><div id="mypagediv2"></div></div><div class="w3-col l2" id="right"><div class="sidesection"><h4>COLOR PICKER</h4></div><div class="sidesection"><div id="sharewrap">Share on Facebook Share on Twitter</div></div></div></div><div id="footer" class="footer"><div class="w3-row"><h5>Top Tutorials</h5>{links(RELATED, document, 5, "<a href=/{0}>{1}</a><br>")}</div><p>Examples might be simplified to improve reading. We cannot warrant full correctness of all content.</p></div></div></body>',
    )


def shell_xhtml(document: Document) -> str:
    look = Look(math="prefixed", code="plain", display='<div class="equation">{}</div>')
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1 plus MathML 2.0//EN" "http://www.w3.org/Math/DTD/mathml2/xhtml-math11-f.dtd">\n'
        f'<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="{document.language}"><head><title>{html.escape(bare(document.title))}</title></head>\n<body><div class="navbar"><p>[<a href="next.xhtml">next</a>] [<a href="prev.xhtml">prev</a>] [<a href="index.xhtml">up</a>]</p></div>\n<div class="chapter"><h1>{title_html(document, look)}</h1>\n{body_html(document, look)}\n</div><hr/><div class="navbar"><p>[<a href="next.xhtml">next</a>] [<a href="index.xhtml">up</a>]</p></div></body></html>\n'
    )


def shell_quarto(document: Document) -> str:
    look = Look(
        math="parentheses",
        code="quarto",
        heading='<section id="{anchor}" class="level{level}"><h{level} class="anchored" data-anchor-id="{anchor}">{}</h{level}></section>',
        table='<table class="caption-top table">{}</table>',
        display="<p>{}</p>",
    )
    contents = "".join(
        f'<li><a href="#{k}" class="nav-link">{html.escape(bare(b.lines[0]))}</a></li>'
        for k, b in enumerate(document.parts[0])
        if b.kind == "heading"
    )
    return whole(
        document,
        f'<body class="nav-sidebar floating fullcontent"><div id="quarto-search-results"></div><header id="quarto-header" class="headroom fixed-top"><nav class="navbar"><a class="navbar-brand" href="./index.html">Field Statistics</a><ul class="navbar-nav">{links(MENUS, document, 4)}</ul></nav></header><div id="quarto-content" class="quarto-container page-columns"><nav id="quarto-sidebar" class="sidebar collapse"><div class="sidebar-menu-container"><ul class="list-unstyled">{links(RELATED, document, 6)}</ul></div></nav><div id="quarto-margin-sidebar" class="sidebar margin-sidebar"><nav id="TOC" role="doc-toc" class="toc-active"><h2 id="toc-title">On this page</h2><ul>{contents}</ul></nav></div>'
        f'<main class="content" id="quarto-document-content"><header id="title-block-header" class="quarto-title-block default"><div class="quarto-title"><h1 class="title">{title_html(document, look)}</h1></div></header>{body_html(document, look)}<nav class="page-navigation"><div class="nav-page nav-page-previous"><a href="#" class="pagination-link"><span class="nav-page-text">Preface</span></a></div></nav></main></div></body>',
    )


def quarto_code(block: Block) -> str:
    if block.detail == "out":
        return f'<div class="cell-output cell-output-stdout"><pre><code>{html.escape(chr(10).join(block.lines), quote=False)}</code></pre></div>'
    n = len(block.lines)
    lines = "\n".join(
        f'<span id="cb{n}-{k}"><a href="#cb{n}-{k}" aria-hidden="true" tabindex="-1"></a>{line}</span>'
        for k, line in enumerate(
            highlight(
                block, {"keyword": "cf", "comment": "co", "string": "st", "number": "dv", "operator": "op"}
            ),
            1,
        )
    )
    return f'<div class="cell"><div class="sourceCode cell-code" id="cb{n}"><pre class="sourceCode {block.detail} code-with-copy"><code class="sourceCode {block.detail}">{lines}</code><button title="Copy to Clipboard" class="code-copy-button"><i class="bi"></i></button></pre></div></div>'


CODES["quarto"] = quarto_code


def shell_reference(document: Document) -> str:
    look = Look(
        code="prism",
        math="mathml",
        table='<figure class="table-container"><table>{}</table></figure>',
        heading='<h{level} id="{anchor}"><a href="#{anchor}">{}</a></h{level}>',
        display="{}",
    )
    return whole(
        document,
        f'<body><ul id="nav-access" class="a11y-nav"><li><a href="#content">Skip to main content</a></li></ul><div class="page-wrapper"><div class="top-banner"><section class="place"><p>Ad: Learn to sail in a week.</p></section></div><header class="top-navigation"><nav class="main-nav"><ul>{links(MENUS, document, 5)}</ul></nav></header><div class="main-wrapper"><div class="sidebar-container"><aside id="sidebar-quicklinks" class="sidebar"><nav aria-label="Related Topics"><ol>{links(RELATED, document, 8)}</ol></nav></aside></div>'
        f'<main id="content" class="main-content"><article class="main-page-content" lang="en-US"><header><h1>{title_html(document, look)}</h1></header><div class="section-content">{body_html(document, look)}</div></article><aside class="article-footer"><div class="article-footer-inner"><h2>Help improve this reference</h2><fieldset class="feedback"><label>Was this page helpful to you?</label><button>Yes</button><button>No</button></fieldset><p class="last-modified-date">This page was last modified on <time>Jul 5, 2023</time> by contributors.</p></div></aside></main></div></div><footer id="nav-footer" class="page-footer"><ul>{links(MENUS, document, 6)}</ul></footer></body>',
    )


def shell_encyclopedia(document: Document) -> str:
    look = Look(
        math="codecogs",
        code="plain",
        display='<div align="center">{}</div>',
        heading="<h{level}>{}</h{level}>",
    )
    return whole(
        document,
        f'<body><div class="ct-header" style="background:#205"><a href="/"><img src="logo.gif" alt=""></a></div><div id="nav"><b>Topics</b><br>{links(RELATED, document, 7, "<a href=/{0}.html>{1}</a><br>")}</div><div id="crumbs"><a href="/">Algebra</a> &gt; <a href="/x">Number theory</a></div><!-- Begin Content --><div id="art"><h1>{title_html(document, look)}</h1><hr>{body_html(document, look)}</div><!-- End Content --><div class="refs"><p class="CiteAs"><b>Cite this as:</b> Aldous, W. From the Harbour Encyclopedia.</p><h6>Subject classifications</h6></div><div id="bottom">{links(MENUS, document, 8, "<a href=/{0}>{1}</a> | ")}<br>© 1999-2024</div></body>',
    )


SHELLS: dict[str, Callable[[Document], str]] = {
    name.removeprefix("shell_"): function
    for name, function in list(globals().items())
    if name.startswith("shell_")
}


# ---------------------------------------------------------------- sources of the pages
# A page begins with "@ shell kind language address options"; the line after that is its title.

SOURCES = r"""
@ qa code en https://questions.example/q/10311
# Why does my sorted list come back as None in Python?
I want to sort the tide heights that I read from a file and then print the three largest. Sorting seems to
work, but the result is always `None`:

```python
def largest(path, count=3):
    with open(path) as lines:
        heights = [float(line) for line in lines if line.strip()]
    heights = heights.sort(reverse=True)
    return heights[:count]

print(largest("tides.txt"))
```

The last line raises this error, and I do not understand where the `None` comes from:

```text
Traceback (most recent call last):
  File "tides.py", line 7, in <module>
    print(largest("tides.txt"))
  File "tides.py", line 5, in largest
    return heights[:count]
TypeError: 'NoneType' object is not subscriptable
```
-----
`list.sort` changes the list in place and returns `None`, so the assignment throws your list away. Either leave
out the assignment or use `sorted`, which makes a new list:

```python
heights = sorted(heights, reverse=True)
```

As a rule, methods of the standard library that change an object return nothing, so that nobody can mistake the
changed object for a copy.
-----
If you only ever need a few of the largest values, you do not have to sort at all. A heap does less work on long
files:

```python
import heapq

def largest(path, count=3):
    with open(path) as lines:
        heights = (float(line) for line in lines if line.strip())
        return heapq.nlargest(count, heights)
```

This keeps `count` numbers in memory instead of all of them.

@ qa code en https://questions.example/q/88120
# Is it safe to return a pointer to a local array in C?
My function builds a label and returns it. It prints correctly in a debug build and prints rubbish when I turn
optimisation on.

```c
#include <stdio.h>

char *label(int berth)
{
	char text[32];

	snprintf(text, sizeof text, "berth-%03d", berth);
	return text;	/* warning: returns address of local variable */
}
```

The compiler warns me, but since it worked I ignored the warning. What are my options?
-----
It is never safe. The array lives on the stack frame of `label`, and that frame is gone once the function has
returned. You have three options:

1. Let the caller provide the memory.
2. Allocate with `malloc` and document that the caller must call `free`.
3. Make the array `static`, which gives you one shared buffer and trouble with threads.

The first one is what most C programs do:

```c
int label(char *text, size_t size, int berth)
{
	int length = snprintf(text, size, "berth-%03d", berth);

	return length >= 0 && (size_t)length < size ? 0 : -1;
}
```

Returning a status also tells the caller when the text did not fit.

@ qa math en https://mathquestions.example/q/40412
# How can I see that $\sqrt{2} + \sqrt{3}$ is irrational?
I know the usual proof that $\sqrt{2}$ is irrational, and the same idea works for $\sqrt{3}$. But the sum of two
irrational numbers can be rational, so I do not see how to conclude. Is there a short argument?
-----
Suppose that $r = \sqrt{2} + \sqrt{3}$ were rational. Squaring gives

$$r^2 = 5 + 2\sqrt{6},$$

and therefore $\sqrt{6} = \frac{r^2 - 5}{2}$ would be rational as well. But if $\sqrt{6} = \frac{p}{q}$ in lowest
terms, then $p^2 = 6q^2$, so $p$ is even, so $4$ divides $6q^2$, so $q$ is even too, which contradicts lowest terms.
-----
Another way is to find a polynomial. From $(r^2 - 5)^2 = 24$ you get

$$r^4 - 10r^2 + 1 = 0.$$

A rational root of a monic polynomial with integer coefficients is an integer that divides the constant term, so
$r$ would have to be $1$ or $-1$. Since $3 < r < 4$, neither is possible.

@ qa mixed en https://mathquestions.example/q/51377 math=mathjax2
# Why does the naive formula for the variance give a negative result?
I compute the variance of a list of measurements with the formula from my textbook,

$$\sigma^2 = \frac{1}{n} \sum_{i=1}^{n} x_i^2 - \mu^2,$$

and for measurements near $10^9$ the result is sometimes negative. How can a variance be negative?

```python
def variance(values):
    n = len(values)
    mean = sum(values) / n
    return sum(v * v for v in values) / n - mean * mean
```
-----
Both terms are near $10^{18}$, and a double has about 16 digits. Their difference has lost all of its digits. Use
the definition $\sigma^2 = \frac{1}{n} \sum_{i=1}^{n} (x_i - \mu)^2$ instead, or update a running mean:

```python
def variance(values):
    mean, total = 0.0, 0.0
    for n, value in enumerate(values, 1):
        step = value - mean
        mean += step / n
        total += step * (value - mean)
    return total / n
```

The terms that are added here are never negative, so the sum is not negative either.

@ readme code en https://codehub.example/marit-k/saltpan
# saltpan
A small key-value store that keeps everything in one append-only file. It is meant for programs that write little
and must never lose what they wrote.

## Installation

```shell
pip install saltpan
```

You need Python 3.9 or later. There are no dependencies.

## Usage

```python
import saltpan

with saltpan.open("harbour.pan") as store:
    store["berth/12"] = b"Kittiwake"
    store["berth/13"] = b"Old Oak"
    for key in store.keys(prefix="berth/"):
        print(key, store[key])
```

Every assignment is on the disk when the statement returns.

## Options

| Option | Default | Meaning |
| `sync` | `True` | call fsync after every write |
| `page` | `4096` | bytes that are read at a time |
| `compact` | `0.5` | share of dead bytes at which the file is rewritten |

## Limits

- Keys are at most 255 bytes long.
- Only one process may have the file open for writing.
- There are no transactions; see [the notes](docs/notes.md) for why.

@ readme mixed en https://codehub.example/boxwood/softfloor
# softfloor
Smooth versions of the functions that are not smooth, with derivatives, in plain C and without dependencies.

The smooth maximum of two numbers with sharpness $k$ is

$$m_k(a, b) = \frac{1}{k} \log \left( e^{ka} + e^{kb} \right),$$

which lies between $\max(a, b)$ and $\max(a, b) + \frac{\log 2}{k}$.

## Building

```shell
cc -O2 -c softfloor.c
ar rcs libsoftfloor.a softfloor.o
```

## Example

```c
#include "softfloor.h"

int main(void)
{
    double slope;
    double value = soft_max(1.5, 1.4, 20.0, &slope);
    return value > 1.5 ? 0 : 1;
}
```

The argument `slope` may be `NULL` if you do not need the derivative $\frac{\partial m_k}{\partial a}$.

@ blob code en https://codehub.example/kestrel77/ringbuf/blob/main/src/ring.c title=no
# ringbuf/src/ring.c at main
```c
#include "ring.h"

/* Bytes wait here between the interrupt and the main loop. */
static unsigned char slots[RING_SIZE];
static volatile unsigned head, tail;

int ring_put(unsigned char byte)
{
	unsigned next = (head + 1) % RING_SIZE;

	if (next == tail)
		return -1;	/* full */
	slots[head] = byte;
	head = next;
	return 0;
}

int ring_get(unsigned char *byte)
{
	if (head == tail)
		return -1;	/* empty */
	*byte = slots[tail];
	tail = (tail + 1) % RING_SIZE;
	return 0;
}
```

@ blob code en https://codehub.example/tidepool/moonphase/blob/main/lib/Phase.hs title=no
# moonphase/lib/Phase.hs at main
```haskell
module Phase (Phase (..), phaseOn) where

import Data.Time (Day, diffDays, fromGregorian)

data Phase = New | Waxing | Full | Waning
  deriving (Eq, Show, Enum, Bounded)

-- | The phase on a day, good to about half a day.
phaseOn :: Day -> Phase
phaseOn day
  | age < 1.8 = New
  | age < 12.9 = Waxing
  | age < 16.6 = Full
  | age < 27.7 = Waning
  | otherwise = New
  where
    age = fromIntegral days - month * fromIntegral (floor (fromIntegral days / month))
    days = diffDays day (fromGregorian 2000 1 6)
    month = 29.530588 :: Double
```

@ sphinx code en https://tooldocs.example/en/latest/retries.html
# Retrying failed requests
A request that fails may be tried again. This page explains when that is done and how you can change it.

## When a request is retried

Only requests that can be repeated without harm are retried: `GET`, `HEAD`, and `PUT` with a checksum. A request
counts as failed if

- no answer arrives within the time limit,
- the answer has the status 429 or one above 499, or
- the connection is closed in the middle of the body.

## Configuration

Pass a policy to the client:

```python
from tooldocs import Client, Policy

policy = Policy(
    attempts=5,
    first_delay=0.2,   # seconds
    factor=2.0,
)

with Client("https://api.example", policy=policy) as client:
    answer = client.get("/berths")
    answer.raise_for_status()
```

| Parameter | Type | Default |
| attempts | int | 3 |
| first_delay | float | 0.1 |
| factor | float | 2.0 |

The delay before an attempt is drawn between nothing and twice the last delay, so that clients that failed
together do not come back together.

@ sphinx mixed en https://tooldocs.example/en/latest/filters.html
# Smoothing filters
The module offers three filters. All of them work on one-dimensional arrays and keep the length of their input.

## Exponential smoothing

The output is a weighted mean of the input and of the last output:

$$y_t = \alpha x_t + (1 - \alpha)y_{t-1}, \quad 0 < \alpha \leq 1.$$

A value that is $k$ steps old has the weight $\alpha(1 - \alpha)^k$. Half of the weight lies on the last
$\frac{\log 2}{\alpha}$ values, roughly.

```python
def smooth(values, alpha):
    result = []
    state = values[0]
    for value in values:
        state += alpha * (value - state)
        result.append(state)
    return result
```

## Moving median

The moving median with radius $r$ replaces $x_t$ by the median of $x_{t-r}, \ldots, x_{t+r}$. It ignores single
outliers completely, which no linear filter does.

@ mkdocs code en https://fieldbook.example/deploy/
# Deploying behind a proxy
Fieldbook speaks plain HTTP and leaves encryption to a proxy in front of it. Two things have to be right: the proxy
must pass on the original host name, and it must not buffer answers.

## Configuration of the proxy

```nginx
server {
    listen 443 ssl;
    server_name notes.example;

    location / {
        proxy_pass http://127.0.0.1:8700;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-Proto https;
        proxy_buffering off;
    }
}
```

## As a service

Put this into a unit file, so that the program is started again when it fails:

```ini
[Unit]
Description=Fieldbook notes
After=network.target

[Service]
ExecStart=/opt/fieldbook/bin/fieldbook --port 8700
Restart=on-failure
User=notes

[Install]
WantedBy=multi-user.target
```

Then run `systemctl enable --now fieldbook` and look at the log with `journalctl -u fieldbook`.

@ mkdocs math fr https://cahier.example/moyennes/
# Inégalités entre les moyennes
Pour deux nombres positifs $a$ et $b$, on définit la moyenne arithmétique et la moyenne géométrique :

$$A = \frac{a + b}{2}, \quad G = \sqrt{ab}.$$

## Démonstration

Le carré d'un nombre réel n'est jamais négatif. En l'appliquant à $\sqrt{a} - \sqrt{b}$, on obtient

$$0 \leq (\sqrt{a} - \sqrt{b})^2 = a + b - 2\sqrt{ab},$$

donc $G \leq A$. L'égalité n'a lieu que si $a = b$.

## Avec $n$ nombres

Le même résultat vaut pour $n$ nombres positifs :

$$\sqrt[n]{x_1 x_2 \cdots x_n} \leq \frac{x_1 + x_2 + \cdots + x_n}{n}.$$

On peut le prouver par récurrence, en passant d'abord de $n$ à $2n$, puis de $n$ à $n - 1$.

@ notebook mixed en https://viewer.example/notes/random-walk.ipynb
# A random walk on a ring
A walker stands on a ring of $n$ places and steps left or right with probability $\frac{1}{2}$. How long does it
take until every place has been visited? The expected number of steps is known to be

$$T_n = \frac{n(n-1)}{2}.$$

Let us check this for a small ring.

```python
import random

def cover(n, generator):
    place, seen, steps = 0, {0}, 0
    while len(seen) < n:
        place = (place + generator.choice((-1, 1))) % n
        seen.add(place)
        steps += 1
    return steps
```

For $n = 10$ the formula says $T_{10} = 45$.

```python
generator = random.Random(1)
trials = [cover(10, generator) for _ in range(20000)]
round(sum(trials) / len(trials), 1)
```

```out
45.1
```

The last place to be visited is equally likely to be any of the $n - 1$ others, which surprises most people.

@ notebook code en https://viewer.example/notes/ferries.ipynb
# Looking at the ferry data
The table has one row for each crossing. We load it and look at the first rows before doing anything else.

```python
import pandas as pd

ferries = pd.read_csv("ferries.csv", parse_dates=["departure"])
ferries.head(3)
```

```out
            departure   route  passengers
0 2019-06-01 07:15:00  North          112
1 2019-06-01 08:00:00  South           87
2 2019-06-01 09:30:00  North          140
```

## Which route is busier at the weekend?

```python
weekend = ferries[ferries.departure.dt.dayofweek >= 5]
weekend.groupby("route").passengers.mean().round(1)
```

```out
route
North    131.4
South    118.9
Name: passengers, dtype: float64
```

The difference is there in every month except January, when both routes run half empty.

@ mediawiki math en https://handbook.example/wiki/Binet_formula
# Binet's formula
The **Fibonacci numbers** are defined by $F_0 = 0$, $F_1 = 1$ and the recurrence

$$F_{n+2} = F_{n+1} + F_n.$$

Binet's formula gives them in closed form. With $\varphi = \frac{1 + \sqrt{5}}{2}$ and
$\psi = \frac{1 - \sqrt{5}}{2}$,

$$F_n = \frac{\varphi^n - \psi^n}{\sqrt{5}}.$$

## Derivation

Both $\varphi$ and $\psi$ satisfy $x^2 = x + 1$. Hence every sequence $a \varphi^n + b \psi^n$ satisfies the
recurrence, and the two starting values determine $a$ and $b$: from $a + b = 0$ and $a \varphi + b \psi = 1$ one gets
$a = -b = \frac{1}{\sqrt{5}}$.

## Rounding

Since $|\psi| < 1$, the second term is smaller than $\frac{1}{2}$, and $F_n$ is the integer nearest to
$\frac{\varphi^n}{\sqrt{5}}$.

| $n$ | $\frac{\varphi^n}{\sqrt{5}}$ | $F_n$ |
| 5 | 4.96 | 5 |
| 6 | 8.02 | 8 |
| 7 | 12.98 | 13 |

@ mediawiki math de https://handbuch.example/wiki/Satz_von_Bayes
# Satz von Bayes
Der **Satz von Bayes** beschreibt, wie man bedingte Wahrscheinlichkeiten umkehrt. Sind $A$ und $B$ Ereignisse mit
$P(B) > 0$, so gilt

$$P(A \mid B) = \frac{P(B \mid A) \cdot P(A)}{P(B)}.$$

## Herleitung

Nach Definition der bedingten Wahrscheinlichkeit ist $P(A \cap B) = P(A \mid B) \cdot P(B)$ und ebenso
$P(A \cap B) = P(B \mid A) \cdot P(A)$. Gleichsetzen und Teilen durch $P(B)$ liefert die Behauptung.

## Beispiel

Eine Krankheit betrifft einen von tausend Menschen. Ein Test erkennt sie in $99\%$ der Fälle und schlägt bei
$2\%$ der Gesunden fälschlich an. Die Wahrscheinlichkeit, bei positivem Test krank zu sein, beträgt nur

$$\frac{0.99 \cdot 0.001}{0.99 \cdot 0.001 + 0.02 \cdot 0.999} \approx 0.047.$$

@ mediawiki mixed en https://handbook.example/wiki/Insertion_sort
# Insertion sort
**Insertion sort** takes the elements of a list one after the other and puts each into its place among those that
were taken before.

## Algorithm

```python
def insertion_sort(items):
    for i in range(1, len(items)):
        item = items[i]
        j = i
        while j > 0 and items[j - 1] > item:
            items[j] = items[j - 1]
            j -= 1
        items[j] = item
```

## Running time

The inner loop makes one step for each pair that stands in the wrong order. A random list has

$$\frac{1}{2} \binom{n}{2} = \frac{n(n-1)}{4}$$

such pairs on average, so the time is $O(n^2)$. A list that is nearly sorted has few of them, and then insertion sort
is faster than algorithms that need $O(n \log n)$ steps.

@ latexml math en https://papers.example/html/2401.00017
# A note on sums of two coprime squares
We give an elementary bound on the number of ways in which an integer is a sum of two coprime squares.

## Introduction

Let $r(n)$ be the number of pairs $(a, b)$ of positive integers with $a^2 + b^2 = n$ and $\gcd(a, b) = 1$. It is
classical that $r(n) > 0$ if and only if no prime $p \equiv 3$ modulo $4$ divides $n$ and $4$ does not divide $n$.

## The bound

**Theorem 1.** For every $n \geq 2$,

$$r(n) \leq 2^{\omega(n)},$$

where $\omega(n)$ is the number of distinct primes that divide $n$.

**Proof.** Each pair gives a solution $x$ of the congruence

$$x^2 + 1 \equiv 0 \bmod n$$

by $x = a b^{-1}$. The map is injective on pairs, since $|a_1 b_2 - a_2 b_1| < n$ for two pairs with the same image.
By the Chinese remainder theorem the congruence has at most $2^{\omega(n)}$ solutions.

@ latexml mixed en https://papers.example/html/2402.00108
# Averaging checkpoints on a budget
Averaging the parameters of several checkpoints often improves a model. We ask how many checkpoints have to be kept.

## Method

Let $\theta_1, \ldots, \theta_T$ be the parameters after each epoch. We keep an average with decay $\beta$,

$$\bar{\theta}_t = \beta \bar{\theta}_{t-1} + (1 - \beta) \theta_t,$$

and compare it with the uniform average of the last $k$ checkpoints. In code, one step is

```python
def update(average, parameters, beta):
    for name, value in parameters.items():
        average[name].mul_(beta).add_(value, alpha=1 - beta)
```

## Results

| Method | Memory | Error |
| last checkpoint | 1 | 12.4 |
| uniform, $k = 5$ | 5 | 11.2 |
| decay, $\beta = 0.9$ | 2 | 11.3 |

The moving average is nearly as good as the uniform one and needs memory for one additional copy only.

@ wordpress math en https://chalkandsand.example/2015/11/telescoping/
# Telescoping sums for the impatient
Some sums look hard and fall apart at once. My favourite is $\sum_{k=1}^{n} \frac{1}{k(k+1)}$. Write each term as a
difference:

$$\frac{1}{k(k+1)} = \frac{1}{k} - \frac{1}{k+1}$$

Now everything cancels except the first and the last part, and we are left with $1 - \frac{1}{n+1}$. As $n \to
\infty$, the sum tends to $1$.

### A harder one

The same trick works for $\sum_{k=1}^{n} k \cdot k!$ because $k \cdot k! = (k+1)! - k!$. The answer is

$$\sum_{k=1}^{n} k \cdot k! = (n+1)! - 1$$

Try to find $\sum_{k=1}^{n} \frac{k}{(k+1)!}$ yourself before you look at the next post.

@ wordpress mixed es https://tizayarena.example/2016/02/criba/
# La criba de Eratóstenes, paso a paso
Para encontrar todos los números primos hasta $n$ basta con tachar los múltiplos de cada primo $p$ con
$p^2 \leq n$. El número de operaciones es aproximadamente

$$\sum_{p \leq \sqrt{n}} \frac{n}{p} \approx n \log \log n$$

En Python, el programa cabe en pocas líneas:

```python
def criba(n):
    primo = [True] * (n + 1)
    primo[0] = primo[1] = False
    p = 2
    while p * p <= n:
        if primo[p]:
            for m in range(p * p, n + 1, p):
                primo[m] = False
        p += 1
    return [k for k in range(n + 1) if primo[k]]
```

Empezamos a tachar en $p^2$ porque los múltiplos menores ya tienen un factor primo más pequeño que $p$.

@ jekyll code en https://lowwater.example/2019/02/02/shadowing.html
# Shadowing is a feature
Rust lets you declare a variable with the name of one that exists already. People who come from C tend to see a bug
waiting to happen. I have come to see it as a way of saying that the old value is no longer needed.

```rust
fn parse_depth(input: &str) -> Option<u32> {
    let input = input.trim();
    let input = input.strip_suffix("m").unwrap_or(input);
    let depth: u32 = input.trim_end().parse().ok()?;
    if depth > 11_000 {
        return None; // deeper than any sea
    }
    Some(depth)
}
```

After the second line there is no way to use the untrimmed text by mistake. With three different names there would
be.

## When it goes wrong

Shadowing in an inner block ends with the block:

```rust
let berth = 1;
{
    let berth = berth + 1;
    println!("{berth}"); // 2
}
println!("{berth}"); // 1
```

If you wanted to change the outer variable, you have to declare it as `mut` and assign to it.

@ jekyll math en https://lowwater.example/2018/10/21/harmonic.html
# The harmonic series, slowly
The sum $1 + \frac{1}{2} + \frac{1}{3} + \cdots$ grows without bound, but it takes its time. Grouping the terms shows
both at once:

$$H_{2^k} = 1 + \sum_{j=1}^{k} \sum_{i=2^{j-1}+1}^{2^j} \frac{1}{i} \geq 1 + \frac{k}{2}$$

since each inner sum has $2^{j-1}$ terms of size at least $2^{-j}$. On the other side, $H_{2^k} \leq 1 + k$.

To get past $20$ you need more than $10^8$ terms. A better estimate is $H_n \approx \log n + \gamma$ with
$\gamma \approx 0.5772$, and the error is less than $\frac{1}{2n}$.

@ hugo code en https://kiln.example/posts/graceful-shutdown/
# Shutting down without losing a request
A server that is told to stop should finish what it has begun. In Go this takes about ten lines, and most programs
that I have seen get one of them wrong.

```go
func main() {
	server := &http.Server{Addr: ":8080", Handler: routes()}
	done := make(chan os.Signal, 1)
	signal.Notify(done, os.Interrupt, syscall.SIGTERM)

	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()

	<-done
	limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		log.Print(err)
	}
}
```

The channel needs room for one signal. Without it, a signal that arrives before the receive is lost, and nothing stops
the server but a hard kill.

## What about the load balancer?

It keeps sending requests until its next health check. Fail the check first, wait one period, then call `Shutdown`.

@ hugo math zh https://kiln.example/zh/posts/gauss-sum/
# 高斯求和与配对法
传说高斯小时候被要求计算从一加到一百。他注意到第一个数与最后一个数之和等于第二个数与倒数第二个数之和，
于是很快得到了答案。

一般地，设 $S_n = 1 + 2 + \cdots + n$。把同一个和倒过来写，再逐项相加，得到

$$2 S_n = (n + 1) + (n + 1) + \cdots + (n + 1) = n(n + 1),$$

因此 $S_n = \frac{n(n+1)}{2}$。当 $n = 100$ 时，$S_{100} = 5050$。

## 平方和

类似的公式对平方和也成立：

$$\sum_{k=1}^{n} k^2 = \frac{n(n+1)(2n+1)}{6}.$$

证明可以用数学归纳法，也可以利用恒等式 $(k+1)^3 - k^3 = 3k^2 + 3k + 1$ 求和。

@ octopress code en https://seconddraft.example/blog/2013/03/09/memoize/
# Memoize in six lines of Ruby
Ruby gives you everything you need to remember the results of a method without touching its body.

```ruby
module Memoize
  def memoize(name)
    original = instance_method(name)
    cache = {}
    define_method(name) do |*args|
      cache.fetch(args) { cache[args] = original.bind(self).call(*args) }
    end
  end
end
```

The cache belongs to the class and not to the object, so this is only right for methods that do not look at `self`.
For the others, make the cache an instance variable:

```ruby
define_method(name) do |*args|
  @memo ||= {}
  @memo.fetch([name, args]) { |key| @memo[key] = original.bind(self).call(*args) }
end
```

@ octopress math en https://seconddraft.example/blog/2013/05/18/birthdays/
# How many people until two share a birthday?
With $n$ people the probability that all birthdays differ is

$$p_n = \prod_{k=0}^{n-1} \left( 1 - \frac{k}{365} \right).$$

Taking logarithms and using $\log(1 - x) \approx -x$, this is about $e^{-n(n-1)/730}$. It falls below one half when
$n(n-1) > 730 \log 2 \approx 506$, so $n = 23$ people are enough.

The same estimate tells you when two random hashes of $b$ bits will collide: after about $1.18 \cdot 2^{b/2}$ of them.

@ man code en https://man.example/tidecat.1
# tidecat
# NAME

`tidecat` – print files at the pace of the tide

# SYNOPSIS

```text
tidecat [-rs] [-p port] [file ...]
```

# DESCRIPTION

The `tidecat` utility reads files one after the other and writes them to the standard output, faster when the water
rises and slower when it falls. If no file is given, it reads the standard input.

# OPTIONS

- -p port: use the tides of the given port. The default is taken from the environment variable PORT.
- -r: reverse the direction.
- -s: stop at slack water and wait for a signal.

# EXIT STATUS

The utility exits 0 on success, and above 0 if an error occurs.

# EXAMPLES

Print the log of the day as it would have been read aloud:

```text
$ tidecat -p brest /var/log/harbour.log | tee today.txt
$ kill -USR1 $(pgrep tidecat)
```

# SEE ALSO

cat(1), sleep(1), moon(6)

@ man code en https://man.example/anchorctl.8
# anchorctl
# NAME

`anchorctl` – control the anchor daemon

# SYNOPSIS

```text
anchorctl [-s socket] command [arg ...]
```

# DESCRIPTION

The `anchorctl` program sends commands to a running daemon and prints its answers. The following commands are
available:

- drop depth: let the anchor go and pay out chain until it holds at the given depth.
- raise: weigh anchor.
- status: print whether the anchor holds, and since when.
- log brief: be less verbose.

# FILES

| File | Content |
| /etc/anchord.conf | default configuration |
| /var/run/anchord.sock | socket on which the daemon listens |

# EXAMPLES

Wait until the anchor holds before the engine is stopped:

```shell
anchorctl drop 12
until anchorctl status | grep -q holds; do
	sleep 5
done
enginectl stop
```

@ rustdoc code en https://docs.example/tarn/grid/fn.flood.html
# Function flood
Marks every cell that can be reached from a start without crossing a wall.

```rust
pub fn flood<T: Cell>(grid: &mut Grid<T>, start: Point) -> usize
```

Returns the number of marked cells. A start outside the grid marks nothing and returns zero.

## Examples

```rust
use tarn::grid::{flood, Grid, Point};

let mut grid = Grid::parse("..#\n.##\n...").unwrap();
assert_eq!(flood(&mut grid, Point::new(0, 0)), 6);
```

## Panics

Panics if a cell's `cost` is negative.

## Complexity

Every cell is visited at most once, and the queue never holds more cells than the longer diagonal of the grid does.

@ rustdoc mixed en https://docs.example/tarn/noise/fn.value.html
# Function value
Smooth noise at a point of the plane, between 0 and 1.

```rust
pub fn value(x: f64, y: f64, seed: u64) -> f64
```

The four corners of the cell that contains the point have random values $v_{00}, v_{10}, v_{01}, v_{11}$. Between them
the function is interpolated with weights $s(t)$, where $t$ is the position in the cell:

$$s(t) = 6t^5 - 15t^4 + 10t^3$$

This polynomial has $s(0) = 0$ and $s(1) = 1$, and both $s'$ and $s''$ vanish at the ends, so that no edges of cells
can be seen.

## Examples

```rust
let height = tarn::noise::value(0.3, 12.8, 42);
assert!((0.0..=1.0).contains(&height));
```

@ doxygen code en https://libfathom.example/doc/group__sounding.html
# Soundings
A sounding is a measured depth together with the place and the time of the measurement.

## Functions

```c
struct fathom_sounding {
        double latitude;   /* degrees, north is positive */
        double longitude;
        float depth;       /* metres below chart datum */
        int64_t time;      /* seconds since 1970 */
};

int fathom_add(struct fathom_chart *chart, const struct fathom_sounding *sounding);
```

Adds a sounding to a chart. The sounding is copied.

| Parameter | Meaning |
| chart | the chart, which must be open for writing |
| sounding | what to add |

Returns 0, or -1 with `errno` set to one of these:

- `EINVAL`: the latitude is not between -90 and 90.
- `ENOSPC`: the chart is full.

@ doxygen mixed en https://libfathom.example/doc/distance_8c.html
# distance.c File Reference
Distances on a sphere. With latitudes $\phi_1, \phi_2$ and the difference of longitudes $\lambda$, the central angle
$\theta$ is found from

$$\sin^2 \frac{\theta}{2} = \sin^2 \frac{\phi_2 - \phi_1}{2} + \cos \phi_1 \cos \phi_2 \sin^2 \frac{\lambda}{2}$$

which is exact for small distances too, unlike the law of cosines.

```c
double fathom_distance(double lat1, double lon1, double lat2, double lon2)
{
        double u = sin((lat2 - lat1) / 2);
        double v = sin((lon2 - lon1) / 2);
        double h = u * u + cos(lat1) * cos(lat2) * v * v;

        return 2 * EARTH_RADIUS * asin(sqrt(h));
}
```

All angles are in radians.

@ textbook math en https://secondcourse.example/sec-series.html
# Power series
A **power series** around $0$ is a series of the form $\sum_{n=0}^{\infty} a_n x^n$. Whether it converges depends on
$x$ in a simple way.

### Theorem

For every power series there is a number $R$ with $0 \leq R \leq \infty$ such that the series converges absolutely if
$|x| < R$ and diverges if $|x| > R$. It is given by

$$\frac{1}{R} = \lim_{n \to \infty} \left|\frac{a_{n+1}}{a_n}\right|$$

whenever this limit exists.

### Example

For $a_n = \frac{1}{n!}$ the quotient is $\frac{1}{n + 1} \to 0$, so $R = \infty$, and we may define
$\exp(x) = \sum_{n=0}^{\infty} \frac{x^n}{n!}$ for all $x$.

### Exercises

1. Find the radius of convergence of $\sum_{n=1}^{\infty} n^2 x^n$.
2. Show that $\sum_{n=1}^{\infty} \frac{x^n}{n}$ converges for $x = -1$ and diverges for $x = 1$.
3. Give a series with $R = 0$.

@ textbook math en https://secondcourse.example/sec-eigenvalues.html
# Eigenvalues of small matrices
A number $\lambda$ is an eigenvalue of $A$ if $Av = \lambda v$ for some $v \neq 0$. For a matrix

$$A = \begin{pmatrix} a & b \\ c & d \end{pmatrix}$$

this happens exactly if $\det(A - \lambda I) = 0$, that is, if

$$\lambda^2 - (a + d)\lambda + (ad - bc) = 0.$$

The coefficient $a + d$ is the **trace** of $A$ and $ad - bc$ is its **determinant**. So the eigenvalues have the sum
$a + d$ and the product $ad - bc$.

### Exercises

1. Find the eigenvalues of $\begin{pmatrix} 2 & 1 \\ 1 & 2 \end{pmatrix}$ and an eigenvector for each.
2. Show that a symmetric matrix, one with $b = c$, has real eigenvalues.
3. For which $\theta$ has the rotation $\begin{pmatrix} \cos \theta & -\sin \theta \\ \sin \theta & \cos \theta
   \end{pmatrix}$ a real eigenvalue?

@ forum code en https://workshop.example/viewtopic.php?t=2210
# Serial port stops after exactly 64 bytes
Hi all, my logger reads a depth sounder over the serial port. It works for a moment and then hangs. It always hangs
after 64 bytes. Here is the loop:

```c
while (1) {
    if (UCSR0A & (1 << RXC0)) {
        buffer[n++] = UDR0;
    }
    if (n == 64)
        flush_to_card(buffer, n);
}
```

What am I missing?
-----
You never set `n` back to zero, so after the first flush it goes on counting and writes behind the end of the
buffer. Try this:

```c
    if (n == sizeof buffer) {
        flush_to_card(buffer, n);
        n = 0;
    }
```

Also, writing to the card takes longer than a byte takes to arrive. You will lose data unless you receive in an
interrupt.
-----
That was it, thank you. I have moved the reception into an interrupt as well and have not lost a byte since.

@ forum math en https://workshop.example/viewtopic.php?t=3075
# Volume of a tank that lies on its side
I have a cylindrical tank of radius $r$ and length $L$ lying on its side, and a stick that tells me the height $h$ of
the fuel. How do I get the volume?
-----
You need the area of a circular segment. If $h$ is the height, then

$$V = L \left( r^2 \arctan \frac{\sqrt{2rh - h^2}}{r - h} - (r - h) \sqrt{2rh - h^2} \right)$$

as long as $h < r$. For a tank that is more than half full, compute the empty part and subtract it from $\pi r^2 L$.
-----
Or mark the stick: for $h = \frac{r}{2}$ the tank holds about $19.6\%$ of the full volume, for $h = r$ it is $50\%$, and
for $h = \frac{3r}{2}$ it is $80.4\%$. That was good enough for me.

@ tables math en http://harbourschool.example/trig/double.htm
# Double angle formulas
These follow from the addition theorems by setting both angles equal.

$$\sin 2x = 2 \sin x \cos x$$

$$\cos 2x = \cos^2 x - \sin^2 x = 1 - 2 \sin^2 x$$

## A table of values

| Angle | sin | cos |
| 0 | 0 | 1 |
| $\frac{\pi}{6}$ | $\frac{1}{2}$ | $\frac{\sqrt{3}}{2}$ |
| $\frac{\pi}{4}$ | $\frac{\sqrt{2}}{2}$ | $\frac{\sqrt{2}}{2}$ |
| $\frac{\pi}{2}$ | 1 | 0 |

## Exercise

Use the second formula to show that $\sin 15$ degrees equals $\frac{1}{2} \sqrt{2 - \sqrt{3}}$.

@ tables code en http://harbourschool.example/prog/loops.htm
# Loops in BASIC
A loop repeats a part of a program. In BASIC the simplest loop is `FOR`, which counts for you.

```text
10 REM TIMES TABLE
20 INPUT "WHICH NUMBER"; N
30 FOR I = 1 TO 10
40   PRINT I; " TIMES "; N; " IS "; I * N
50 NEXT I
60 END
```

Line 30 starts the loop and line 50 ends it. Everything between is done ten times. You may also count in larger
steps:

```text
30 FOR I = 0 TO 100 STEP 10
```

Things to try:

- What happens if the step is negative?
- Can you leave the loop before it has ended?
- Put one loop into another and print a whole table.

@ bare code en https://bare.example/awk.html
# Six things to do with awk
I forget these every few months, so here they are.

Sum a column:

```shell
awk '{ total += $3 } END { print total }' bills.txt
```

Print lines that occur more than once, in the order of their second occurrence:

```shell
awk 'seen[$0]++ == 1' names.txt
```

Join every line that ends with a backslash to the next one:

```shell
awk '{
    while (sub(/\\$/, "")) {
        getline more
        $0 = $0 more
    }
    print
}' Makefile
```

The other three I have forgotten again.

@ bare math en https://bare.example/stirling.html
# Stirling without tears
The logarithm of a factorial is a sum, and a sum is nearly an integral:

$$\log n! = \sum_{k=1}^n \log k \approx \int_1^n \log x \, \mathrm{d}x = n \log n - n + 1$$

So $n!$ is about $n^n e^{-n}$, up to a factor that grows slowly. The factor is $\sqrt{2\pi n}$.

To see where the root comes from, look at the random sum of $2n$ signs. It is zero with probability

$$\binom{2n}{n} 2^{-2n} \approx \frac{1}{\sqrt{\pi n}}$$

and the factor follows from this, whatever it is for $n$ alone.

@ bare math pt https://nota.example/cauchy.html
# Desigualdade de Cauchy
Para vetores $x, y \in \mathbb{R}^n$ vale

$$\left(\sum_{i=1}^n x_i y_i\right)^2 \leq \left(\sum_{i=1}^n x_i^2\right)\left(\sum_{i=1}^n y_i^2\right)$$

A demonstração mais curta usa um polinômio. Para todo $t \in \mathbb{R}$,

$$0 \leq \sum_{i=1}^n (x_i t + y_i)^2 = at^2 + 2bt + c$$

com $a = \sum_{i=1}^n x_i^2$ e assim por diante. Um polinômio que nunca é negativo tem discriminante $b^2 - ac \leq 0$.

@ docusaurus code en https://guides.example/docs/hooks/debounce
# Debouncing a search field
A search that starts at every key stroke asks the server far too often. Wait until the user has stopped typing.

## The hook

```jsx
import { useEffect, useState } from "react";

export function useDebounced(value, delay = 300) {
  const [settled, setSettled] = useState(value);

  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);

  return settled;
}
```

The function that the effect returns runs before the next effect, so at most one timer is alive.

## Using it

```jsx
function Search() {
  const [text, setText] = useState("");
  const query = useDebounced(text);
  const results = useResults(query);

  return <ResultList items={results} onType={setText} />;
}
```

If you also show a spinner, show it when `text` and `query` differ.

@ docusaurus mixed en https://guides.example/docs/learning/schedules
# Learning rate schedules
The trainer supports three schedules. In all of them the rate grows linearly during the first $w$ steps.

| Name | After the warm-up |
| constant | $\eta_t = \eta$ |
| cosine | $\eta_t = \frac{\eta}{2} \left( 1 + \cos \frac{\pi t}{T} \right)$ |
| root | $\eta_t = \eta \sqrt{\frac{w}{t}}$ |

Choose one in the configuration file:

```yaml
schedule:
  name: cosine
  warmup: 2000
  steps: 100000
  rate: 3.0e-4
```

With `cosine` the rate at step $t = \frac{T}{2}$ is exactly half of the largest one.

@ blogger mixed it https://aritmetica.example/2012/06/euclide.html
# L'algoritmo di Euclide
Il massimo comun divisore di due numeri si trova con divisioni ripetute. L'idea è che $\gcd(a, b) = \gcd(b, r)$ se
$a = qb + r$.

Ecco il programma in Java:

```java
static long mcd(long a, long b) {
    while (b != 0) {
        long r = a % b;
        a = b;
        b = r;
    }
    return Math.abs(a);
}
```

Quante divisioni servono? Il caso peggiore sono due numeri di Fibonacci consecutivi, e quindi il numero di passi è al
massimo

$$\frac{\log b}{\log \varphi} + 1, \quad \varphi = \frac{1 + \sqrt{5}}{2}$$

cioè circa cinque volte il numero di cifre di $b$.

@ blogger math en https://eveningarithmetic.example/2012/08/nines.html
# Casting out nines
My grandmother checked her sums by adding digits. Why does that work? Because $10 \equiv 1$ modulo $9$, and so

$$\sum_{k=0}^{m} d_k 10^k \equiv \sum_{k=0}^{m} d_k \bmod 9$$

for all digits $d_k$. If $a + b = c$, the same is true of the sums of digits, modulo $9$.

The check finds every error in a single digit, unless a $0$ was taken for a $9$. It does not find two digits that have
changed places, since then the difference is $9 (d_i - d_j)$ times a power of ten.

@ magazine code en https://stories.example/@wren/flags-9f1c
# Stop passing booleans to your functions
Every codebase that I have worked on has a call like this somewhere:

```python
render(page, True, False, True)
```

Nobody knows what it does. The person who wrote it did, for about a week.

## Names help

The cheapest repair is to insist on names. In Python a single star does it:

```python
def render(page, *, draft=False, cache=True, minify=False):
    ...

render(page, draft=True, cache=False)
```

## Two functions help more

If a flag chooses between two behaviours that share little, you have two functions that live under one name. Split
them. What they share becomes a third function, and that one usually turns out to be the interesting one.

@ magazine mixed en https://stories.example/@wren/halving-41aa
# The unreasonable power of halving
Guess a number between one and a million. With twenty questions I will always find it, because $2^{20} > 10^6$. In
general $k$ questions are enough for $n$ numbers if

$$k \geq \log_2 n$$

and fewer are not. Programmers know this as binary search:

```go
func find(sorted []int, wanted int) int {
	low, high := 0, len(sorted)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if sorted[middle] < wanted {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
```

The conversion to `uint` looks odd. Without it, `low+high` overflows in a list of more than half the largest number of
elements, and it took the world twenty years to notice.

@ course math de https://mathe.uni.example/lehre/analysis1/blatt07
# Analysis I, Übungsblatt 7
Abgabe bis Donnerstag, 10 Uhr. Jede Aufgabe gibt vier Punkte.

## Aufgabe 1

Zeigen Sie, dass die Folge $a_n = \left(1 + \frac{1}{n}\right)^n$ monoton wächst und beschränkt ist.

## Aufgabe 2

Es sei $f : [0, 1] \to [0, 1]$ stetig. Zeigen Sie, dass es ein $x$ mit $f(x) = x$ gibt.

## Aufgabe 3

Bestimmen Sie die folgenden Grenzwerte:

$$\lim_{x \to 0} \frac{\sin x}{x}, \quad \lim_{x \to \infty} \frac{\log x}{x}, \quad \lim_{x \to 0} \frac{1 - \cos x}{x^2}.$$

## Aufgabe 4

Für welche $\alpha > 0$ ist die Funktion $f(x) = |x|^{\alpha}$ im Punkt $0$ differenzierbar? Begründen Sie Ihre Antwort.

@ course math pl https://wydzial.example/dydaktyka/kombinatoryka/lista3
# Kombinatoryka, lista zadań 3
Zadania oznaczone gwiazdką są trudniejsze i można je oddać tydzień później.

1. Na ile sposobów można wybrać $k$ liczb ze zbioru $\{1, 2, \ldots, n\}$ tak, aby żadne dwie nie były kolejne?
2. Udowodnij, że $\sum_{k=0}^n \binom{n}{k}^2 = \binom{2n}{n}$.
3. Niech $D_n$ oznacza liczbę permutacji bez punktów stałych. Pokaż, że $D_n = (n - 1)(D_{n-1} + D_{n-2})$.
4. Wyprowadź stąd wzór

$$D_n = n! \sum_{k=0}^n \frac{(-1)^k}{k!}.$$

Wskazówka do zadania drugiego: policz na dwa sposoby, ile jest wyborów $n$ osób spośród $n$ kobiet i $n$ mężczyzn.

@ course code fr https://info.univ.example/l2/systeme/tp4
# Système, TP 4 : tubes et processus
Le but de cette séance est d'écrire un programme qui fait communiquer deux processus par un tube.

## Exercice 1

Compilez et exécutez le programme suivant. Que se passe-t-il si l'on supprime la ligne `close(tube[1])` dans le
processus fils ?

```c
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    int tube[2];
    char c;

    pipe(tube);
    if (fork() == 0) {
        close(tube[1]);
        while (read(tube[0], &c, 1) == 1)
            putchar(c);
        return 0;
    }
    close(tube[0]);
    write(tube[1], "bonjour\n", 8);
    return 0;
}
```

## Exercice 2

Modifiez le programme pour que le père attende la fin du fils et affiche son code de retour.

@ mailinglist code en https://lists.harbour.example/harbour-dev/2006-March/000314.html
# Patch: do not read past the end of the tide table
Hello,

on the last day of a year, next_tide() reads one row behind the end of the
table. Nobody noticed because the memory behind it happens to be zero, and
a tide at zero o'clock looks fine in the display.

```diff
--- src/tide.c	2006-02-27 18:02:11
+++ src/tide.c	2006-03-14 10:11:40
@@ -88,7 +88,7 @@
 	while (table[i].time < now)
 		i++;
-	return &table[i + 1];
+	return i + 1 < count ? &table[i + 1] : NULL;
 }
```

The two callers already cope with NULL. I have run the tests with the table
of 2005 and with one that has a single row.

@ tutorial code en https://learnit.example/sql/joins.asp
# SQL Joins
A join combines rows of two tables. Rows belong together when the condition after `ON` holds.

## INNER JOIN

An inner join returns only the rows that have a partner in the other table:

```sql
SELECT ships.name, berths.number
FROM ships
INNER JOIN berths ON berths.ship_id = ships.id
ORDER BY berths.number;
```

The result:

| name | number |
| Kittiwake | 12 |
| Old Oak | 13 |

## LEFT JOIN

A left join also returns the rows of the left table that have no partner. The missing columns are filled with `NULL`:

```sql
SELECT ships.name, berths.number
FROM ships
LEFT JOIN berths ON berths.ship_id = ships.id
WHERE berths.number IS NULL; -- ships without a berth
```

Note: not every database supports `FULL JOIN`.

@ tutorial code pt https://aprenda.example/lua/tabelas.asp
# Tabelas em Lua
A tabela é a única estrutura de dados de Lua. Ela serve de lista, de dicionário e de objeto.

## Criar uma tabela

```lua
local barco = { nome = "Garça", comprimento = 9.5 }
barco.velas = 2
print(barco.nome, barco["comprimento"])
```

## Percorrer uma tabela

Use `ipairs` para listas e `pairs` para todo o resto:

```lua
local portos = { "Faro", "Olhão", "Tavira" }
for i, porto in ipairs(portos) do
  print(i, porto) -- começa em 1
end
```

A ordem de `pairs` não é definida. Se a ordem importa, guarde as chaves numa lista e ordene-a com `table.sort`.

@ xhtml math en https://oldbook.example/groups/cosets.xhtml
# Cosets and the theorem of Lagrange
Let $G$ be a finite group and $H$ a subgroup. For $g \in G$ the set $gH = \{gh \mid h \in H\}$ is called a left coset.

Two cosets are either equal or disjoint. For if $g_1 h_1 = g_2 h_2$, then $g_1 = g_2 h_2 h_1^{-1} \in g_2 H$, and so
$g_1 H \subseteq g_2 H$; the other inclusion is shown in the same way.

Since $h \mapsto gh$ is a bijection from $H$ to $gH$, all cosets have the same number of elements. Therefore

$$|G| = |H| \cdot [G : H],$$

where $[G : H]$ is the number of cosets. In particular the order of an element divides the order of the group, and
$g^{|G|} = e$ for all $g \in G$.

@ xhtml math fr https://vieuxlivre.example/analyse/rolle.xhtml
# Le théorème de Rolle
Soit $f$ une fonction continue sur $[a, b]$, dérivable sur $]a, b[$, et telle que $f(a) = f(b)$. Alors il existe un
point $c$ entre $a$ et $b$ tel que

$$f'(c) = 0.$$

En effet, $f$ atteint un maximum et un minimum sur $[a, b]$. Si tous deux sont atteints aux extrémités, alors $f$ est
constante. Sinon l'un d'eux est atteint en un point intérieur $c$, et les quotients

$$\frac{f(c + h) - f(c)}{h}$$

changent de signe avec $h$, donc leur limite est nulle.

@ quarto mixed en https://fieldstats.example/bootstrap.html math=parentheses
# The bootstrap
How sure are we of a median? There is no simple formula, but there is a simple procedure: draw new samples from the
sample.

## Procedure

Draw $n$ values with replacement, compute the median $m^*$, and repeat this $B$ times. The standard deviation of
the $m^*$ estimates that of the median,

$$s = \sqrt{\frac{1}{B - 1} \sum_{b=1}^{B} (m_b^* - \bar{m}^*)^2}.$$

## In R

```r
set.seed(7)
depths <- c(3.1, 4.7, 4.9, 5.6, 6.0, 8.8, 12.4)
medians <- replicate(1000, median(sample(depths, replace = TRUE)))
round(quantile(medians, c(0.025, 0.975)), 1)
```

```out
 2.5% 97.5% 
  4.7   8.8 
```

The interval can only end at values of the sample, which is why it looks coarse when $n$ is small.

@ quarto math en https://fieldstats.example/counts.html math=parentheses
# Counting rare things
When events are rare and independent, their number $N$ in a given time has a Poisson distribution:

$$\Pr(N = k) = e^{-\lambda} \frac{\lambda^k}{k!}, \quad k = 0, 1, 2, \ldots$$

The parameter $\lambda$ is both the mean and the variance, $\mathbb{E}[N] = \operatorname{Var}(N) = \lambda$.

## The rule of three

If nothing at all was seen in $n$ trials, how probable may the event still be? From $(1 - p)^n \geq 0.05$ one gets
$p \leq \frac{3}{n}$, roughly, because $-\log 0.05 \approx 3$.

| $n$ | upper bound for $p$ |
| 30 | 0.1 |
| 300 | 0.01 |
| 3000 | 0.001 |

@ reference code en https://webref.example/en-US/docs/Array/groupAdjacent
# groupAdjacent()
The `groupAdjacent()` function divides a list into runs of neighbours that have something in common.

## Syntax

```js
groupAdjacent(items, key)
```

### Parameters

| Name | Description |
| `items` | The array to divide. It is not changed. |
| `key` | A function that is called with each item and returns what is compared. |

### Return value

A new array of arrays. Joined together they are `items`.

## Examples

```js
const words = ["ant", "ape", "bee", "bat", "auk"];
const runs = groupAdjacent(words, (word) => word[0]);
console.log(runs.length); // 3

function groupAdjacent(items, key) {
  const runs = [];
  for (const item of items) {
    const last = runs.at(-1);
    if (last && key(last[0]) === key(item)) {
      last.push(item);
    } else {
      runs.push([item]);
    }
  }
  return runs;
}
```

@ reference math ja https://webref.example/ja/docs/logistic
# ロジスティック関数
ロジスティック関数は、実数を零と一の間に写す関数であり、次の式で定義される。

$$\sigma(x) = \frac{1}{1 + e^{-x}}$$

## 性質

導関数は関数自身を用いて $\sigma'(x) = \sigma(x)(1 - \sigma(x))$ と書ける。また $\sigma(-x) = 1 - \sigma(x)$ が
成り立つので、グラフは点に関して対称である。

逆関数はロジットと呼ばれる。

$$x = \log \frac{p}{1 - p}, \quad 0 < p < 1$$

確率が $p = \frac{1}{2}$ のとき、ロジットは $0$ になる。

@ encyclopedia math en https://mathlore.example/TriangularNumber.html
# Triangular Number
A triangular number counts objects that are arranged in a triangle. The $n$th triangular number is

$$T_n = \frac{n(n+1)}{2}$$

The first few are 1, 3, 6, 10, 15, 21, 28. Two consecutive ones add up to a square, $T_n + T_{n-1} = n^2$, and eight
times a triangular number is one less than a square, since

$$8 T_n + 1 = (2n + 1)^2$$

Every positive integer is a sum of at most three triangular numbers. The sum of the reciprocals is

$$\sum_{n=1}^{\infty} \frac{1}{T_n} = 2$$

@ encyclopedia math ru https://mathlore.example/ru/PellEquation.html
# Уравнение Пелля
Уравнением Пелля называется уравнение $x^2 - d y^2 = 1$, в котором $d$ — натуральное число, не являющееся полным
квадратом, а неизвестные $x$ и $y$ — целые.

Если $(x_1, y_1)$ — наименьшее положительное решение, то все остальные получаются из равенства

$$x_n + y_n \sqrt{d} = (x_1 + y_1 \sqrt{d})^n$$

Например, при $d = 2$ наименьшее решение равно $(3, 2)$, следующее — $(17, 12)$. Дроби $\frac{x_n}{y_n}$ быстро
приближаются к $\sqrt{d}$, причём

$$\left| \frac{x_n}{y_n} - \sqrt{d} \right| < \frac{1}{2 y_n^2}$$

@ qa code ru https://questions.example/ru/q/7014
# Как прочитать большой файл построчно?
Файл занимает восемь гигабайт, и программа падает с нехваткой памяти. Читаю так:

```python
with open("journal.txt", encoding="utf-8") as file:
    lines = file.read().split("\n")
for line in lines:
    handle(line)
```

Как читать по одной строке?
-----
Файловый объект сам является итератором, поэтому достаточно цикла:

```python
with open("journal.txt", encoding="utf-8") as file:
    for line in file:
        handle(line.rstrip("\n"))
```

В памяти всё время находится только одна строка и небольшой буфер.

@ hugo code ja https://kiln.example/ja/posts/makefile/
# 小さなMakefileのすすめ
プロジェクトの手順は、人の記憶ではなくファイルに残すべきである。次の例は、テストと配布物の作成をまとめたものだ。

```make
.PHONY: test clean

dist/app.tar.gz: $(wildcard src/*.py)
	mkdir -p dist
	tar czf $@ src

test:
	python -m pytest -q

clean:
	rm -rf dist
```

行頭の空白はタブでなければならない。ファイル名と同じ目標がある場合に備えて、`.PHONY` を書いておく。

@ sphinx code de https://werkzeug.example/de/latest/protokoll.html
# Protokollierung einrichten
Das Programm schreibt seine Meldungen auf die Standardausgabe. Wer sie in einer Datei sammeln möchte, legt eine
Konfiguration an:

```yaml
protokoll:
  datei: /var/log/pegel.log
  stufe: warnung
  rotation:
    größe: 10MB
    anzahl: 5
```

Es gibt vier Stufen:

1. fehler
2. warnung
3. hinweis
4. debug

Jede Stufe schließt die vorhergehenden ein. Die Stufe lässt sich auch ohne Neustart ändern:

```bash
kill -HUP "$(cat /run/pegel.pid)"
```

Danach liest das Programm die Datei neu ein und meldet die neue Stufe.

@ jekyll code zh https://lowwater.example/zh/2020/05/09/defer.html
# 理解延迟调用的顺序
在 Go 语言里，`defer` 语句会在函数返回之前执行。如果有多个延迟调用，它们按照后进先出的顺序执行。

```go
func main() {
	for i := 0; i < 3; i++ {
		defer fmt.Println("关闭", i)
	}
	fmt.Println("开始")
}
```

程序的输出如下：

```text
开始
关闭 2
关闭 1
关闭 0
```

注意参数在 `defer` 语句执行时就已经求值，而不是在函数返回时求值。

@ wordpress code en https://chalkandsand.example/2014/03/dot-product/
# A dot product in assembly
I wanted to know how far one gets with the plain instructions. This is the inner loop, for two arrays of doubles whose
length is in `rcx`:

```asm
dot:
    xorpd  xmm0, xmm0
next:
    movsd  xmm1, [rdi + 8*rcx - 8]
    mulsd  xmm1, [rsi + 8*rcx - 8]
    addsd  xmm0, xmm1
    dec    rcx
    jnz    next          ; until no element is left
    ret
```

Every addition waits for the one before it. Four sums that are added at the end run nearly four times as fast, and the
compiler will not do that for you, because it changes the rounding.

@ mediawiki code es https://manual.example/wiki/Cola_de_prioridad
# Cola de prioridad
Una **cola de prioridad** es una estructura de datos que devuelve siempre el elemento de mayor prioridad.

## Operaciones

| Operación | Lista ordenada | Montículo |
| insertar | O(n) | O(log n) |
| extraer | O(1) | O(log n) |

## Ejemplo

El siguiente programa atiende los barcos según la hora de la marea:

```python
import heapq

cola = []
heapq.heappush(cola, (6.5, "Gaviota"))
heapq.heappush(cola, (4.2, "Marejada"))
while cola:
    hora, barco = heapq.heappop(cola)
    print(f"{hora:4.1f}  {barco}")
```

Si dos barcos tienen la misma hora, se comparan sus nombres.
"""


def build() -> bytes:
    """The file: one page a line."""
    lines = []
    for document in read_documents(SOURCES):
        page = SHELLS[document.shell](document)
        row = {"id": document.name, "kind": document.kind, "url": document.url}
        lines.append(json.dumps({**row, "html": page, "text": write_text(document)}, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode()


if __name__ == "__main__":
    OUT.write_bytes(build())
