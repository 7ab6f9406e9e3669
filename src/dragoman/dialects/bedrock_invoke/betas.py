"""Anthropic's beta flags on Bedrock: there they stand in the body, and a flag that it does not know fails the call.

Promise: what a client of Messages asks for by header goes on as far as Bedrock is known to take it; a field that only
such a flag allows goes with it. Newer models take fewer of them than older ones; which, only Bedrock knows.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
and https://github.com/BerriAI/litellm/pull/19877, seen 2026-11-21
"""

import msgspec

from dragoman.canonical import Loss, Prompt
from dragoman.dialects.values import JsonObject

_NAME = "bedrock_invoke"
_KEY = "anthropic_beta"
_TAKEN = frozenset(
    {
        *("computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24"),
        *("token-efficient-tools-2025-02-19", "interleaved-thinking-2025-05-14", "output-128k-2025-02-19"),
        *("dev-full-thinking-2025-05-14", "context-1m-2025-08-07", "context-management-2025-06-27"),
        *("effort-2025-11-24", "tool-search-tool-2025-10-19", "tool-examples-2025-10-29"),
    }
)
_NEEDS = {"context_management": "context-management-2025-06-27"}
"""Fields that are refused as unknown without their flag."""


def with_betas(prompt: Prompt, header: str) -> Prompt:
    """Note the flags of an `anthropic-beta` header that Bedrock takes."""
    taken = [flag for one in header.split(",") if (flag := one.strip()) in _TAKEN]
    if not taken:
        return prompt
    return msgspec.structs.replace(prompt, extra={**prompt.extra, _NAME: {_KEY: taken}})


def add_betas(body: JsonObject, prompt: Prompt) -> list[Loss]:
    """Write the noted flags into a body, and leave out what would need others."""
    taken = prompt.extra.get(_NAME, {}).get(_KEY, [])
    if taken:
        body[_KEY] = taken
    refused = [field for field, flag in _NEEDS.items() if flag not in taken and body.pop(field, None) is not None]
    return [Loss(path=f"$.{field}", reason=f"Bedrock takes it only with the beta {_NEEDS[field]}") for field in refused]
