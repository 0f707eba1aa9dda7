"""HTML as a parser reads it, with what a browser would mend in silence refused."""

from __future__ import annotations

from html.parser import HTMLParser

EMPTY = {"meta", "link", "input", "br", "hr"}


class Parsed(HTMLParser):
    """Elements that open are closed in their order.

    found: tag and attributes of each element, in order. text: all text outside of scripts and styles. inside: for each
    element of `watched`, its text.
    """

    def __init__(self, page: str, watched: str = "") -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside: list[str] = []
        self.code: dict[str, list[str]] = {"script": [], "style": []}
        self._open: list[tuple[str, int | None]] = []
        self._watched = watched
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        place = None
        if tag == self._watched:
            place = len(self.inside)
            self.inside.append("")
        if tag not in EMPTY:
            self._open.append((tag, place))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in self.code:
            self.code[self._open[-1][0]].append(data)
            return
        self.text += data
        for _, place in self._open:
            if place is not None:
                self.inside[place] += data

    def tags(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of each element of this name."""
        return [attrs for tag, attrs in self.found if tag == name]
