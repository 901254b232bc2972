"""Turns the labels of fastText models into what recipes call a language: ISO 639-1 where there is such."""

from __future__ import annotations

import re
from functools import cache

from dspipe.filter.languages.guess import NAMES

PREFIX = "__label__"
SCRIPTED = re.compile(r"([a-z]{3})_[A-Z][a-z]{3}")  # GlotLID's labels: eng_Latn

# ISO 639-3 and ISO 639-1, of all languages that have both.
CODES = (
    "aar aa abk ab afr af aka ak amh am ara ar arg an asm as ava av ave ae aym ay aze az bak ba bam bm "
    "bel be ben bn bis bi bod bo bos bs bre br bul bg cat ca ces cs cha ch che ce chu cu chv cv cor kw "
    "cos co cre cr cym cy dan da deu de div dv dzo dz ell el eng en epo eo est et eus eu ewe ee fao fo "
    "fas fa fij fj fin fi fra fr fry fy ful ff gla gd gle ga glg gl glv gv grn gn guj gu hat ht hau ha "
    "hbs sh heb he her hz hin hi hmo ho hrv hr hun hu hye hy ibo ig ido io iii ii iku iu ile ie ina ia "
    "ind id ipk ik isl is ita it jav jv jpn ja kal kl kan kn kas ks kat ka kau kr kaz kk khm km kik ki "
    "kin rw kir ky kom kv kon kg kor ko kua kj kur ku lao lo lat la lav lv lim li lin ln lit lt ltz lb "
    "lub lu lug lg mah mh mal ml mar mr mkd mk mlg mg mlt mt mon mn mri mi msa ms mya my nau na nav nv "
    "nbl nr nde nd ndo ng nep ne nld nl nno nn nob nb nor no nya ny oci oc oji oj ori or orm om oss os "
    "pan pa pli pi pol pl por pt pus ps que qu roh rm ron ro run rn rus ru sag sg san sa sin si slk sk "
    "slv sl sme se smo sm sna sn snd sd som so sot st spa es sqi sq srd sc srp sr ssw ss sun su swa sw "
    "swe sv tah ty tam ta tat tt tel te tgk tg tgl tl tha th tir ti ton to tsn tn tso ts tuk tk tur tr "
    "twi tw uig ug ukr uk urd ur uzb uz ven ve vie vi vol vo wln wa wol wo xho xh yid yi yor yo zha za "
    "zho zh zul zu"
)
# The member that is meant where one speaks of a language that ISO 639-3 counts as several.
MEMBERS = (
    "als sq arb ar azj az cmn zh ekk et fil tl gug gn khk mn kmr ku lvs lv npi ne ory or pbt ps pes fa "
    "plt mg quz qu swh sw uzn uz ydd yi zsm ms"
)


@cache
def name_label(label: str) -> str:
    """What recipes call the language of a label.

    A script after the code is left out. A code without one is not looked for among MEMBERS: the "als" of
    lid.176 is Alemannic, as in the names of Wikipedias, and not Tosk Albanian.

    >>> [name_label("__label__" + label) for label in ("en", "eng_Latn", "nob_Latn", "ace_Arab", "als")]
    ['en', 'en', 'no', 'ace', 'als']
    """
    name = label.removeprefix(PREFIX)
    scripted = SCRIPTED.fullmatch(name)
    code = scripted[1] if scripted else name
    code = list_codes(f"{CODES} {MEMBERS}" if scripted else CODES).get(code, code)
    return NAMES.get(code, code)


@cache
def list_codes(pairs: str) -> dict[str, str]:
    codes = pairs.split()
    return dict(zip(codes[::2], codes[1::2], strict=True))
