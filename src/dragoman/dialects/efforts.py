"""How hard to think: words of effort and budgets of tokens turned into each other.

The figures are Google's own for the same question, the one published table of the kind (low 1,024, medium 8,192,
high 24,576): https://ai.google.dev/gemini-api/docs/openai, seen 2026-11-21. A budget counts as the nearest word.
"""

from dragoman.canonical import Prompt

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 65536}


def effort_of(budget: int) -> str:
    """Name the effort that a budget of tokens stands for."""
    if budget < (1024 + 8192) // 2:
        return "low"
    return "medium" if budget < (8192 + 24576) // 2 else "high"


def budget_of(effort: str) -> int | None:
    """Say how many tokens an effort stands for; None for `none` and for words that nobody knows."""
    return _BUDGETS.get(effort)


def wants_thoughts(prompt: Prompt) -> bool:
    """Say whether the client asked to see what the model thinks, and not only for effort.

    Anthropic's `thinking` shows it unless `display` says otherwise, Ollama's `think` does, a summary is asked for
    by name in Responses; Chat has no word for it.
    """
    thinking = prompt.extra.get("anthropic_messages", {}).get("thinking")
    if isinstance(thinking, dict):
        is_on = thinking.get("type") in ("enabled", "adaptive", "between_tools")
        return is_on and thinking.get("display") != "omitted"
    reasoning = prompt.extra.get("openai_responses", {}).get("reasoning")
    if isinstance(reasoning, dict):
        return bool(reasoning.get("summary"))
    return bool(prompt.extra.get("ollama_chat", {}).get("think")) or prompt.settings.thinking_budget is not None
