"""A page's source → its elements, with what is wrong with it: what a browser would mend or load."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}
LOADING = ("src", "href", "srcset", "data", "poster", "action", "xlink:href", "background")
ALLOWED = ("data:image/png;base64,", "data:,", "#")


class Walk(HTMLParser):
    """Every element in order, the text between them, and faults: unbalanced tags, and loads from outside."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        self.faults += [f"never closed: {name}" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"closed where it is not open: {tag} at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data
        elif "url(" in data or "@import" in data:
            self.faults.append("a style loads something")

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.elements.append((tag, values))
        for name, value in values.items():
            if name in LOADING and not value.startswith(ALLOWED):
                self.faults.append(f"{tag} {name}={value}")
            if name.startswith("on") or "url(" in value:
                self.faults.append(f"{tag} {name}")
        if tag in ("script", "iframe", "object", "embed", "base", "form"):
            self.faults.append(tag)
        if tag == "img" and not values.get("alt"):
            self.faults.append("an img without a text")
        if tag == "svg" and values.get("role") == "img" and not values.get("aria-label"):
            self.faults.append("an svg without a text")

    def levels(self) -> list[int]:
        """Of each heading its level."""
        return [int(tag[1]) for tag, _ in self.elements if tag in ("h1", "h2", "h3", "h4")]
