"""Deltas of any dialect written as a stream of Converse. The order of blocks is Messages'; the frames are Amazon's."""

from typing import Any

from dragoman.canonical import AnyPart, Loss, Media, ReplyError, ReplyStarted
from dragoman.dialects.amazon import event_headers, write_exception
from dragoman.dialects.anthropic_messages.encoder import MessagesEncoder, encode
from dragoman.dialects.bedrock_converse.content import coded
from dragoman.dialects.bedrock_converse.reply import PAUSE_LOST, why_lost, write_usage
from dragoman.dialects.values import JsonObject, to_json
from dragoman.wire.eventstream import FrameWriter

_EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_write = {name: FrameWriter(event_headers(name)).write for name in _EVENTS}

_DELTAS = {
    "text_delta": ("", ""),
    "thinking_delta": ('{"reasoningContent":', "}"),
    "signature_delta": ('{"reasoningContent":', "}"),
    "input_json_delta": ('{"toolUse":', "}"),
}
_KEYS = {"text_delta": "text", "thinking_delta": "text", "signature_delta": "signature", "input_json_delta": "input"}

_STOPS = {"refusal": "content_filtered", "pause_turn": "end_turn"}


class ConverseEncoder(MessagesEncoder):
    """Writes one stream."""

    def why_lost(self, part: AnyPart) -> str | None:
        """Say why a part has no block in a stream; None when it has one."""
        if isinstance(part, Media):
            return "pictures and sounds are not streamed here"
        return super().why_lost(part) or why_lost(part)

    def overture(self, start: ReplyStarted) -> bytes:
        return _write["messageStart"](b'{"role":"assistant"}')

    def start(self, index: int, block: Any) -> bytes:
        """Write a block's start: only calls have one."""
        kind = block.get("type")
        if kind in ("tool_use", "server_tool_use"):
            typed = {"type": kind} if kind == "server_tool_use" else {}
            use = {"toolUse": {"toolUseId": block["id"], "name": block["name"], **typed}}
            return self._told("contentBlockStart", {"start": use, "contentBlockIndex": index})
        if kind == "redacted_thinking":
            delta = {"reasoningContent": {"redactedContent": coded(block["data"])}}
            return self._told("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})
        return b""

    def delta(self, index: int, kind: str, key: str, value: Any) -> bytes:
        """Write a piece of a block. Citations of other dialects name no place in Converse's words: they stay out."""
        if kind not in _DELTAS:
            return b""
        before, after = _DELTAS[kind]
        head = f'{{"delta":{before}{{"{_KEYS[kind]}":'.encode()
        tail = f'}}{after},"contentBlockIndex":{index}}}'.encode()
        return _write["contentBlockDelta"](head + encode(value) + tail)

    def stop(self, index: int) -> bytes:
        return self._told("contentBlockStop", {"contentBlockIndex": index})

    def finale(self, reason: str) -> bytes:
        """Write the reason, and after it the figures. How long it took is not known here."""
        if reason == "pause_turn":
            self.losses.append(Loss(path="reply.stop_reason", reason=PAUSE_LOST))
        out = self._told("messageStop", {"stopReason": _STOPS.get(reason, reason)})
        return out + self._told("metadata", {"usage": write_usage(self._usage), "metrics": {}})

    def ping(self) -> bytes:
        """Bedrock sends no pings."""
        return b""

    def fail(self, error: ReplyError, status: int) -> bytes:
        if self._is_over:
            return b""
        self._is_over = True
        return write_exception(error, status)

    def _told(self, name: str, value: JsonObject) -> bytes:
        return _write[name](to_json(value).encode())
