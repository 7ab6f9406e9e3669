"""Names that configuration uses: what a slug may look like, which words are taken, what the dialects are called."""

import re
from typing import Literal

SLUG = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
RESERVED_SEGMENTS = frozenset({"ui", "api", "mcp", "metrics", "healthz", "readyz", "v1", "v1beta", "model"})

DialectName = Literal[
    "openai_chat",
    "openai_responses",
    "anthropic_messages",
    "bedrock_invoke",
    "bedrock_converse",
    "ollama_chat",
    "gemini_generate",
]
