"""Small XML documents, written safely: a caller's name or an agent's words may hold anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from bridge.carriers.web import Document

CONTENT_TYPE = "text/xml"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What an XML 1.0 document cannot hold in any way: one such character would lose the call."""


def text(value: str) -> str:
    """The value without characters that no XML document can hold."""
    return _NOT_XML.sub("", value)


def element(
    tag: str, attributes: Mapping[str, str] | None = None, content: str = "", *children: ElementTree.Element
) -> ElementTree.Element:
    """An element; attributes that are empty are left out."""
    made = ElementTree.Element(tag, {name: text(value) for name, value in (attributes or {}).items() if value})
    if content:
        made.text = text(content)
    made.extend(children)
    return made


def response(*verbs: ElementTree.Element) -> Document:
    """The document that carriers call a response: one verb after the other."""
    root = element("Response", None, "", *verbs)
    return Document(ElementTree.tostring(root, encoding="unicode", xml_declaration=True), CONTENT_TYPE)
