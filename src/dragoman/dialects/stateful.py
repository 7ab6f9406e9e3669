"""What a request refers to that lies with one provider: another one cannot know it.

Such a request is refused rather than answered without its past: the client can send the whole conversation instead.
"""

from dragoman.canonical import AnyPart, Other, Prompt
from dragoman.dialects.base import Untranslatable
from dragoman.dialects.values import JsonObject

_RESPONSES = "openai_responses"


def refuse_stored(prompt: Prompt) -> None:
    """Raise Untranslatable when a prompt goes on from something that its provider stores."""
    own: JsonObject = prompt.extra.get(_RESPONSES) or {}
    if prompt.previous_id:
        _refuse("previous_response_id", "the response that it continues")
    if own.get("conversation"):
        _refuse("conversation", "the conversation")
    if own.get("prompt"):
        _refuse("prompt", "the prompt")
    google: JsonObject = prompt.extra.get("gemini_generate") or {}
    if google.get("cachedContent") or google.get("cached_content"):
        _refuse("cachedContent", "what it goes on from", "Google")
    if any(_is_reference(part) for message in prompt.messages for part in message.parts):
        _refuse("item_reference", "the item")


def _is_reference(part: AnyPart) -> bool:
    return isinstance(part, Other) and part.kind == "item_reference"


def _refuse(field: str, what: str, keeper: str = "OpenAI") -> None:
    how = " (store: false)" if keeper == "OpenAI" else ""
    raise Untranslatable(
        f"{field}: {what} is stored with {keeper}, and this request goes elsewhere; send the whole input instead{how}"
    )
