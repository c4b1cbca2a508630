"""Reads pages as a browser does, and checks what no page may have."""

import re
from html.parser import HTMLParser

# is more than text wherever it is not escaped
EVIL = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"
_VOID = ("meta", "br", "img", "input", "link")
_OWN_FILES = re.compile(r"(/[\w./-]*)?/assets/[a-z]+\.[0-9a-f]{12}\.(css|js|svg)")
_LINKS = re.compile(r"https?://|/|\?|#")


class Page(HTMLParser):
    """What a page has; the parser raises where its elements do not match one another."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._texts: list[tuple[str, list[str]]] = []
        self._reading: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
            self._reading.append([])
            self._texts.append((tag, self._reading[-1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._reading.pop()

    def handle_data(self, data: str) -> None:
        assert "script" not in self.open, "a script is written in the page"
        self.text += data
        for text in self._reading:
            text.append(data)

    def list_all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def list_texts(self, tag: str) -> list[str]:
        """The texts of all elements of a kind, with what they contain."""
        return ["".join(parts) for name, parts in self._texts if name == tag]

    def list_addresses(self) -> list[str]:
        """The addresses of all links."""
        return [attributes["href"] or "" for attributes in self.list_all("a")]

    def ensure_safe(self) -> None:
        """Check that the page loads files of the server only, runs nothing of its own, and links to the web alone."""
        assert {tag for tag, _ in self.elements}.isdisjoint({"iframe", "object", "embed", "base", "style"})
        loaded = [one["src"] for one in self.list_all("script")]
        pictures = [one["src"] or "" for one in self.list_all("img")]
        assert [address for address in pictures if not address.startswith("/") or address.startswith("//")] == []
        loaded += [one["href"] for one in self.list_all("link")]
        assert [address for address in loaded if not _OWN_FILES.fullmatch(address or "")] == []
        names = {name for _, attributes in self.elements for name in attributes}
        assert [name for name in names if name.startswith("on") or name == "style"] == []
        addresses = [*self.list_addresses(), *(one.get("action") or "/" for one in self.list_all("form"))]
        assert [address for address in addresses if not _LINKS.match(address)] == []
