"""What a Claude model takes, told by its name: thinking, effort, sampling, system turns in mid-conversation.

A name that tells no version (an alias, another maker's model) gets what the models of 2025 take.
Sources: anthropic 2.11.0 (`ModelParam`, `MODELS_TO_WARN_WITH_THINKING_ENABLED`), recorded traffic
(corpus/anthropic-messages: opus-4-6 refuses effort `xhigh`, opus-4-8 and fable-5 take system turns), Anthropic's
migration guides for 4.1, 4.6, 4.7 and 4.8, seen 2026-11-21.
"""

import re
from typing import NamedTuple

Version = tuple[int, int]

_NEW = re.compile(r"claude-(?P<line>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?![\d])")
_OLD = re.compile(r"claude-(?P<major>\d)(?:[-.](?P<minor>\d))?(?![\d])")
_PREVIEW = "claude-mythos-preview"


class Abilities(NamedTuple):
    """What a request to this model may hold."""

    thinks: bool
    """It can be asked to think at all."""
    is_adaptive: bool
    """It decides itself how long to think; from 4.7 on it refuses a budget."""
    efforts: tuple[str, ...]
    """Words that `output_config.effort` may have."""
    takes_one_sampler: bool
    """It refuses `temperature` together with `top_p`."""
    takes_no_sampler: bool
    """It refuses `temperature`, `top_p` and `top_k`."""
    takes_late_system: bool
    """It takes `role: system` after a user's turn."""


def version_of(model: str) -> tuple[str, Version] | None:
    """Read line and version out of a name such as `us.anthropic.claude-opus-4-5-20251101-v1:0`."""
    name = model.lower()
    if _PREVIEW in name:
        return "mythos", (4, 7)
    found = _NEW.search(name) or _OLD.search(name)
    if found is None:
        return None
    return found.groupdict().get("line") or "", (int(found["major"]), int(found["minor"] or 0))


def abilities_of(model: str) -> Abilities:
    """Say what a model takes."""
    known = version_of(model)
    if known is None:
        return Abilities(True, False, (), False, False, False)
    line, version = known
    efforts: tuple[str, ...] = ()
    if version >= (4, 6) or (line == "opus" and version >= (4, 5)):
        efforts = ("low", "medium", "high")
    if version >= (4, 7):
        efforts = (*efforts, "xhigh", "max")
    elif version >= (4, 6) and line == "opus":
        efforts = (*efforts, "max")
    return Abilities(
        thinks=version >= (3, 7),
        is_adaptive=version >= (4, 6),
        efforts=efforts,
        takes_one_sampler=version >= (4, 1),
        takes_no_sampler=version >= (4, 7),
        takes_late_system=version >= (4, 8),
    )
