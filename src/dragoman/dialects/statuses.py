"""The status and the kind of an error, as each dialect's clients know them.

Facts: wire-facts, section 5 of each dialect's errors; https://docs.anthropic.com/en/api/errors and
https://platform.openai.com/docs/guides/error-codes, seen 2026-11-21.
"""

from dragoman.canonical import ReplyError

OVERLOADED = 529
"""Anthropic's own status for too much load; elsewhere that is 503."""

_BY_WORD = (
    # words that stand in an error's kind or code, the telling ones first; compared in lower case, without _ and -
    ("overload", OVERLOADED),
    ("slowdown", 503),
    ("ratelimit", 429),
    ("throttling", 429),
    ("toomanyrequests", 429),
    ("insufficientquota", 429),
    ("resourceexhausted", 429),
    ("servicequotaexceeded", 429),
    ("modelnotready", 429),
    ("authentication", 401),
    ("invalidapikey", 401),
    ("unauthenticated", 401),
    ("unrecognizedclient", 401),
    ("permission", 403),
    ("accessdenied", 403),
    ("billing", 402),
    ("notfound", 404),
    ("requesttoolarge", 413),
    ("modeltimeout", 408),
    ("timeout", 504),
    ("serviceunavailable", 503),
    ("unavailable", 503),
    ("modelstreamerror", 502),
    ("modelerror", 502),
    ("internalserver", 500),
    ("servererror", 500),
    ("apierror", 500),
    ("contextlengthexceeded", 400),
    ("invalidrequest", 400),
    ("validation", 400),
)


def status_of(error: ReplyError) -> int:
    """Say which HTTP status an error told in the middle of a stream would have had; 500 when nothing tells."""
    for name in (error.kind, error.code):
        if name and name.isdigit() and 400 <= int(name) < 600:
            return int(name)
        found = _by_word(name)
        if found is not None:
            return found
    return 500


def client_status(status: int, error: ReplyError, target: str) -> int:
    """Say with which status a client of `target` gets an upstream's error of `status`."""
    is_anthropics = target == "anthropic_messages"
    if status == OVERLOADED or _by_word(error.kind) == OVERLOADED or _by_word(error.code) == OVERLOADED:
        return OVERLOADED if is_anthropics else 503
    if status == 424:  # Bedrock's ModelErrorException: the model behind it failed
        return 424 if target.startswith("bedrock_") else 502
    if status == 400 and _by_word(error.kind) == 429:  # Bedrock's ServiceQuotaExceededException
        return 429
    return status if 400 <= status < 600 else 502


_OPENAI_CODES = {
    401: "invalid_api_key",
    403: "permission_denied",
    404: "model_not_found",
    413: "request_too_large",
    429: "rate_limit_exceeded",
    503: "server_is_overloaded",
    529: "server_is_overloaded",
}
"""Codes that OpenAI's clients act on: Codex tells by them whether to try again (openai 3.52.0, ResponseError)."""


def code_for(status: int, error: ReplyError, target: str) -> str:
    """Name an error in the words of the dialect `target`; the upstream's own word where that says more."""
    given = error.code or error.kind or "upstream_error"
    return openai_code(error, status) or given if target.startswith("openai_") else given


def openai_code(error: ReplyError, status: int) -> str | None:
    """Name an error as OpenAI does; None when it has no word of its own for it."""
    words = f"{error.code} {error.kind} {error.message}".lower()
    if "context_length" in words or "prompt is too long" in words:
        return "context_length_exceeded"
    return "insufficient_quota" if "insufficient_quota" in words else _OPENAI_CODES.get(status)


def _by_word(name: str | None) -> int | None:
    if not name:
        return None
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    return next((status for word, status in _BY_WORD if word in plain), None)
