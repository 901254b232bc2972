"""Formulas in pages: each form that sites give them, once each; pages without any; pages that mean harm."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.extract.mathematics.formulas import rewrite_mathematics

GOLD = Path(__file__).parents[2] / "benchmarks" / "gold"
X2 = "<msup><mi>x</mi><mn>2</mn></msup>"
NOTED = f'<math><semantics>{X2}<annotation encoding="application/x-tex">x^2</annotation></semantics></math>'

FORMS = {
    "MathML": (f"a <math>{X2}</math> b", "a $x^2$ b"),
    "MathML, display": (f'<math xmlns="m" display="block">{X2}</math>', "$$x^2$$"),
    "MathML, old display": (f"<math mode='display'>{X2}</math>", "$$x^2$$"),
    "MathML, namespace": ("<m:math><m:mi>x</m:mi></m:math>", "$x$"),
    "MathML, long namespace": ("<mml:math><mml:mi>x</mml:mi></mml:math>", "$x$"),
    "annotation": (f"a {NOTED} b", "a $x^2$ b"),
    "annotation, other name": (NOTED.replace("application/x-tex", "LaTeX"), "$x^2$"),
    "annotation, own delimiters": (NOTED.replace("x^2<", r"\( x^2 \)<"), "$x^2$"),
    "annotation, own display": (NOTED.replace("x^2<", r"$$x^2$$<"), "$$x^2$$"),
    "annotation, entities": (NOTED.replace("x^2<", "x &lt; y &amp; z<"), "$x &lt; y &amp; z$"),
    "annotation, lines": (NOTED.replace("x^2<", "x % a comment\n  + \n y<"), "$x + y$"),
    "annotation, percent": (NOTED.replace("x^2<", "5\\% of x<"), r"$5\% of x$"),
    "annotation, empty": (NOTED.replace("x^2<", " <"), "$x^2$"),
    "annotation, dollars": (NOTED.replace("x^2<", r"\text{if $x$ is}<"), r"$\text{if \(x\) is}$"),
    "annotation, one dollar": (NOTED.replace("x^2<", "5$<"), r"$5\$$"),
    "annotation, last backslash": (NOTED.replace("x^2<", "x\\ <"), "$x$"),
    "alternative text": ('<math alttext="\\alpha"><mi>?</mi></math>', r"$\alpha$"),
    "alternative text, LaTeXML": ('<math alttext="x%&#10;+y" display="inline"><mi>x</mi></math>', "$x+y$"),
    "alternative text in words": (f'<math alttext="x squared">{X2}</math>', "$x^2$"),
    "alternative text with >": ('<math alttext="x>2"><mi>?</mi></math>', "$x&gt;2$"),
    "empty": ("a<math></math>b", "ab"),
    "KaTeX": (
        f'<span class="katex"><span class="katex-mathml">{NOTED}</span><span class="katex-html" '
        'aria-hidden="true"><span class="base"><span>x</span><span>2</span></span></span></span>',
        '<span class="katex"><span class="katex-mathml">$x^2$</span></span>',
    ),
    "KaTeX, display": (
        f'<span class="katex-display"><span class="katex">{NOTED}</span></span>',
        '<span class="katex-display"><span class="katex">$$x^2$$</span></span>',
    ),
    "MathJax 2, not set": ('a <script type="math/tex">x<y</script> b', "a $x&lt;y$ b"),
    "MathJax 2, display": ("<script type='math/tex; mode=display'>x</script>", "$$x$$"),
    "MathJax 2, MathML": (f'<script type="math/mml"><math>{X2}</math></script>', "$x^2$"),
    "MathJax 2, kramdown": ('<script type="math/tex">% <![CDATA[\nx < y %]]></script>', "$x &lt; y$"),
    "MathJax 2, set": (
        '<span class="MathJax_Preview" style="color: inherit;"></span><span class="MathJax" id="MathJax-1" '
        f'data-mathml="<math>{X2}</math>"><nobr aria-hidden="true"><span class="math"><span>x2</span></span>'
        f'</nobr><span class="MJX_Assistive_MathML"><math>{X2}</math></span></span>'
        '<script type="math/tex">x^2</script>',
        "$x^2$",
    ),
    "MathJax 2, set, display": (
        '<div class="MathJax_Display"><span class="MathJax"><span>x</span></span></div>\n'
        '<script type="math/tex; mode=display">x</script>',
        "\n$$x$$",
    ),
    "MathJax 2, saved without scripts": (
        f'<span class="MathJax_SVG"><svg></svg><span class="MJX_Assistive_MathML"><math>{X2}</math>'
        "</span></span>",
        "$x^2$",
    ),
    "MathJax 2, attribute only": (
        '<span class="MathJax" data-mathml="<math><mo>&amp;lt;</mo></math>"><span>?</span></span>',
        "$&lt;$",
    ),
    "MathJax 3": (
        '<mjx-container class="MathJax" jax="CHTML"><mjx-math aria-hidden="true"><mjx-c class="c1D4"></mjx-c>'
        f"</mjx-math><mjx-assistive-mml><math>{X2}</math></mjx-assistive-mml></mjx-container>",
        "$x^2$",
    ),
    "MathJax 3, display": (
        f'<mjx-container display="true"><svg/><mjx-assistive-mml><math>{X2}</math></mjx-assistive-mml>'
        "</mjx-container>",
        "$$x^2$$",
    ),
    "MathJax 4": ('<math data-latex="\\vec x"><mi>x</mi></math>', r"$\vec x$"),
    "Wikipedia": (
        'a <span class="mwe-math-element mwe-math-element-inline"><span class="mwe-math-mathml-inline '
        'mwe-math-mathml-a11y" style="display: none;"><math alttext="{\\displaystyle x^{2}}"><semantics>'
        '<annotation encoding="application/x-tex">x^{2}</annotation></semantics></math></span>'
        '<img src="s.svg" class="mwe-math-fallback-image-inline" alt="{\\displaystyle x^{2}}"></span> b',
        "a $x^{2}$ b",
    ),
    "Wikipedia, image only": (
        '<span class="mwe-math-element"><img class="mwe-math-fallback-image-inline" alt="x^{2}"></span>',
        "$x^{2}$",
    ),
    "Wikipedia, ten years ago": (
        f'<span><span class="mwe-math-mathml-inline" style="display:none">{NOTED}</span>'
        '<img class="mwe-math-fallback-image-inline" alt="x^2"></span>',
        "<span>$x^2$</span>",
    ),
    "Wikipedia, twenty years ago": ('<img class="tex" alt="x^2" src="/math/1.png" />', "$x^2$"),
    "braces that are two groups": (
        NOTED.replace("x^2<", r"{\displaystyle a} + {b}<"),
        r"${\displaystyle a} + {b}$",
    ),
    "WordPress": (
        '<img src="https://s0.wp.com/latex.php?latex=x%3E0&#038;bg=fff" alt="x>0" title="x" class="latex">',
        "$x&gt;0$",
    ),
    "QuickLaTeX": (
        '<img class="ql-img-displayed-equation quicklatex-auto-format" alt="\\[x^2\\]" src="a.png">',
        "$$x^2$$",
    ),
    "CodeCogs": ('<img src="https://latex.codecogs.com/svg.image?\\inline&space;x^2+1">', "$x^2+1$"),
    "CodeCogs, quoted": (
        '<img src="//latex.codecogs.com/gif.latex?%5Cfrac%7B1%7D%7B2%7D" alt="">',
        r"$\frac{1}{2}$",
    ),
    "image, alone": (
        '<center>\n<img class="latex" alt="x^2"></center><img class="latex" alt="x^2">',
        "<center>\n$$x^2$$</center>$x^2$",
    ),
    "image, twice": ('<img class="latex" alt="x">, <img class="latex" alt="x">', "$x$, $x$"),
    "mimeTeX": ('<img src="/cgi-bin/mimetex.cgi?x^2" alt="formula">', "$x^2$"),
}

UNCHANGED = {
    "LaTeX": r"<math-renderer>\(x\) and \[y\] and $$z$$</math-renderer>",
    "no picture of a formula": '<img class="latex" alt="The results of our experiment" src="a.png">',
    "name of a file": '<img class="math" alt="eq_1.png" src="eq_1.png">',
    "another image": '<img class="photo" alt="x^2"> on math/tex',
    "unclosed": "<p><math><mi>x</mi><p>text and more text",
    "content": '<math><apply><plus/><ci>x</ci></apply></math>"',
    "another script": '<script type="math/asciimath">x</script>',
    "too long": "<math>" + "<mi>x</mi>" * 2000 + "</math>",
    "a class of the page's own": '<div class="MathJaxes"><p>math/</p></div>',
    "words": "<p>The mathematics of latex</p>",
    "few bytes": "<math>",
    "none": "",
}


@pytest.mark.parametrize(("page", "rewritten"), FORMS.values(), ids=FORMS)
def test_each_form_becomes_latex_once(page: str, rewritten: str) -> None:
    ends = "<body>", "</body></html>"
    assert rewrite_mathematics(page.join(ends).encode()) == rewritten.join(ends).encode()


@pytest.mark.parametrize("page", UNCHANGED.values(), ids=UNCHANGED)
def test_what_is_no_formula_or_latex_already_is_left_alone(page: str) -> None:
    assert rewrite_mathematics(page.encode()) == page.encode()


def test_a_formula_that_cannot_be_read_does_not_spoil_the_next() -> None:
    page = f"<p><math><mi>x</mi> <math>{X2}</math> <math><apply/></math> <math>{X2}</math></p></body>"
    rewritten = "<p><math><mi>x</mi> $x^2$ <math><apply/></math> $x^2$</p></body>"
    assert rewrite_mathematics(page.encode()) == rewritten.encode()


def test_a_paragraph_of_class_mathjax_before_a_script_is_kept() -> None:
    page = b'<div class="MathJax"><p>Prose.</p></div><script type="math/tex">x</script></html>'
    assert rewrite_mathematics(page) == b'<div class="MathJax"><p>Prose.</p></div>$x$</html>'


PARTS = [part for page, _ in FORMS.values() for part in page.replace(">", ">\0").split("\0")] + [
    "<p>",
    "text",
]


@given(st.lists(st.sampled_from(PARTS), max_size=40).map("".join))
def test_pieces_of_formulas_in_any_order_never_raise(page: str) -> None:
    rewrite_mathematics(page.encode())


@given(st.binary())
def test_no_bytes_raise(page: bytes) -> None:
    rewrite_mathematics(b'<math><img class="latex" ' + page + b"</math>          ")


@pytest.mark.parametrize(
    "page",
    [
        b"<math>" * 170_000,
        b"<math>" * 170_000 + b"</math>",
        b"<math><mrow>" * 90_000 + b"</math>",
        b"<math>" + b"<mrow>" * 150_000 + b"</math>",
        (b"<math>" * 100 + b"<mi>x</mi>" * 1900 + b"</math>") * 50,
        b'<script type="math/tex">' * 40_000,
        b'<script type="math/tex">' * 40_000 + b"</script>",
        b'<span class="MathJax">' * 45_000,
        b'<span class="MathJax">' * 35_000 + b"</span>" * 35_000 + b"math/",
        b'<span class="katex-html">' * 40_000 + b"math/",
        b'<span class="mwe-math-element"><img ' * 28_000,
        b"<mjx-container>" * 70_000 + b"<math>" + b"</mjx-container>",
        b"<mjx-container>" * 40_000 + b"<math>" + b"</mjx-container>" * 40_000,
        b'<img class="latex" alt="' * 42_000,
        b"<img class=latex alt=x> " * 42_000,
        b"<img latex src=" + b"codecogs.com/" * 80_000 + b">",
        (b"<img src='" + b"codecogs.com/" * 1500 + b"'>") * 50 + b"latex",
        b"<math><annotation " * 58_000 + b"</math>",
        (b"<math>" + b"<annotation " * 1600 + b"</math>") * 50,
        (b'<math alttext="' + b'"a' * 9900 + b"</math>") * 50,
        b"<span " + b"class= " * 140_000 + b"<math>",
        b"<span class= " * 75_000 + b"<math>",
        b"<math><mtext>" + b"$\\" * 9000 + b"</mtext></math>",
    ],
    ids=range(23),
)
def test_a_megabyte_takes_time_in_proportion_to_it(page: bytes) -> None:
    begin = time.process_time()
    rewrite_mathematics(page)
    assert time.process_time() - begin < 10


def test_a_page_without_formulas_costs_next_to_nothing() -> None:
    page = b'<p class="text">A page of words and Math.random() that is rather longer than most.</p>\n' * 1200
    rewrite_mathematics(page)
    begin = time.perf_counter()
    for _ in range(100):
        rewrite_mathematics(page)
    assert (time.perf_counter() - begin) / 100 < 0.001  # 20 µs on an idle machine


def test_the_gold_set_is_what_its_builder_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    path = GOLD / "code-and-math.jsonl"
    specification = importlib.util.spec_from_file_location("gold_build", GOLD / "build.py")
    assert specification and specification.loader
    builder = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "gold_build", builder)
    specification.loader.exec_module(builder)
    assert builder.build() == path.read_bytes()
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) >= 60
    assert {row["kind"] for row in rows} == {"code", "math", "mixed"}
