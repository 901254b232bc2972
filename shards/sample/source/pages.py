"""Hosts with their page furniture, and the HTML around an article."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .grammar import Article, Language

FACTS = ("Height above the river", "Visits last year", "Kept since", "Members", "Next repair due in")
SNIPPET = """def days_until(level, limit, rise_per_day):
    \"\"\"Days until the water reaches the limit.\"\"\"
    days = 0
    while level &lt; limit:
        level += rise_per_day
        days += 1
    return days"""


@dataclass(frozen=True)
class Host:
    """One web site: its name, layout and the wording that all of its pages share."""

    name: str
    lang: str
    title: str
    layout: int
    nav: tuple[str, ...]
    cookie: tuple[str, ...]
    side: str
    more: str
    foot: str
    search: str
    comments: str
    share: str


HOSTS_FILE = Path(__file__).resolve().parent / "hosts.txt"


def english_hosts() -> list[Host]:
    """The hosts of ``hosts.txt``; the last two republish pages of the others."""
    hosts = []
    for line in HOSTS_FILE.read_text(encoding="utf-8").splitlines():
        name, title, layout, nav, cookie, *rest = line.split("|")
        menu, banner = tuple(nav.split(";")), tuple(cookie.split(";"))
        hosts.append(Host(name, "en", title, int(layout), menu, banner, *rest))
    return hosts


def language_host(language: Language, number: int) -> Host:
    """The one host of a language other than English."""
    ui = {key: "; ".join(values) for key, values in language.ui.items()}
    title = f"{language.topics[0].name.capitalize()} · {language.slots['place'][number % 8]}"
    return Host(
        f"{language.code}-pages",
        language.code,
        title,
        number % 5,
        tuple(language.ui["nav"]),
        tuple(language.ui["cookie"]),
        ui["side"],
        ui["more"],
        ui["foot"],
        ui["search"],
        ui["comments"],
        ui["share"],
    )


def slug(article: Article, number: int) -> str:
    """The path of an article on its host."""
    words = re.findall(r"[a-z]+", article.title.lower()) if article.title.isascii() else []
    folder = article.topic if article.topic.isascii() else "a"
    return f"{folder}/{'-'.join(words[:7]) or 'p'}-{number}.html"


def body_html(article: Article, seed: str, decorate: bool = True) -> str:
    """The article proper: headings, paragraphs and now and then a list, a table or code."""
    rng = random.Random(seed)
    parts = [f"<h1>{escape(article.title)}</h1>"]
    for number, (heading, sentences) in enumerate(article.sections):
        parts += [f"<h2>{escape(heading)}</h2>"] if heading else []
        items = [escape(sentence, quote=False) for sentence in sentences]
        if decorate and number > 1 and rng.random() < 0.15:
            parts.append("<ul>\n" + "\n".join(f"<li>{item}</li>" for item in items) + "\n</ul>")
        else:
            cut = rng.randint(2, 3) if len(items) > 4 else len(items)
            pieces = [piece for piece in (items[:cut], items[cut:]) if piece]
            parts += [f"<p>{article.joiner().join(piece)}</p>" for piece in pieces]
    if decorate and article.lang == "en" and rng.random() < 0.12:
        rows = [f"<tr><th>{name}</th><td>{rng.randint(3, 900)}</td></tr>" for name in rng.sample(FACTS, 3)]
        parts.append("<table>\n" + "\n".join(rows) + "\n</table>")
    if decorate and article.lang == "en" and rng.random() < 0.05:
        parts.append(f"<pre><code>{SNIPPET}</code></pre>")
    return "\n".join(parts)


def _links(start: str, labels: Sequence[str]) -> str:
    items = (f'<li><a href="{start}{i}">{escape(label)}</a></li>' for i, label in enumerate(labels))
    return "".join(items)


def _nav(host: Host, tag: str) -> str:
    links = _links("/", host.nav)
    return f'<{tag} class="main-nav" role="navigation"><ul class="menu">{links}</ul></{tag}>'


def _cookie(host: Host) -> str:
    buttons = "".join(f"<button>{escape(label)}</button>" for label in host.cookie[1:])
    return (
        f'<div id="cookie-banner" class="cookie-consent" role="dialog">'
        f"<p>{escape(host.cookie[0])}</p>{buttons}</div>"
    )


def _aside(host: Host, titles: list[str]) -> str:
    links = _links("/p/", titles)
    return f'<aside class="sidebar widget"><h3>{escape(host.side)}</h3><ul>{links}</ul></aside>'


def _comments(host: Host, comments: tuple[str, ...]) -> str:
    if not comments:
        return ""
    items = "".join(f'<div class="comment"><p>{escape(line, quote=False)}</p></div>' for line in comments)
    return f'<section id="comments" class="comments"><h3>{escape(host.comments)}</h3>{items}</section>'


def page(
    host: Host,
    lang: str,
    title: str,
    inner: str,
    titles: list[str],
    charset: str = "utf-8",
    comments: tuple[str, ...] = (),
) -> str:
    """A whole HTML document in the layout of its host."""
    direction = ' dir="rtl"' if lang in ("ar", "he") else ""
    head = (
        f'<!DOCTYPE html>\n<html lang="{lang}"{direction}>\n<head>\n<meta charset="{charset}">\n'
        f"<title>{escape(title)} - {escape(host.title)}</title>\n"
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="stylesheet" href="/static/{host.name}.css">\n'
        f'<script>window.site = {{"name": "{host.name}", "v": {host.layout + 3}}};</script>\n</head>\n'
    )
    crumbs = (
        f'<nav class="breadcrumb" aria-label="breadcrumb"><a href="/">{escape(host.nav[0])}</a> › '
        f'<a href="/1/">{escape(host.nav[1])}</a></nav>'
    )
    parts = {
        "nav": _nav(host, "nav"),
        "cookie": _cookie(host),
        "aside": _aside(host, titles),
        "crumbs": crumbs,
        "inner": inner,
        "comments": _comments(host, comments),
        "search": f'<form class="search" role="search"><input placeholder="{escape(host.search)}"></form>',
        "share": f'<aside class="share-buttons"><a href="#share">{escape(host.share)}</a></aside>',
        "more": f'<nav class="related" id="related"><h3>{escape(host.more)}</h3><ul>'
        f"{_links('/q/', titles[:2])}</ul></nav>",
        "foot": f'<footer class="footer" id="footer"><p>{escape(host.foot)}</p></footer>',
        "name": escape(host.title),
    }
    return head + LAYOUTS[host.layout].format(**parts) + "\n</html>\n"


LAYOUTS = (
    """<body>
<header class="header"><a class="logo" href="/">{name}</a>{nav}</header>
{cookie}
<div class="wrap">
<main id="content">
{crumbs}
<article class="post">
{inner}
</article>
{share}
{comments}
</main>
{aside}
</div>
{foot}
</body>""",
    """<body class="news">
{cookie}
<header id="header"><div class="logo">{name}</div>{search}{nav}</header>
{crumbs}
<main role="main">
<article class="article" itemscope><div class="article-body">
{inner}
</div></article>
{more}
{comments}
</main>
{aside}
{foot}
</body>""",
    """<body class="blog single">
<header class="site-header"><a href="/">{name}</a></header>
{nav}
<div id="main">
<article id="post" class="post hentry"><div class="entry-content">
{inner}
</div></article>
{share}
{comments}
</div>
{aside}
{more}
{foot}
{cookie}
</body>""",
    """<body class="wiki">
<div id="page">
<main id="content" class="content">
<article>
{inner}
</article>
</main>
{comments}
</div>
<header id="header">{nav}{search}</header>
{aside}
{foot}
{cookie}
</body>""",
    """<body>
{nav}
{cookie}
<section class="page-content">
<main>
<article>
{inner}
</article>
</main>
{share}
</section>
{more}
{aside}
{comments}
{foot}
</body>""",
)
