"""InvokeModel's bodies for Claude, read and written."""

from collections.abc import Iterator

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Prompt, ToolResult
from dragoman.dialects.anthropic_messages.content import NAME as MESSAGES
from dragoman.dialects.anthropic_messages.rendering import write_request as write_messages
from dragoman.dialects.anthropic_messages.request import read_asked
from dragoman.dialects.anthropic_messages.wire import is_own
from dragoman.dialects.base import RequestTarget, Unreadable, Untranslatable
from dragoman.dialects.bedrock_invoke.betas import add_betas
from dragoman.dialects.losses import tool_path
from dragoman.dialects.spelling import form_of, with_form
from dragoman.dialects.values import JsonObject, load_object

NAME = "bedrock_invoke"
VERSION = "bedrock-2023-05-31"

_MARKS = ("anthropic_version", "anthropic_beta")
"""Fields of the body that say how to read it."""

_ANTHROPICS_OWN = (
    *("service_tier", "container", "mcp_servers", "inference_geo", "speed"),
    *("workspace_id", "user_profile_id", "diagnostics"),
)
"""Fields that Anthropic's own service has and Bedrock refuses as unknown."""

_TYPED_TOOLS = ("bash_", "text_editor_", "computer_", "memory_", "tool_search_", "custom")
"""Beginnings of the types of tools that the client runs, or the model itself; Bedrock takes these."""


def read_request(body: bytes) -> Prompt:
    """Read a body. Raises Unreadable when it is another vendor's."""
    asked, warnings = load_object(body, "bedrock_invoke request")
    if "anthropic_version" not in asked and "max_tokens_to_sample" not in asked:
        raise Unreadable(
            f"bedrock_invoke request: found keys {sorted(asked)[:12]}, expected Claude's (anthropic_version, messages);"
            " bodies of other vendors are kept as they came"
        )
    prompt = read_asked({key: value for key, value in asked.items() if key not in _MARKS}, warnings)
    marks = {key: asked[key] for key in _MARKS if key in asked}
    extra = with_form({**prompt.extra, NAME: marks}, NAME, {"own": True})
    return msgspec.structs.replace(prompt, extra=extra)


def write_request(prompt: Prompt, target: RequestTarget) -> tuple[JsonObject, list[Loss]]:
    """Write a body; what Bedrock does not take of Anthropic's becomes a Loss. Raises Untranslatable."""
    is_ours = form_of(prompt.extra, NAME).get("own") is True
    losses: list[Loss] = []
    if is_own(prompt) and not is_ours:
        _refuse_links(prompt)
        prompt = _without_servers_tools(prompt, losses)
    body, more = write_messages(prompt, target, takes_urls=False)
    for key in ("model", "stream"):
        body.pop(key, None)
    if is_ours:
        return {**{key: prompt.extra[NAME][key] for key in _MARKS if key in prompt.extra[NAME]}, **body}, more
    refused = [key for key in _ANTHROPICS_OWN if body.pop(key, None) is not None]
    losses += [Loss(path=f"$.{key}", reason="Bedrock has no such field") for key in refused]
    losses += add_betas(body, prompt)
    return {"anthropic_version": VERSION, **body}, [*more, *losses]


def _refuse_links(prompt: Prompt) -> None:
    parts = [part for message in prompt.messages for part in message.parts]
    for media in _media_in(parts):
        if media.url is not None:
            raise Untranslatable(f"Bedrock fetches no {media.kind}s ({media.url[:80]}); send the data instead")
        if media.file_id is not None:
            raise Untranslatable(f"file {media.file_id} lies with Anthropic, not with Amazon; send its data instead")


def _media_in(parts: list[AnyPart]) -> Iterator[Media]:
    for part in parts:
        if isinstance(part, Media):
            yield part
        elif isinstance(part, ToolResult):
            yield from _media_in(part.parts)


def _without_servers_tools(prompt: Prompt, losses: list[Loss]) -> Prompt:
    """Leave out the tools that Anthropic's own service runs."""
    kept = []
    for number, tool in enumerate(prompt.tools):
        kind = tool.extra.get(MESSAGES, {}).get("type") or "custom"
        if tool.kind != "server" or str(kind).startswith(_TYPED_TOOLS):
            kept.append(tool)
        else:
            losses.append(Loss(path=tool_path(number), reason=f"Bedrock does not run {kind}"))
    return prompt if len(kept) == len(prompt.tools) else msgspec.structs.replace(prompt, tools=kept)
