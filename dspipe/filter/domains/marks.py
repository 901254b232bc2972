"""The marks by which a text shows its domain, as tables: what is counted, by name.

A mark is a pair of neighbouring characters, a beginning or an end of a line, or a word. In pairs "a" is any
small letter of ASCII, "A" any capital, "0" any digit, "é" any byte beyond ASCII, "␣" a space or tab and "⏎" a
line end; every other character is itself. A pair belongs to one mark only, and so does a word: to the first
that lists it. Words count as they are written, those of any case also with a capital, or all in capitals. A
word in Chinese or Japanese is two characters, found wherever they stand. What no such table can say (numbers,
identifiers, formulas between dollars …) has a name in `SHAPES` and is counted by the kernel.
"""

from __future__ import annotations

PAIRS = {
    "call": "a( A( 0( _(",
    "empty brackets": "() [] {}",
    "arrow": "-> => <- |>",
    "scope": ":: :=",
    "comparison": "== != <= >= && || << >> += -= *= |= ++ =~",
    "double dash": "--",
    "bracket end": "); )) }; ]; ), ], }, }) ]) )} )] )[ '; '] '} ;) )> ;} ]. ). )- )* ,) (( [[ {{",
    "member": ".a ._ )a ]a",
    "sentence end": ".␣ .⏎ .é !␣ !⏎",
    "comma": ",␣ ,⏎",
    "tight comma": ",a ,A ,_ ,' ,- ,$ ,( ,[",
    "tight comma before digit": ',0 ,. ," ,,',
    "clock": ":0",
    "tight colon": ":a :A :_ :[ :{ :( :' :$",
    "quoted value": '=\' (\' [\' {\' =" (" [" {" ", "; ": ") "] "} \', \': \') "> />',
    "apostrophe": "'a",
    "tag": "</ <a <A <_",
    "declaration": "<! <? <%",
    "variable": "${ $( $_ @{ #{ %{ %( &a *a &( $a @a",
    "escape": "\\\" \\' \\0 %a %0",
    "power": "^{ ^0 ^a ^A ^( ^\\ ^* ^- ^+ ^'",
    "subscript": "_{ _\\ }_ )_ }^ )^ ]^",
    "formula bracket": "\\( \\[ \\) \\]",
    "double backslash": "\\\\",
    "brace command": "\\{ \\} \\, \\; \\! \\| \\␣",
    "command after mark": "{\\ }\\ $\\ (\\",
    "tight block": "a{ A{ 0{ ){ ]{ ={ }. }# }@",
    "tight equals": "a= A= 0= _= )= ]= =a =A =_ =( =[ =- =$",
    "spaced equals": "␣=",
    "tight operator": (
        "a+ a* A+ A* 0+ 0* +a *A +A -( +( *( /( )/ )+ a< a> A< A> >a >A ;a ;A {a {A a} A} 0} {0 {_ }a }A "
        "a; A; 0; a[ A[ 0[ a] A]"
    ),
    "spaced operator": "␣+ ␣* ␣/ ␣< ␣> ␣% ␣& ␣| ␣^ ␣!",
    "spaced minus": "␣-",
    "arithmetic": "+0 *0 =0 /0",
    "dash at digits": "-0 0- 0/",
    "share": "0%",
    "amount": "$0",
    "opening brace": "␣{ {␣ {⏎ ␣} }␣",
    "semicolon": ";␣",
    "star pair": "**",
    "link": "]( [a [A [0",
    "double slash": "//",
    "prose quote": "␣\" \"␣ ␣' '␣",
    "spaced bracket": "␣( ␣[",
    "hyphen": "a- A-",
    "backtick": "`a `A `_ a` )` ␣`",
    "pipe": "|␣ |a |-",
}

LINE_BEGINNINGS = {
    "slash line": "//",
    "comment end": "*/",
    "docstring line": "\"\" ''",
    "star line": "*␣ *⏎ ** *a *A",
    "hash line": "#␣ #! ## #⏎",
    "preprocessor line": "#a #A",
    "dash line": "--",
    "percent line": "%␣ %% %a %A",
    "other comment line": ";; ;␣ (* <! !␣ {-",
    "bullet line": "-␣ +␣",
    "dashed line": "-a -A -0 +a +A",
    "number line": "00 0. 0␣ 0) 0, 0- 0/ 0: -.",
    "tag line": "<a </ <A <? <%",
    "opening line": '{⏎ {␣ {" {a (⏎ [⏎ [{ (a ((',
    "closing line": "}⏎ }; }, }␣ }) )⏎ ); ), ]⏎ ], ]; ]) )␣ )) }}",
    "quoted line": '"a "A "0 "_ \'a \'A \'_',
    "at line": "@a @A",
    "variable line": "$a $_ ${ $A &a *(",
    "dot line": ".a .␣ ..",
    "command line": "\\a \\A \\[ \\] $$ \\( \\\\",
    "pipe line": "|␣ |a |A |- ||",
    "quotation line": ">␣ >⏎",
    "capital line": "Aa",
    "capitals line": "AA A_ A␣ A. A:",
    "small line": "aa a␣ a_ a( a. aA a: a= a-",
    "foreign line": "éé",
    "colon line": ":a ::",
}

LINE_ENDS = {
    "ends in semicolon": ";",
    "ends in brace": "{ }",
    "ends in bracket": ") ] ( [",
    "ends in comma": ",",
    "ends in colon": ":",
    "ends in stop": ".",
    "ends in question": "?",
    "ends in letter": "a A _",
    "ends in digit": "0 %",
    "ends in tag": ">",
    "ends in backslash": "\\ | &",
    "ends in quote": "\" ' `",
    "ends in operator": "= + - * /",
    "ends in dollar": "$",
    "ends abroad": "é",
}

WORDS = {
    "code word": (
        "def elif elsif elseif endif ifdef ifndef enum struct typedef const constexpr void int bool "
        "boolean char float double unsigned uint8 uint16 uint32 uint64 int8 int16 int32 int64 uint8_t "
        "uint16_t uint32_t uint64_t int32_t int64_t u8 u16 u32 u64 i32 i64 f32 f64 usize size_t len str "
        "println printf sprintf fprintf snprintf cout endl std nullptr null nil argv argc malloc calloc "
        "realloc sizeof memcpy strlen func fn mut impl crate namespace typename lambda async await var "
        "params param args kwargs foreach endfor esac fi instanceof typeof undefined prototype "
        "querySelector console stdout stderr stdin regex chmod sudo mkdir grep sed awk varchar defun setq "
        "defmodule defp ifeq endfunction endmodule subroutine posedge isset unset strcmp substr errno "
        "retval ret ptr buf tmp idx ctx cfg init xor mov jmp push pop eax ebx rax rdi rsp href src div "
        "span css px rgba xmlns js json xml self True False None NULL TRUE FALSE String Object List "
        "ArrayList HashMap Vec Option Some Ok Err Math Array Exception Error ValueError TypeError override "
        "extends implements throws iostream stdio stdlib val expr stmt env config utils toString valueOf "
        "getElementById addEventListener require_once __init__ __name__ __main__ numpy np pd sys argparse "
        "isinstance echo printk EXPORT_SYMBOL GFP_KERNEL u_int dtype eq neq concat uint inline extern "
        "volatile goto sub qw bless endwhile endforeach"
    ),
    "query word": (
        "SELECT FROM WHERE INSERT UPDATE DELETE CREATE TABLE JOIN VALUES INTO PRIMARY KEY NOT AND NULLIF "
        "VARCHAR INT INTEGER ALTER INDEX ORDER GROUP BEGIN END IF THEN ELSE DO CALL SET PROGRAM SUBROUTINE "
        "RETURN IMPLICIT REAL PROCEDURE FUNCTION DIM LET PRINT GOTO MOVE PERFORM DATA DIVISION SECTION"
    ),
    "programming noun": (
        "function functions variable variables string strings array arrays object objects method methods "
        "class classes parameter parameters argument arguments pointer pointers module modules library "
        "compiler file files directory command option options default server client browser install "
        "installed version code program programming software data database user users example examples"
    ),
    "style word": (
        "margin padding color background border font display none auto solid hover width height bold flex "
        "opacity overflow hidden"
    ),
    "web address": "http https www com org net html htm io",
    "preprocessor word": (
        "#include #define #ifdef #ifndef #endif #if #else #elif #pragma #undef #error #import #region"
    ),
    "decorator": (
        "@Override @param @return @returns @property @staticmethod @classmethod @Test @Autowired @author"
    ),
    "markup tag": (
        "<div <span <p <a <li <ul <td <tr <table <br <img <html <head <body <script <style <link <meta "
        "<input <button <form <h1 <h2 <h3 <path <svg <g <rect <item <property <name <value <key <string "
        "<option <label <title <section"
    ),
    "formula tag": (
        "<math <mi <mo <mn <mrow <msup <msub <mfrac <msqrt <mtd <mtr <mtable <mover <munder <mtext"
    ),
    "formula command": (
        "\\frac \\dfrac \\tfrac \\sqrt \\sum \\int \\prod \\lim \\alpha \\beta \\gamma \\delta \\epsilon "
        "\\varepsilon \\theta \\lambda \\mu \\nu \\pi \\sigma \\phi \\varphi \\psi \\omega \\rho \\tau "
        "\\xi \\zeta \\eta \\kappa \\chi \\Gamma \\Delta \\Sigma \\Omega \\Phi \\Psi \\Lambda \\Theta \\Pi "
        "\\infty \\partial \\nabla \\cdot \\cdots \\ldots \\dots \\times \\div \\pm \\leq \\geq \\le \\ge "
        "\\neq \\ne \\in \\notin \\subset \\subseteq \\supset \\cup \\cap \\to \\rightarrow "
        "\\longrightarrow \\Rightarrow \\implies \\iff \\mapsto \\mathbb \\mathcal \\mathbf \\mathrm "
        "\\mathfrak \\mathsf \\operatorname \\left \\right \\quad \\qquad \\bar \\hat \\tilde \\overline "
        "\\widehat \\widetilde \\vec \\equiv \\cong \\sim \\simeq \\approx \\forall \\exists \\circ "
        "\\oplus \\otimes \\langle \\rangle \\binom \\log \\ln \\sin \\cos \\tan \\min \\max \\sup \\inf "
        "\\ker \\dim \\hom \\det \\pmod \\bmod \\mod \\angle \\triangle \\boxed \\emptyset \\setminus "
        "\\wedge \\vee \\neg \\mid \\colon \\text \\ell \\lfloor \\rfloor \\underset \\overset \\stackrel "
        "\\limits \\coloneqq \\defeq \\Spec \\parallel \\perp \\degree \\prime \\star \\ast \\big \\Big "
        "\\bigl \\bigr \\bigcup \\bigcap \\bigoplus"
    ),
    "paper command": (
        "\\documentclass \\usepackage \\section \\subsection \\subsubsection \\chapter \\paragraph \\label "
        "\\ref \\cref \\eqref \\cite \\citep \\citet \\begin \\end \\item \\textbf \\textit \\emph "
        "\\footnote \\caption \\title \\includegraphics \\author \\maketitle \\index \\href \\url "
        "\\noindent \\centering \\input \\bibitem \\autoref \\newtheorem \\proof"
    ),
}

BEGINNING_WORDS = (  # of languages of programming: counted at the beginning of a line only
    "import from if for while return else class public private protected static final abstract new case "
    "switch break continue try catch except raise throw function let end do done then use package require "
    "require_relative include module with assert yield delete export default interface using print type "
    "select insert update create begin loop match where local my our unless until call get elif def fn "
    "func var const void int struct enum impl pub mod extern typedef template typename namespace sub proc "
    "method global data instance open val object trait fun override internal readonly async await echo "
    "exit set unset source alias defmodule defp double float char bool long unsigned auto string test it "
    "describe expect"
)

WORDS_OF_ANY_CASE = {
    "stop word": (
        "the of and to in that is was for with as on by are this be from at it which or an not have has "
        "had were but they their its been also who when there would can will we you he she his her our "
        "your my"
    ),
    "stop word elsewhere": (
        "de la le les des et un une du en est que qui dans pour sur il elle au der die das und ist nicht "
        "von zu den mit dem ein eine auf im für el los las una por con para es se lo del como más di che è "
        "non sono della gli os um uma não em da het een van niet op na że nie się jest je že ne ve bir bu "
        "и в не на что с по это к"
    ),
    "narration": (
        "said says year years day time new first last world city company government life man woman "
        "children family house book story today week month like know think because after before while "
        "where during against between april may june july september october november december january"
    ),
    "page word": (
        "click login sign share comment comments posted email copyright page read site privacy contact "
        "menu search subscribe cookies policy home photo video blog article news"
    ),
    "theorem word": (
        "theorem theorems lemma proof proposition corollary conjecture axiom definition exercise remark "
        "polynomial polynomials integer integers matrix matrices vector vectors derivative integral "
        "integrals algebra geometry isomorphism homomorphism morphism morphisms sheaf abelian topology "
        "topological manifold finite infinite continuous convergent bijection injective surjective "
        "eigenvalue eigenvalues scalar complex commutative ideal modulo coefficient coefficients satz "
        "beweis théorème démonstration teorema demostración lemme теорема 定理 引理 推论 函数 整数 实数 "
        "集合 矩阵 向量 数列 导数 变量"
    ),
    "school word": (
        "triangle triangles angle angles radius circle perimeter diameter fraction fractions denominator "
        "numerator ratio percent probability prime divisible remainder digit digits equation equations "
        "solve simplify prove evaluate factor factors sum product quotient difference rectangle square "
        "squares cube parallel perpendicular coordinates slope graph inequality algebraic arithmetic "
        "geometric sequence median mean divided multiply multiplied subtract equal equals solution area "
        "volume length dreieck gleichung équation ecuación 方程 三角 面积 分数 圆的 直线 抛物 椭圆 公式 "
        "等式 概率 乘以 除以 加上 減去 减去"
    ),
    "proof word": (
        "let suppose denote hence therefore thus implies satisfying iff follows exists assume consider "
        "such then given define denotes any every if only since whose unique nonempty respectively obtain "
        "holds 已知 求证 证明 设函 满足 求解 解析 则有 所以 因此 任意 存在 当且"
    ),
    "question": (
        "how many much what find calculate determine compute wie viele viel combien cuántos cuántas cuánto "
        "cuánta quanti quante quanto quantos quantas ile сколько скольких каково ngapi gani hvor mange "
        "hoeveel কত ఎన్ని कितने कितना kolik 多少 几个 几天 多大 くつ 幾つ 何個 何人 何枚 何ド 何時 何日 "
        "どれ"
    ),
    "quantity": (
        "each total times twice thrice half per altogether remaining left more fewer less than average "
        "both cost costs price pays paid spend spent spends earns earn buys bought sells sold gave gives "
        "eats ate dollars cents hours minutes miles feet inches pounds dozen rest number amount insgesamt "
        "jeder jede jedes jeden pro kostet doppelt hälfte mal übrig kauft verkauft verdient gesamten "
        "stunden minuten dollar euro chaque coûte moitié double fois reste achète vend gagne heures cada "
        "cuesta mitad doble veces quedan queda compra vende gana horas minutos dólares ogni costa metà "
        "ciascuno всего каждый каждая каждого стоит раза раз больше меньше половина половину вдвое "
        "осталось купил купила часов минут долларов рублей kila jumla 一共 平均 每个 每天 每人 原来 还剩 "
        "剩下 小时 千米 公里 分之 一半 倍。 合計 全部 時間 半分 毎日 ずつ"
    ),
    "opinion": (
        "very really so just love loved great good nice best better worst bad amazing beautiful excellent "
        "happy want wanted never always feel felt thing things got get going people us me am"
    ),
    "number word": (
        "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred "
        "thousand third quarter eins zwei drei vier fünf sechs deux trois quatre cinq dos tres cuatro "
        "cinco два три четыре пять"
    ),
}

SHAPES = (  # what the kernel finds by itself
    "word",
    "letter",  # byte of a word
    "camel case",
    "snake case",
    "letters with digits",
    "capitals",
    "capitalized",
    "lone letter",
    "indexed letter",
    "long word",
    "foreign word",
    "ideograph",
    "number",  # between spaces or marks of sentences
    "tight number",
    "number with letters",
    "asked in numbers",  # the smaller of numbers and twice the questions
    "formula",  # between two dollars
    "formula byte",
    "unknown command",
    "command argument",
    "letter of Greek",
    "question mark",
    "mathematical symbol",
    "typographic mark",
    "mark of ideographs",
    "drawn arrow",
    "beginning word",
    "key line",
    "comment line",
    "rule line",
    "line",
    "blank line",
    "indented line",
    "tabbed line",
    "long line",
    "opens with a tag",
    "opens with a bracket",
    "opens with a shebang",
    "fenced byte",
    "fence",
    "byte",  # outside of fences
)

NAMES = ("", *SHAPES, *PAIRS, *LINE_BEGINNINGS, *LINE_ENDS, *WORDS, *WORDS_OF_ANY_CASE)
