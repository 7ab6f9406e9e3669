"""An item of `input` read into a Message, with a note of how it was spelled where the form cannot tell.

Promise: `write_message` of what is read here gives the item again. An item that cannot be written from its parts
(several summaries joined, fields that say nothing) is kept whole in the notes, and stands for the message for as
long as it still reads as that message: an edit is never hidden by it.
"""

from typing import Any

import msgspec

from dragoman.canonical import Message, Role
from dragoman.dialects.openai_responses.items import NAME, item_kind, read_item
from dragoman.dialects.seals import PREFIX
from dragoman.dialects.spelling import form_of, with_form
from dragoman.dialects.values import JsonObject, as_text, text_of

ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "developer"}


def read_message(item: Any) -> Message:
    """Read one item of `input`, its spelling not yet noted."""
    if not isinstance(item, dict):
        return Message(role="user", parts=read_item(item))
    kind = item_kind(item)
    role = ROLES.get(as_text(item.get("role")))
    if role is None or kind != "message":
        role = "user" if kind == "message" else "tool" if kind.endswith("_output") else "assistant"
    return Message(role=role, parts=read_item(item), id=text_of(item, "id"), extra=_role_left(item, kind))


def _role_left(item: JsonObject, kind: str) -> JsonObject:
    is_odd = kind == "message" and as_text(item.get("role")) not in ROLES
    return {NAME: {"role": item.get("role")}} if is_odd else {}


def with_notes(message: Message, **notes: Any) -> Message:
    return msgspec.structs.replace(message, extra=with_form(message.extra, NAME, notes))


def notes_of(message: Message) -> JsonObject:
    return form_of(message.extra, NAME)


def raw_item(message: Message) -> list[Any]:
    """Return the item that was read, as a list of one, if it was kept and still says what the message says."""
    notes = notes_of(message)
    if "raw" not in notes or _is_wrapped(notes["raw"]):
        return []
    read = read_message(notes["raw"])
    is_unchanged = read.parts == message.parts and read.role == message.role
    return [notes["raw"]] if is_unchanged else []


def _is_wrapped(item: Any) -> bool:
    """Say whether an item bears a seal in our wrapper, which no provider may get to see."""
    return isinstance(item, dict) and as_text(item.get("encrypted_content")).startswith(PREFIX)
