"""What a route changes in a client's body: the model's name, the system prompt, pins, seals of other makers.

Promise: only what is changed gets other bytes, and a body that needs no change comes back as the very object that was
given. Pure. The dialects load with the first change that needs them.
"""

import re
from urllib.parse import quote

import msgspec

from dragoman.canonical import Prompt
from dragoman.dialects.detect import model_in_path
from dragoman.gateway.call import CannotCall
from dragoman.gateway.question import IN_PATH, Question, top_level_model
from dragoman.gateway.upstream import Upstream
from dragoman.records.route import SystemEdits

_MODEL_SEGMENT = re.compile(r"(/(?:model|deployments)/)[^/]+|(/(?:models|tunedModels)/)[^/:]+")


def with_model(question: Question, body: bytes, model: str) -> tuple[str, bytes]:
    """Put another model's name into path and body, wherever the client named one; into the body where it named none."""
    from dragoman.wire.splice import rename

    way = question.request.way
    path = way.path
    if model_in_path(path) is not None:
        path = _MODEL_SEGMENT.sub(lambda found: (found[1] or found[2]) + quote(model, safe=""), path, count=1)
        if way.dialect in IN_PATH or top_level_model(body) is None:
            return path, body
    try:
        return path, rename(body, "model", model)
    except ValueError as error:
        raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error


def has_edits(edits: SystemEdits) -> bool:
    """Say whether the system prompt is to be changed at all."""
    return bool(edits.replace or edits.append or edits.progress)


def edit(prompt: Prompt, edits: SystemEdits) -> Prompt:
    """Edit the system prompt; gives the same object where nothing changes."""
    from dragoman.dialects.system_edits import edit_system

    replace = [(one.old, one.new) for one in edits.replace]
    return edit_system(prompt, replace=replace, append=edits.append, progress=edits.progress)


def with_edits(question: Question, edits: SystemEdits) -> bytes:
    """Edit the system prompt in the client's own dialect, every other byte as it came."""
    prompt = question.prompt
    edited = edit(prompt, edits)
    if edited is prompt:
        return question.plain
    from dragoman.dialects import ALL
    from dragoman.dialects.base import RequestTarget, Untranslatable
    from dragoman.wire.splice import splice

    try:
        rendered = ALL[question.request.way.dialect or ""].render_request(
            edited, RequestTarget(is_streamed=prompt.is_streamed)
        )
    except Untranslatable as error:
        raise CannotCall(400, "untranslatable", str(error)) from error
    return splice(question.plain, msgspec.json.decode(rendered.body))


def without_foreign_seals(question: Question, body: bytes) -> bytes:
    """Take out what other makers' models thought: an earlier turn was answered by one, and this one would refuse it."""
    from dragoman.dialects import translate

    try:
        return translate.without_foreign_seals(question.request.way.dialect or "", body)
    except ValueError as error:  # Unreadable with it
        raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error


def with_pin(upstream: Upstream, body: bytes, model: str) -> bytes | None:
    """Write a pin that stands in the model's name the way the broker reads it; None where there is none."""
    if "@" not in model:
        return None
    from dragoman.dialects.pins import pin
    from dragoman.wire.splice import splice

    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    pinned = pin(asked, upstream.address.host) if isinstance(asked, dict) else asked
    return None if pinned is asked else splice(body, pinned)
