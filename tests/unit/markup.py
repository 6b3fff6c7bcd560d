# SPDX-License-Identifier: GPL-2.0-only
"""A parser of HTML pages that is stricter than browsers."""

import base64
import hashlib
import re
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr"}
HEADINGS = ("h1", "h2", "h3")


class Element:
    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.text = ""


class Page(HTMLParser):
    """All elements in order. Raises AssertionError if a tag is not closed as required."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} stands twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [e for e in self.elements if e.tag == tag]

    @property
    def text(self) -> str:
        """The text, with single blanks."""
        (body,) = self.all("body")
        return " ".join(body.text.split())


def check(text: str) -> Page:
    """Parse a page and assert what every page must fulfil."""
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    _is_closed_to_the_world(page)
    _can_be_read_aloud(page, set(ids))
    return page


def _is_closed_to_the_world(page: Page) -> None:
    assert {e.tag for e in page.elements} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav"),
        *("section", "h1", "h2", "h3", "p", "ul", "li", "dl", "dt", "dd", "a", "b", "br", "span"),
        *("code", "pre", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "details"),
        *("summary", "figure", "figcaption", "label", "select", "option"),
        *("svg", "title", "desc", "g", "line", "circle", "rect", "path", "text"),
    }
    for e in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in e.attributes)
        assert not {"src", "srcset", "action", "data", "xlink:href"} & e.attributes.keys()
        assert not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", e.attributes.get("href", ""))
    (policy,) = (
        e for e in page.all("meta") if "content" in e.attributes and "http-equiv" in e.attributes
    )
    directives = dict(d.strip().split(" ", 1) for d in policy.attributes["content"].split(";"))
    assert directives["default-src"] == "'none'"
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(e.text.encode()).digest()).decode()}'"
        for e in page.all("style")
    }
    assert set(directives["style-src"].split()) == hashes
    assert "url(" not in "".join(e.text for e in page.all("style"))


def _can_be_read_aloud(page: Page, ids: set[str]) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == 1
    level = 0
    for e in page.elements:
        if e.tag in HEADINGS:
            assert int(e.tag[1]) <= level + 1, f"{e.tag} {e.text!r} skips a level"
            level = int(e.tag[1])
            assert e.text.strip()
    for e in page.elements:
        named = e.attributes.get("aria-labelledby", "").split()
        assert set(named) <= ids
        if e.attributes.get("href", "").startswith("#"):
            assert e.attributes["href"][1:] in ids
        if e.tag == "th":
            assert e.attributes["scope"] in ("col", "row", "rowgroup")
        if e.tag == "svg" and e.attributes.get("role") == "img":
            assert len(named) == 2
        if e.tag == "svg" and not e.attributes.get("role"):
            assert e.attributes.get("aria-hidden") == "true" or e.attributes.get("overflow")
        if e.attributes.get("role") in ("region", "group"):
            assert e.attributes.get("aria-label")
    for label in page.all("label"):
        assert label.text.strip()
