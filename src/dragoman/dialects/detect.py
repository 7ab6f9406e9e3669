"""Whose call is this? Dialect and endpoint of a request, from its method, path, query and header names alone.

Promise: no body is looked at, nothing but the standard library is imported, and the common paths cost one
look into a dict. `path` is raw (percent-encoded), without a provider's or run's prefix and without the query.

    detect("POST", "/v1/chat/completions", "", has_header) -> ("openai_chat", "chat")

`has_header` is asked (with lower-case names) only for paths that providers share. The answer is
`(dialect, endpoint)`. An endpoint of None means: nobody knows this path, and the dialect, if any, only says
whose default provider should get it; do not parse such bodies. `(None, None)` means: route by something else.
"""

from collections.abc import Callable
from itertools import pairwise

HasHeader = Callable[[bytes], bool]
Detected = tuple[str | None, str | None]

CHAT = "openai_chat"
RESPONSES = "openai_responses"
MESSAGES = "anthropic_messages"
OLLAMA = "ollama_chat"
GEMINI = "gemini_generate"
INVOKE = "bedrock_invoke"
CONVERSE = "bedrock_converse"

_OLLAMA_WORDS = (
    *("chat", "generate", "tags", "show", "ps", "version", "embed", "embeddings"),
    *("pull", "push", "create", "copy", "delete", "blobs"),
)

OLLAMA_PATHS = frozenset("/api/" + word for word in _OLLAMA_WORDS)
"""Paths under `/api` that belong to the proxy; everything under `/api/blobs/` does too."""

PROMPT_ENDPOINTS = frozenset(
    {
        (CHAT, "chat"),
        (CHAT, "completions"),
        (CHAT, "embeddings"),
        (RESPONSES, "responses"),
        (RESPONSES, "compact"),
        (RESPONSES, "count_tokens"),
        (MESSAGES, "messages"),
        (MESSAGES, "count_tokens"),
        (MESSAGES, "complete"),
        (INVOKE, "invoke"),
        (INVOKE, "invoke_stream"),
        (CONVERSE, "converse"),
        (CONVERSE, "converse_stream"),
        (OLLAMA, "chat"),
        (OLLAMA, "generate"),
        (OLLAMA, "embed"),
        (OLLAMA, "embeddings"),
        (GEMINI, "generate"),
        (GEMINI, "stream_generate"),
        (GEMINI, "count_tokens"),
        (GEMINI, "embed"),
    }
)
"""Endpoints whose request bodies `parse_request` of that dialect can read."""

REPLY_ENDPOINTS = PROMPT_ENDPOINTS | {(RESPONSES, "stored_response"), (CHAT, "stored_chat")}
"""Endpoints whose reply bodies `parse_reply` and `decoder` of that dialect can read."""

_EXACT: dict[str, Detected] = {
    "/v1/chat/completions": (CHAT, "chat"),
    "/v1/responses": (RESPONSES, "responses"),
    "/v1/messages": (MESSAGES, "messages"),
    "/v1/messages/count_tokens": (MESSAGES, "count_tokens"),
    "/v1/completions": (CHAT, "completions"),
    "/v1/embeddings": (CHAT, "embeddings"),
    **{path: (OLLAMA, path.removeprefix("/api/")) for path in OLLAMA_PATHS},
}

_BEDROCK: dict[str, Detected] = {
    "invoke": (INVOKE, "invoke"),
    "invoke-with-response-stream": (INVOKE, "invoke_stream"),
    "invoke-with-bidirectional-stream": (INVOKE, "invoke_bidirectional"),
    "converse": (CONVERSE, "converse"),
    "converse-stream": (CONVERSE, "converse_stream"),
    "count-tokens": (CONVERSE, "count_tokens"),
}

_GEMINI_VERBS = {
    "generateContent": "generate",
    "streamGenerateContent": "stream_generate",
    "countTokens": "count_tokens",
    "embedContent": "embed",
    "batchEmbedContents": "embed",
    "batchGenerateContent": "batches",
    "bidiGenerateContent": "live",
    "predict": "predict",
    "predictLongRunning": "predict",
}

_SHARED = {"models", "files", "batches"}

_OPENAI_WORDS = frozenset(
    {
        *("assistants", "audio", "chatkit", "containers", "conversations", "evals", "fine-tunes", "fine_tuning"),
        *("images", "moderations", "organization", "realtime", "rerank", "threads", "uploads", "vector_stores"),
        "videos",
    }
)

_MESSAGES_BELOW = {"count_tokens": "count_tokens", "batches": "batches"}
_RESPONSES_BELOW = {"compact": "compact", "input_tokens": "count_tokens"}


def detect(method: str, path: str, query: str, has_header: HasHeader) -> Detected:
    """Say which dialect and endpoint a request means; see the module's docstring."""
    exact = _EXACT.get(path)
    if exact is not None:
        return exact if exact[1] != "chat" or exact[0] != CHAT or method == "POST" else (CHAT, "stored_chat")
    if path.startswith("/api/blobs/"):
        return OLLAMA, "blobs"
    segments = [segment for segment in path.split("/") if segment]
    if not segments:
        return None, None
    return (
        _bedrock(segments)
        or _gemini_verb(segments)
        or _by_ending(segments, method, has_header)
        or _by_word(segments, query, has_header)
    )


def is_ollama_path(path: str) -> bool:
    """Say whether a path under `/api` belongs to the proxy and not to the management API."""
    return path in OLLAMA_PATHS or path.startswith("/api/blobs/")


def model_in_path(path: str) -> str | None:
    """Read the model (or Azure's deployment) that a path names, percent-encoding kept; None when it names none."""
    segments = [segment for segment in path.split("/") if segment]
    for word, name in pairwise(segments):
        if word in ("model", "deployments", "models", "tunedModels"):
            model = name.partition(":")[0] if word in ("models", "tunedModels") else name
            return model if model not in ("chat", "embeddings") else None
    return None


def _bedrock(segments: list[str]) -> Detected | None:
    return _BEDROCK.get(segments[-1]) if "model" in segments[:-2] else None


def _gemini_verb(segments: list[str]) -> Detected | None:
    """`…/models/{model}:{verb}`, Google's own and Vertex' (which carries Anthropic as `rawPredict`)."""
    _, colon, verb = segments[-1].rpartition(":")
    if not colon:
        return None
    if verb in ("rawPredict", "streamRawPredict"):
        return (MESSAGES, "messages") if "anthropic" in segments else (CHAT, None)
    if "models" in segments or "tunedModels" in segments:
        return GEMINI, _GEMINI_VERBS.get(verb)
    return None


def _by_ending(segments: list[str], method: str, has_header: HasHeader) -> Detected | None:
    """What the last words say, whatever stands before them: providers put these paths under prefixes of theirs."""
    last = segments[-1]
    before = segments[-2] if len(segments) > 1 else ""
    if last == "completions":
        if before != "chat":
            return CHAT, "completions"
        return CHAT, "chat" if method == "POST" else "stored_chat"
    if "completions" in segments[1:] and segments[segments.index("completions") - 1] == "chat":
        return CHAT, "stored_chat"
    if last == "embeddings":
        return CHAT, "embeddings"
    if last == "complete" and _is_version(before):
        return MESSAGES, "complete"
    if "responses" in segments:
        return _responses(segments[segments.index("responses") + 1 :])
    if "messages" in segments and "threads" not in segments:
        at = segments.index("messages")
        if at == 0 or _is_version(segments[at - 1]) or has_header(b"anthropic-version"):
            below = segments[at + 1 :]
            return MESSAGES, _MESSAGES_BELOW.get(below[0]) if below else "messages"
    return None


def _responses(below: list[str]) -> Detected:
    if not below:
        return RESPONSES, "responses"
    return RESPONSES, _RESPONSES_BELOW.get(below[0], "stored_response" if len(below) == 1 else None)


def _by_word(segments: list[str], query: str, has_header: HasHeader) -> Detected:
    """Paths that several providers have: `/v1/models`, `/v1/files`, `/v1/batches`, and all that is unknown."""
    words = segments
    while words and (_is_version(words[0]) or words[0] in ("openai", "upload")):
        words = words[1:]
    word = words[0] if words else ""
    endpoint = word if word in _SHARED else None
    if has_header(b"anthropic-version"):
        return MESSAGES, endpoint
    is_googles = segments[0].startswith("v1beta") and "openai" not in segments
    if is_googles or has_header(b"x-goog-api-key") or _has_key(query):
        return GEMINI, endpoint
    if endpoint is not None:
        return CHAT, endpoint
    if word in _OPENAI_WORDS:
        return CHAT, word
    return (CHAT, None) if _is_version(segments[0]) or segments[0] == "openai" else (None, None)


def _has_key(query: str) -> bool:
    return query.startswith("key=") or "&key=" in query


def _is_version(segment: str) -> bool:
    return segment[:1] == "v" and segment[1:2].isdigit()
