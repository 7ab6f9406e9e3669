"""Citations, turned from one dialect's words into another's.

Chat nests a web page (`url_citation: {url, title, start_index, end_index}`), Responses says it flat, Anthropic tells
the cited text and no place in the answer. Promise: what has a URL crosses; a place in a file or document has no
counterpart, and comes back as None, so that the caller can say what was lost.
"""

from typing import Any

from dragoman.dialects.values import JsonObject, object_of, text_of, whole_of


def to_responses(annotation: Any, text: str) -> JsonObject | None:
    """Write an annotation in Responses' words; `text` is what it stands on, for one that does not say where."""
    if not isinstance(annotation, dict):
        return None
    if annotation.get("type") in _FILES:
        return annotation
    page = object_of(annotation, "url_citation") or annotation
    flat = _flat(page, text)
    return {**annotation, **flat} if flat and page is annotation and annotation.get("type") == "url_citation" else flat


def to_chat(annotation: Any, text: str) -> JsonObject | None:
    """Write an annotation in Chat's words."""
    if isinstance(annotation, dict) and isinstance(annotation.get("url_citation"), dict):
        return annotation
    flat = _flat(annotation, text) if isinstance(annotation, dict) else None
    if flat is None:
        return None
    return {"type": "url_citation", "url_citation": {key: one for key, one in flat.items() if key != "type"}}


def to_anthropic(annotation: Any, text: str) -> JsonObject | None:
    """Write an annotation in Anthropic's words. A page found elsewhere has no encrypted index."""
    if not isinstance(annotation, dict):
        return None
    if annotation.get("type") in _ANTHROPIC_OWN:
        return annotation
    page = object_of(annotation, "url_citation") or annotation
    if not text_of(page, "url"):
        return None
    start, end = whole_of(page, "start_index"), whole_of(page, "end_index")
    cited = text[start:end] if start is not None and end is not None else ""
    return {
        "type": "web_search_result_location",
        "url": page["url"],
        "title": text_of(page, "title"),
        "cited_text": text_of(page, "cited_text") or cited,
        "encrypted_index": "",
    }


_FILES = frozenset({"file_citation", "container_file_citation", "file_path"})
"""What cites OpenAI's own files; Responses alone knows it."""

_ANTHROPIC_OWN = frozenset(
    {
        *("char_location", "page_location", "content_block_location", "search_result_location"),
        "web_search_result_location",
    }
)


def _flat(page: JsonObject, text: str) -> JsonObject | None:
    url = text_of(page, "url")
    if url is None:
        return None
    start, end = whole_of(page, "start_index"), whole_of(page, "end_index")
    return {
        "type": "url_citation",
        "url": url,
        "title": text_of(page, "title") or "",
        "start_index": 0 if start is None else start,
        "end_index": len(text) if end is None else end,
    }
