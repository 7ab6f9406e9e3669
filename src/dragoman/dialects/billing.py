"""Claude Code's note for Anthropic's billing, at the head of the system prompt, left out for everybody else.

`x-anthropic-billing-header: cc_version=…; cc_entrypoint=…; cch=…;` says nothing to a model, and where its last part
changes with every request, another provider's prompt cache would never hold (Claude Code 2.1.197, seen 2026-11-21;
https://code.claude.com/docs/en/llm-gateway-protocol). Promise: every part keeps its place in the prompt, and what was
left out is a Loss.
"""

import re

import msgspec

from dragoman.canonical import AnyPart, Loss, Message, Prompt, Text
from dragoman.dialects.losses import message_path

_NOTE = re.compile(r"\A\s*x-anthropic-billing-header:[^\n]*\n*")
_REASON = "a note for Anthropic's billing, which would spoil other providers' caches"


def without_billing_notes(prompt: Prompt) -> tuple[Prompt, list[Loss]]:
    """Take the note out of the system prompt; a prompt without one is given back as it is."""
    losses: list[Loss] = []
    messages = [_without(number, message, losses) for number, message in enumerate(prompt.messages)]
    if not losses:
        return prompt, []
    return msgspec.structs.replace(prompt, messages=messages), losses


def _without(number: int, message: Message, losses: list[Loss]) -> Message:
    if message.role != "system":
        return message
    parts: list[AnyPart] = []
    for position, part in enumerate(message.parts):
        if isinstance(part, Text) and _NOTE.match(part.text):
            losses.append(Loss(path=message_path(number, position), reason=_REASON))
            parts.append(msgspec.structs.replace(part, text=_NOTE.sub("", part.text)))
        else:
            parts.append(part)
    return msgspec.structs.replace(message, parts=parts)
