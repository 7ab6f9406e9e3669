"""What OpenAI's models take, told by their names, for fields that others refuse with 400.

Promise: a name that nobody knows takes none of it. Names may carry a vendor's prefix (`openai/gpt-5`).
"""

import re

_REASONING = re.compile(r"(?:^|/)(?:o[1-9]|gpt-(?:[5-9]|\d\d)|codex|computer-use)")
_VERSION = re.compile(r"(?:^|/)gpt-(\d+)(?:\.(\d+))?")


def thinks(model: str) -> bool:
    """Say whether a model reasons, and so gives its reasoning in encrypted form.

    Others answer `include: reasoning.encrypted_content` with 400 "Encrypted content is not supported with this model"
    (hermes-agent#24234, pydantic-ai#3331: gpt-5-chat is none of them; seen 2026-11-21).
    """
    return bool(_REASONING.search(model)) and "-chat" not in model


def takes_cache_breakpoints(model: str) -> bool:
    """Say whether a model takes `prompt_cache_breakpoint`: gpt-5.6 and later (openai 3.52.0, ResponseCreateParams)."""
    found = _VERSION.search(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= (5, 6)
