"""Token figures of OpenAI's two dialects and of all who speak them.

Their input figure includes what was read from the cache and written to it; their output figure includes the
reasoning (xAI's does not, which its total gives away). What a provider does not say stays unknown.
"""

from dragoman.canonical import Usage
from dragoman.dialects.values import JsonObject, count_of, number_of, object_of

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000


def read_usage(usage: JsonObject) -> Usage | None:
    """Read `usage` of Chat (`prompt_tokens`) or of Responses (`input_tokens`); None when it holds no figure."""
    taken = _first(count_of(usage, "prompt_tokens"), count_of(usage, "input_tokens"))
    given = _first(count_of(usage, "completion_tokens"), count_of(usage, "output_tokens"))
    total = count_of(usage, "total_tokens")
    if taken is None and given is None and total is None:
        return None
    taken_details = object_of(usage, "prompt_tokens_details") or object_of(usage, "input_tokens_details")
    given_details = object_of(usage, "completion_tokens_details") or object_of(usage, "output_tokens_details")
    cache_read = _cache_read(usage, taken_details)
    cache_write = count_of(taken_details, "cache_write_tokens")
    reasoning = _first(count_of(given_details, "reasoning_tokens"), count_of(usage, "reasoning_tokens"))
    return Usage(
        input_fresh=None if taken is None else max(taken - (cache_read or 0) - (cache_write or 0), 0),
        cache_read=cache_read,
        cache_write_5m=cache_write,
        output=_with_reasoning(taken, given, reasoning, total),
        reasoning=reasoning,
        native=usage,
    )


def read_timings(timings: JsonObject) -> Usage | None:
    """Read llama.cpp's `timings`, which stand in for a missing `usage`: `prompt_n` excludes the cache."""
    fresh, given = count_of(timings, "prompt_n"), count_of(timings, "predicted_n")
    if fresh is None and given is None:
        return None
    return Usage(input_fresh=fresh, cache_read=count_of(timings, "cache_n"), output=given, native=timings)


def measured_ns(usage: JsonObject, timings: JsonObject) -> dict[str, int]:
    """Collect what the provider measured: Groq's and Cerebras' seconds in `usage`, llama.cpp's milliseconds."""
    found: dict[str, int] = {}
    for key in ("queue_time", "prompt_time", "completion_time", "total_time"):
        value = number_of(usage, key)
        if value is not None:
            found[key] = round(value * _NS_PER_S)
    for key in ("prompt_ms", "predicted_ms"):
        value = number_of(timings, key)
        if value is not None:
            found[key] = round(value * _NS_PER_MS)
    return found


def _cache_read(usage: JsonObject, details: JsonObject) -> int | None:
    """OpenAI's place, then DeepSeek's, Moonshot's and Mistral's. Corpus: openai-chat, `usage` of each."""
    return _first(
        count_of(details, "cached_tokens"),
        count_of(usage, "prompt_cache_hit_tokens"),
        count_of(usage, "cached_tokens"),
        count_of(usage, "num_cached_tokens"),
    )


def _with_reasoning(taken: int | None, given: int | None, reasoning: int | None, total: int | None) -> int | None:
    """Add the reasoning where the output leaves it out: total = input + output + reasoning.

    Observed only: xAI, corpus/openai-chat, 12 + 1 + 228 = 241.
    """
    if given is None or not reasoning or taken is None:
        return given
    return given + reasoning if total == taken + given + reasoning else given


def _first(*figures: int | None) -> int | None:
    return next((figure for figure in figures if figure is not None), None)
