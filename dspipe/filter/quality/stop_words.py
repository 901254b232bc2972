"""Stop words of many languages, and words that rules look for, as tables that a kernel looks hashes up in.

A stop word is one that a text of some length in its language can hardly do without. Gopher (Rae et al. 2021,
A.1.1) has eight for English, and asks for two of them; the other lists were made to be like that one, of
words that are frequent and not part of names. A language written without spaces has a list only where its
words of one character will do. Words count whether they are written small, capitalised or in capitals.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.text.arrow import read_only, text_buffers
from dspipe.text.words import hash_words

WORDS_BY_LANGUAGE = """
af die van en in het is nie wat vir met
ar في من على إلى أن عن هذا التي هو ما
az və bir bu üçün ilə da də olan çox
be у і на не што з для як гэта па
bg на и в за не се от да с е че
bn এবং এই করে থেকে জন্য না হয় একটি ও তার
ca de la i el que en un per amb és del
cs a v na se je že to s z do i
cy y yn a i o ar mae ei bod gan
da og i at det en til er som på med for
de der die und in den von zu das mit sich ist nicht
el και το να της η του για από με την που
en the be to of and that have with
eo la de kaj en al estas ne por kun kiu
es de la que el en y los se por con las una
et ja on ei et see ka oma mis kui või
eu eta da ez bat du dira ere baina hau
fa و در به از که این را با است برای
fi ja on ei se että oli hän mutta kun myös
fr de la le et les des en un une que est pour
ga an na agus ar is go sé le bhí don
gl de que e a o en do da un para non
he של את על לא זה הוא עם כל גם או
hi के है में की और से का को पर यह
hr i u je na se da za su od koji
hu a az és hogy nem egy is van de meg
hy և է որ մեջ են համար այս եւ հետ
id yang dan di dengan untuk dari ini pada tidak itu
is og að í á er sem til um við ekki
it di e il la che in per un del non una con
ja の に は を た が で て と し れ も
ka და არის რომ ეს თუ მისი იყო
ko 이 그 수 것 등 및 있는 하는 있다 또는
la et in est non ad cum ut quod qui sed
lt ir yra kad į su iš tai kaip bet
lv un ir no ar uz kas par tas bet
mk на и во од се да за не со е
mr आणि आहे या व हे ते आहेत नाही मध्ये
ms yang dan di untuk dengan ini pada dalam tidak itu
nl de van het een en in is dat op te niet voor
no og i det at en er på som for til av ikke
pl w i na z do się nie to jest że o
pt de a que o e do da em um para não com
ro de și în la a că cu pe nu din este
ru и в на не с что по как это из для
sk a v na sa je že to s z do na
sl in v je na se da za so ki tudi
sq dhe të në e për me një që nga është
sr и у је на да се за су од који i u je na se da za su od koji
sv och i att det en som på är för av med inte
sw na ya wa kwa ni katika za la hii kuwa
ta ஒரு இந்த என்று மற்றும் அந்த என
te ఈ మరియు ఒక ఆ అని కు
tr ve bir bu için ile de da olan çok gibi
uk і в на не з що у до та як для
ur کے ہے میں کی اور سے کا کو نے پر
vi và của là có cho không được trong các một
zh 的 是 在 了 不 和 有 这 我 他 也 就
"""
KEYWORDS = (
    "javascript", "lorem", "ipsum", "terms", "of", "use", "uses", "privacy", "cookie", "policy", "cookies",
)  # fmt: skip
JAVASCRIPT, LOREM, IPSUM, TERMS, OF, USE, USES, PRIVACY, COOKIE, POLICY, COOKIES = range(1, 12)

SLOTS = 1024  # a tenth is taken: most words are no stop words, and one look shall tell
STOP = 255  # mask of a stop word's number in its list, from 1; a keyword's number stands above
KEYWORD = 256


class StopWords(NamedTuple):
    """For each language, and first for none, a hash table of its words."""

    keys: NDArray[np.uint64]  # [languages, SLOTS]
    codes: NDArray[np.int64]  # [languages, SLOTS]: stop word's number | keyword's number · KEYWORD; 0: free
    rows: dict[str, int]  # of the languages


@cache
def load_stop_words() -> StopWords:
    lists: dict[str, list[str]] = {"": []}
    for line in WORDS_BY_LANGUAGE.split("\n"):
        language, *words = line.split() or [""]
        lists[language] = list(dict.fromkeys(words))
    keys, codes = np.zeros((len(lists), SLOTS), np.uint64), np.zeros((len(lists), SLOTS), np.int64)
    for row, words in enumerate(lists.values()):
        numbers: dict[str, int] = {}
        for number, word in enumerate(words, 1):
            numbers |= dict.fromkeys(write_variants(word), number)
        for number, word in enumerate(KEYWORDS, 1):
            for variant in write_variants(word):
                numbers[variant] = numbers.get(variant, 0) + number * KEYWORD
        fill_table(numbers, keys[row], codes[row])
    return StopWords(read_only(keys), read_only(codes), {name: row for row, name in enumerate(lists)})


def write_variants(word: str) -> set[str]:
    return {word, word.capitalize(), word.upper(), *(["JavaScript"] if word == "javascript" else [])}


def fill_table(numbers: dict[str, int], keys: NDArray[np.uint64], codes: NDArray[np.int64]) -> None:
    """Open addressing by the lowest bits of the hashes, as the kernel looks them up."""
    words = list(numbers)
    hashes, ends = hash_words(*text_buffers(pa.array(words, pa.string())))
    if np.any(np.diff(ends) != 1):
        raise ValueError("a stop word must be one word as text.words splits them")
    for word, value in zip(words, hashes.tolist(), strict=True):
        slot = value & (SLOTS - 1)
        while codes[slot]:
            slot = (slot + 1) & (SLOTS - 1)
        keys[slot], codes[slot] = value, numbers[word]
