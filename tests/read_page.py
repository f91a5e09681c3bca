"""A page as a browser reads it."""

import base64
from html.parser import HTMLParser

VOID = {"meta", "img", "path"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of the body; a tag that is closed by another one is an error."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text, self._open = [], "", []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        if "style" not in self._open and "title" not in self._open:
            self.text += text + "\n"

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def classed(self, name):
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


def unpacked(uri, media_type):
    head, _, content = uri.partition(",")
    assert head == f"data:{media_type};base64"
    return base64.b64decode(content, validate=True)
