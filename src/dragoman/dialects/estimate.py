"""How many tokens a prompt has, about: for clients that ask to count when the upstream cannot.

Nobody but the provider knows its tokenizer, so the answer says `"estimated": true`. Latin text has about four letters
to a token, Chinese or Japanese about one sign and a half; JSON is denser than prose. The estimate is meant to lie
above rather than below: a client that compacts its history too late gets an error, one that does so early does not.
Does not load a vocabulary, and costs a pass over the text.
"""

import msgspec

from dragoman.canonical import AnyPart, Media, Other, Prompt, Reasoning, Refusal, Text, Tool, ToolCall, ToolResult
from dragoman.dialects.values import JsonObject, to_json

_LETTERS_PER_TOKEN = 3.6
_JSON_LETTERS_PER_TOKEN = 3.2
_TOKENS_PER_SIGN = 0.9
"""For signs beyond Latin, Greek and Cyrillic."""
_PER_MESSAGE = 4
_PER_PART = 2
_PER_TOOL = 12
_PER_IMAGE = 1600
"""About the most that one image costs with Anthropic (1.15 megapixels / 750); with others less."""
_BYTES_PER_DOCUMENT_TOKEN = 16
_LAST_DENSE = 0x52F
"""The end of Cyrillic: signs up to here are counted as letters."""


def count_reply(dialect: str, prompt: Prompt) -> bytes:
    """Write the answer to a question for the number of tokens, as `dialect` has it, marked as an estimate."""
    count = estimate(prompt)
    return msgspec.json.encode({**_figures(dialect, count), "estimated": True})


def _figures(dialect: str, count: int) -> JsonObject:
    match dialect:
        case "openai_responses":
            return {"object": "response.input_tokens", "input_tokens": count}
        case "gemini_generate":
            return {"totalTokens": count}
        case "bedrock_converse" | "bedrock_invoke":
            return {"inputTokens": count}
        case _:
            return {"input_tokens": count}


def estimate(prompt: Prompt) -> int:
    """Say about how many tokens a prompt has."""
    messages = sum(_PER_MESSAGE + sum(map(_part, message.parts)) for message in prompt.messages)
    return round(messages + sum(map(_tool, prompt.tools)) + _PER_MESSAGE)


def _part(part: AnyPart) -> float:
    match part:
        case Text() | Refusal():
            return _PER_PART + _text(part.text)
        case Reasoning():
            return _PER_PART + _text(part.text or part.summary) + len(part.encrypted or "") / 4
        case ToolCall():
            return _PER_TOOL + _json(part.name) + _json(part.arguments)
        case ToolResult():
            return _PER_TOOL + sum(map(_part, part.parts))
        case Media():
            return _media(part)
        case Other():
            return _PER_PART + _json(to_json(part.value))


def _media(part: Media) -> float:
    if part.text is not None:
        return _text(part.text)
    if part.kind == "image":
        return _PER_IMAGE
    size = len(part.data or "") * 3 / 4
    return max(size / _BYTES_PER_DOCUMENT_TOKEN, _PER_IMAGE)


def _tool(tool: Tool) -> float:
    schema = to_json(tool.schema) if tool.schema is not None else ""
    return _PER_TOOL + _json(tool.name) + _text(tool.description or "") + _json(schema)


def _json(text: str) -> float:
    return len(text) / _JSON_LETTERS_PER_TOKEN


def _text(text: str) -> float:
    if text.isascii():
        return len(text) / _LETTERS_PER_TOKEN
    dense = sum(1 for sign in text if ord(sign) > _LAST_DENSE)
    return (len(text) - dense) / _LETTERS_PER_TOKEN + dense * _TOKENS_PER_SIGN
