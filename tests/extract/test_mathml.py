"""MathML → LaTeX: what is read from a page's formulas, and that no markup costs more than reading it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.extract.mathematics.mathml import convert_mathml

FRACTION = "<mfrac><mi>a</mi><mi>b</mi></mfrac>"
TABLE = (
    "<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr>"
    "<mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn></mtd></mtr></mtable>"
)

EXAMPLES = {
    "<mi>x</mi>": "x",
    "<math><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow></math>": "a + b",
    "<m:math><m:mi>a</m:mi><m:mo>=</m:mo><m:mi>b</m:mi></m:math>": "a = b",
    "<mo>-</mo><mi>b</mi>": "-b",
    "<mi>a</mi><mo>=</mo><mo>−</mo><mi>b</mi>": "a = -b",
    "<mi>a</mi><mo>(</mo><mo>-</mo><mn>1</mn><mo>)</mo>": "a(-1)",
    "<mi>x</mi><mo>&lt;</mo><mn>2</mn>": "x < 2",
    "<mi>α</mi><mi>x</mi>": r"\alpha x",
    "<mi>α</mi><mn>2</mn>": r"\alpha2",
    "<mi>&alpha;</mi><mo>&#x2264;</mo><mi>&beta;</mi>": r"\alpha \leq \beta",
    "<mn>3.14</mn>": "3.14",
    "<mn>50</mn><mo>%</mo>": r"50\%",
    "<mtext>if </mtext><mi>x</mi>": r"\text{if }x",
    "<mtext>a_b &amp; 50% {c}</mtext>": r"\text{a\_b \& 50\% \{c\}}",
    "<mtext>&nbsp;and&nbsp;</mtext>": r"\text{ and }",
    "<ms>s</ms>": r'\text{"s"}',
    "<mi>a</mi><mspace width='1em'/><mi>b</mi>": r"a \quad b",
    "<mi>a</mi><mspace width='0.2777777777777778em'></mspace><mi>b</mi>": r"a \, b",
    FRACTION: r"\frac{a}{b}",
    f"{FRACTION}<mi>x</mi><msub><mi>y</mi><mn>1</mn></msub><mi>z</mi>": r"\frac{a}{b} xy_1 z",
    "<mrow><mo>(</mo><mfrac linethickness='0'><mi>n</mi><mi>k</mi></mfrac><mo>)</mo></mrow>": r"\binom{n}{k}",
    "<mfrac linethickness='0px'><mi>n</mi><mi>k</mi></mfrac>": r"{n \atop k}",
    "<msqrt><mi>x</mi><mo>+</mo><mn>1</mn></msqrt>": r"\sqrt{x + 1}",
    "<mroot><mi>x</mi><mn>3</mn></mroot>": r"\sqrt[3]{x}",
    "<msub><mi>a</mi><mn>1</mn></msub>": "a_1",
    "<msub><mi>a</mi><mrow><mi>i</mi><mo>+</mo><mn>1</mn></mrow></msub>": "a_{i+1}",
    "<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>": "{a + b}^2",
    "<msup><mrow><mo>(</mo><mi>a</mi><mo>+</mo><mi>b</mi><mo>)</mo></mrow><mn>2</mn></msup>": "(a + b)^2",
    "<msup><msup><mi>a</mi><mi>b</mi></msup><mi>c</mi></msup>": "{a^b}^c",
    "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>": "x_i^2",
    "<msup><mi>f</mi><mo>′</mo></msup><mo>(</mo><mi>x</mi><mo>)</mo>": "f'(x)",
    "<msup><mi>f</mi><mrow><mo>′</mo><mo>′</mo></mrow></msup>": "f''",
    "<msub><mi></mi><mn>2</mn></msub>": "{}_2",
    "<mi>sin</mi><mo>&#x2061;</mo><mi>x</mi>": r"\sin x",
    "<mn>2</mn><mi>cos</mi><mo>(</mo><mi>θ</mi><mo>)</mo>": r"2 \cos(\theta)",
    "<msup><mi>sin</mi><mn>2</mn></msup><mi>x</mi>": r"\sin^2 x",
    "<mi>rank</mi><mo>&ApplyFunction;</mo><mi>A</mi>": r"\operatorname{rank} A",
    "<mi>speed</mi>": r"\mathrm{speed}",
    "<mi>a</mi><mo>mod</mo><mi>n</mi>": r"a \bmod n",
    "<mi mathvariant='normal'>d</mi><mi>x</mi>": r"\mathrm{d}x",
    "<mi mathvariant='bold'>v</mi>": r"\mathbf{v}",
    "<mi mathvariant='normal'>Γ</mi>": r"\Gamma",
    "<mi mathvariant='double-struck'>R</mi>": r"\mathbb{R}",
    "<msup><mi>ℝ</mi><mi>n</mi></msup>": r"\mathbb{R}^n",
    "<mi>ℒ</mi><mi>𝔤</mi><mi>𝒪</mi>": r"\mathcal{L}\mathfrak{g}\mathcal{O}",
    "<mi>𝑥</mi><mo>∈</mo><mi>𝔽</mi>": r"x \in \mathbb{F}",
    "<mi>𝛼</mi><mi>𝐯</mi>": r"\alpha\mathbf{v}",
    "<mi>é</mi><mi>速</mi>": "é速",
    "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi>": (
        r"\sum_{i=1}^n i"
    ),
    "<msubsup><mo>∫</mo><mn>0</mn><mn>1</mn></msubsup><mi>f</mi>": r"\int_0^1 f",
    "<munder><mi>lim</mi><mrow><mi>n</mi><mo>→</mo><mi>∞</mi></mrow></munder><mi>a</mi>": (
        r"\lim_{n \to \infty} a"
    ),
    "<mover><mi>x</mi><mo>^</mo></mover>": r"\hat{x}",
    "<mover accent='true'><mi>x</mi><mo>¯</mo></mover>": r"\bar{x}",
    "<mover><mi>v</mi><mo>→</mo></mover>": r"\vec{v}",
    "<mover><mi>x</mi><mo>˙</mo></mover>": r"\dot{x}",
    "<mover><mi>σ</mi><mo>~</mo></mover>": r"\tilde{\sigma}",
    "<mover><mrow><mi>A</mi><mi>B</mi></mrow><mo>¯</mo></mover>": r"\overline{AB}",
    "<munder><munder><mi>x</mi><mo>⏟</mo></munder><mtext>a</mtext></munder>": r"\underbrace{x}_{\text{a}}",
    "<munder><mi>x</mi><mo>_</mo></munder>": r"\underline{x}",
    "<mi>A</mi><mover><mo>→</mo><mi>f</mi></mover><mi>B</mi>": r"A \xrightarrow{f} B",
    "<mi>a</mi><mover><mo>=</mo><mtext>def</mtext></mover><mi>b</mi>": r"a \overset{\text{def}}{=} b",
    "<mmultiscripts><mi>U</mi><mprescripts/><mn>92</mn><mn>238</mn></mmultiscripts>": "{}_{92}^{238}U",
    "<mmultiscripts><mi>R</mi><mi>a</mi><none/></mmultiscripts>": "R_a",
    TABLE: r"\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}",
    f"<mi>A</mi><mo>=</mo><mo>(</mo>{TABLE}<mo>)</mo>": r"A = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
    f"<mrow><mo>|</mo>{TABLE}<mo>|</mo></mrow>": r"\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}",
    f"<mo>{{</mo>{TABLE}<mo></mo>": r"\begin{cases} 1 & 2 \\ 3 & 4 \end{cases}",
    f"<mfenced open='[' close=']'>{TABLE}</mfenced>": r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}",
    TABLE.replace("<mtable", "<mtable columnalign='right left'"): (
        r"\begin{aligned} 1 & 2 \\ 3 & 4 \end{aligned}"
    ),
    "<mfenced><mi>a</mi><mi>b</mi></mfenced>": "(a, b)",
    "<mfenced open='{' close='}' separators='|'><mi>x</mi><mi>y</mi></mfenced>": r"\{x|y\}",
    f"<mrow><mo>(</mo>{FRACTION}<mo>)</mo></mrow>": r"\left(\frac{a}{b}\right)",
    "<mrow><mo>|</mo><mi>x</mi><mo>|</mo></mrow>": "|x|",
    "<mo>⌊</mo><mi>x</mi><mo>⌋</mo>": r"\lfloor x\rfloor",
    "<mo>{</mo><mi>x</mi><mo>}</mo>": r"\{x\}",
    "<mrow><mo>(</mo><mi>a</mi><msub><mi>x</mi><mi>i</mi></msub><msup><mo>)</mo><mn>2</mn></msup></mrow>": (
        "(ax_i)^2"
    ),
    "<msub><mi>x</mi><mn>1</mn></msub><mi>y</mi><mo>.</mo>": "x_1 y.",
    "<msub><mi>x</mi><mn>1</mn></msub><mo>.</mo>": "x_1.",
    "<mphantom><mi>x</mi></mphantom>": r"\phantom{x}",
    "<menclose notation='box'><mi>x</mi></menclose>": r"\boxed{x}",
    "<menclose notation='updiagonalstrike'><mi>x</mi></menclose>": r"\cancel{x}",
    "<mstyle displaystyle='true'><mpadded><mi>x</mi></mpadded></mstyle>": "x",
    "<merror><mtext>bad</mtext></merror>": r"\text{bad}",
    "<semantics><mi>x</mi><annotation encoding='StarMath 5.0'>y</annotation></semantics>": "x",
    "<semantics><mi>x</mi><annotation-xml><apply><ci>y</ci></apply></annotation-xml></semantics>": "x",
    "<maction><mi>x</mi><mi>y</mi></maction>": "x",
    "<mi>a</mi><!-- no --><mo><![CDATA[<]]></mo><mi>b</mi>": "a < b",
    "<math></math>": "",
    "<mi>a</mi><mo>&#x2062;</mo><mi>b</mi>": "ab",
    "<mfrac><mi>a</mi></mfrac>": "a",
    "<mrow><mi>x</mi>": "x",
    "<mi>x</mi></mrow></math>": "x",
}


@pytest.mark.parametrize(("markup", "latex"), EXAMPLES.items())
def test_mathml_becomes_the_latex_that_a_person_would_write(markup: str, latex: str) -> None:
    assert convert_mathml(markup.encode()) == latex


@pytest.mark.parametrize(
    "markup",
    [
        "<apply><plus/><ci>x</ci><cn>1</cn></apply>",
        "<mrow>" * 201 + "<mi>x</mi>" + "</mrow>" * 201,
        "<mi>x</mi><!-- without an end",
        '<mi title="x>x</mi>',
        "<mi>x</mi><annotation>x",
    ],
)
def test_what_cannot_be_told_is_none(markup: str) -> None:
    assert convert_mathml(markup.encode()) is None


def is_balanced(latex: str) -> bool:
    depth = 0
    for brace in re.findall(r"\\.|[{}]", latex, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return depth == 0


NAMES = "mi mn mo mtext ms mspace mrow mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr"
NAMES += " mtd mfenced mmultiscripts mprescripts none semantics maction menclose mphantom mstyle span br"
TAGS = st.sampled_from([f"<{end}{name}>" for name in NAMES.split() for end in ("", "", "/")])
TOKENS = st.sampled_from(
    ["a", "{", "}", "\\", "$", "%", "^", "_", "&amp;", "(", ")", "|", "∑", "→", "𝐱", "′"]
)


@given(st.binary())
def test_no_bytes_raise(markup: bytes) -> None:
    convert_mathml(markup)


@given(st.lists(TAGS | TOKENS, max_size=60).map("".join))
def test_braces_are_balanced_whatever_the_markup(markup: str) -> None:
    latex = convert_mathml(markup.encode())
    assert latex is not None and is_balanced(latex)


@given(st.text(max_size=20))
def test_every_character_can_stand_in_every_token(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    for name in ("mi", "mn", "mo", "mtext", "ms"):
        latex = convert_mathml(f"<{name}>{escaped}</{name}>".encode("utf-8", "replace"))
        assert latex is not None and is_balanced(latex)


@pytest.mark.parametrize(
    "markup",
    [
        b"<math>" * 170_000,
        b"<math><mrow>" * 90_000,
        b"<mi>x</mi>" * 100_000,
        b"<mrow>" * 190 + b"<mi>x</mi>" * 50_000 + b"</mrow>" * 190,
        b"</mrow>" * 140_000,
        b"<mi a=b " * 120_000,
        b'<mi a="' * 140_000,
        b"<!--" * 250_000,
        b"<mi>" + b"&" * 1_000_000,
        b"<msup>" * 150 + b"<mi>x</mi>" * 50_000,
    ],
)
def test_a_megabyte_takes_time_in_proportion_to_it(markup: bytes) -> None:
    begin = time.process_time()
    convert_mathml(markup)
    assert time.process_time() - begin < 10
