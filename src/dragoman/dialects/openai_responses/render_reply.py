"""A whole Reply written as a response."""

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Message, Reasoning, Refusal, Reply, Text, ToolCall
from dragoman.dialects.base import Rendered, ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.output import (
    call_item,
    encode,
    ended,
    failed,
    frame,
    image_item,
    item_id,
    message_item,
    reasoning_item,
    text_piece,
)
from dragoman.dialects.openai_responses.pieces import Writing, write_annotations
from dragoman.dialects.statuses import status_of
from dragoman.dialects.values import JsonObject


def render_reply(reply: Reply, target: ReplyTarget) -> Rendered:
    """Write a whole reply; see base.Dialect."""
    out = Writing()
    output = write_output(reply.message, target, out)
    response = frame(target, reply.id, reply.model)
    if reply.error is not None:
        response = failed(response, reply.error, status_of(reply.error), output)
    else:
        response = ended(response, reply.stop_reason, output, reply.usage)
    return Rendered(encode(response), out.losses + stop_losses(reply.stop_reason) + other_losses(len(reply.others)))


def write_output(message: Message, target: ReplyTarget, out: Writing) -> list[JsonObject]:
    """Write the items of a message; texts that follow each other are pieces of one item."""
    output: list[JsonObject] = []
    pieces: list[JsonObject] = []
    for position, part in enumerate(message.parts):
        if isinstance(part, Text | Refusal):
            piece = _piece(part, reply_path(position), out)
            pieces += [piece] if piece else []
            continue
        output += _message_of(pieces, target, len(output))
        pieces = []
        output += _item(part, reply_path(position), target, len(output), out)
    return output + _message_of(pieces, target, len(output))


def _message_of(pieces: list[JsonObject], target: ReplyTarget, index: int) -> list[JsonObject]:
    return [message_item(item_id("msg", target, index), pieces)] if pieces else []


def _piece(part: Text | Refusal, path: str, out: Writing) -> JsonObject | None:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations = write_annotations(part, path, out)
    return text_piece(part.text, annotations) if part.text or annotations else None


def _item(part: AnyPart, path: str, target: ReplyTarget, index: int, out: Writing) -> list[JsonObject]:
    match part:
        case Reasoning():
            wire = reasoning_item(part.id or item_id("rs", target, index), part)
            return [wire] if len(wire) > 3 or wire["summary"] else []
        case ToolCall() if part.kind != "server":
            call = part if part.arguments or part.kind == "custom" else msgspec.structs.replace(part, arguments="{}")
            return [call_item(item_id(call_prefix(part), target, index), call, call_id_of(part, target, index))]
        case Media() if part.kind == "image" and part.data:
            return [image_item(item_id("ig", target, index), part.data)]
        case _:
            out.losses.append(unsaid(part, path))
            return []


def call_prefix(part: ToolCall) -> str:
    return "ctc" if part.kind == "custom" else "fc"


def call_id_of(part: ToolCall, target: ReplyTarget, index: int) -> str:
    """Return the id under which the result comes back: the upstream's, since it must know it again."""
    return part.id or item_id("call", target, index)


def unsaid(part: AnyPart, path: str) -> Loss:
    what = "a tool of the provider's own" if isinstance(part, ToolCall) else type(part).__name__.lower()
    return Loss(path=path, reason=f"{NAME} has no item for {what}")


def stop_losses(stop: str | None) -> list[Loss]:
    """Say what a status cannot tell: which stop sequence came up, or that the turn was only paused."""
    if stop == "stop_sequence":
        return [Loss(path="$.stop_sequence", reason=f"{NAME} does not tell stop sequences")]
    if stop == "pause":
        return [Loss(path="$.stop_reason", reason=f"{NAME} knows no paused turn; said to be complete")]
    return []


def other_losses(count: int) -> list[Loss]:
    return [Loss(path="$.choices", reason=f"{NAME} gives one answer; {count} more were left out")] if count else []
