"""A reply's deltas written as Responses' stream.

Order: response.created, response.in_progress; for each item output_item.added, what grows, and output_item.done; at
last one of response.completed, .incomplete or .failed with the whole response. An error is `response.failed`: Codex
does not hear a bare `error` (codex-proxy-rs#90).

Promise: texts that follow each other are pieces of one message; whatever else begins closes it. Calls stay open until
they are said to be whole, so that ones that grow by turns stay apart. Nothing empty is opened: an item begins with
the first thing that it says.
"""

from dragoman.canonical import (
    AnyPart,
    Delta,
    Loss,
    Media,
    PartEnded,
    PartGrew,
    PartStarted,
    Reasoning,
    Refusal,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.losses import reply_path
from dragoman.dialects.openai_responses.growing import Events, GrowingCall, GrowingMessage, GrowingReasoning
from dragoman.dialects.openai_responses.output import ended, failed, frame, image_item, item_id
from dragoman.dialects.openai_responses.render_reply import other_losses, stop_losses, unsaid
from dragoman.dialects.values import JsonObject

_CUT_OFF = ReplyError(message="The upstream's stream ended before the reply was whole.", kind="upstream_error")


class ResponsesEncoder:
    """Writes one stream; see base.Encoder."""

    def __init__(self, target: ReplyTarget) -> None:
        self._target = target
        self._events = Events()
        self._response: JsonObject = {}
        self._output: list[JsonObject | None] = []
        """Finished items, by output_index."""
        self._talk: GrowingMessage | GrowingReasoning | None = None
        """The message or reasoning that is open."""
        self._texts: dict[int, Text | Refusal | Reasoning] = {}
        """Parts that say something in `_talk`, by number: how each began."""
        self._calls: dict[int, GrowingCall] = {}
        self._thoughts: dict[int, GrowingReasoning] = {}
        """Reasoning that is closed; its seal may come late."""
        self._said: set[int] = set()
        """Those of them that said something."""
        self._skipped: set[int] = set()
        self._kept: list[AnyPart] = []
        """What counts for the stop reason."""
        self._losses: list[Loss] = []
        self._others: set[int] = set()
        self._stop: StopReason | None = None
        self._usage: Usage | None = None
        self._is_over = False

    @property
    def losses(self) -> list[Loss]:
        return self._losses + other_losses(len(self._others))

    def feed(self, deltas: list[Delta]) -> bytes:
        """Write what the deltas say."""
        for delta in deltas:
            if type(delta) is PartGrew and not delta.choice:
                self._grow(delta)
            else:
                self._take(delta)
        return self._events.taken()

    def ping(self) -> bytes:
        """Write a comment, which every reader of server-sent events skips."""
        return b": ping\n\n"

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write that the reply broke off."""
        if self._is_over:
            return b""
        self._is_over = True
        self._begin(None, None)
        self._close_all("incomplete")
        self._events.add("response.failed", response=failed(self._response, error, status, self._finished()))
        return self._events.taken()

    def end(self) -> bytes:
        """Say that the upstream's stream is over."""
        return b"" if self._is_over else self.fail(_CUT_OFF, 502)

    def _take(self, delta: Delta) -> None:
        if isinstance(delta, ReplyStarted):
            self._begin(delta.id, delta.model)
        elif isinstance(delta, ReplyEnded):
            self._finish()
        elif delta.choice:
            self._others.add(delta.choice)
        elif isinstance(delta, PartStarted):
            self._begin(None, None)
            self._start(delta.part, delta.value)
        elif isinstance(delta, PartEnded):
            self._end_part(delta)
        elif isinstance(delta, ReplyProgressed):
            self._stop = delta.stop_reason or self._stop
            self._usage = delta.usage or self._usage

    def _begin(self, given_id: str | None, model: str | None) -> None:
        if self._response:
            return
        self._response = frame(self._target, given_id, model)
        self._events.add("response.created", response=self._response)
        self._events.add("response.in_progress", response=self._response)

    def _start(self, number: int, value: AnyPart) -> None:
        match value:
            case Text() | Refusal() | Reasoning():
                self._texts[number] = value
                self._grow(_all_of(number, value))
            case ToolCall() if value.kind != "server":
                self._calls[number] = GrowingCall(value, self._target, self._events)
                if value.name:
                    self._open_call(number)
                self._kept.append(value)
            case Media() if value.kind == "image" and value.data:
                self._close_talk()
                index = self._next_index()
                self._output[index] = image_item(item_id("ig", self._target, index), value.data)
                self._events.whole_item(index, self._output[index])
            case _:
                self._skipped.add(number)
                self._losses.append(unsaid(value, reply_path(number)))

    def _grow(self, delta: PartGrew) -> None:
        number = delta.part
        talk = self._talk
        if talk is not None and talk.part == number:
            talk.grow(delta)
            return
        call = self._calls.get(number)
        if call is not None:
            call.grow(delta.arguments)
            return
        if number in self._skipped:
            return
        begun = self._texts.get(number)
        if begun is None:  # growth without a start: a text, as the assembler takes it
            self._begin(None, None)
            begun = self._texts[number] = Text(text="")
        thought = self._thoughts.get(number)
        if thought is not None and thought.is_sealed:
            return  # sealed anew: the first seal was told already
        if says_something(delta):
            self._talk_of(number, begun).grow(delta)

    def _talk_of(self, number: int, begun: Text | Refusal | Reasoning) -> "GrowingMessage | GrowingReasoning":
        """Return the item that a part speaks in: the open message for a text after a text, else a new one."""
        if number not in self._said:
            self._said.add(number)
            self._kept.append(begun)
        talk = self._talk
        if isinstance(begun, Reasoning):
            self._close_talk()
            index, before = self._next_index(), self._thoughts.get(number)
            thought = GrowingReasoning(begun, number, index, self._target, self._events, before)
            self._talk = self._thoughts[number] = thought
            return thought
        if not isinstance(talk, GrowingMessage):
            self._close_talk()
            talk = self._talk = GrowingMessage(self._next_index(), self._target, self._events)
        talk.open_piece(number, is_refusal=isinstance(begun, Refusal))
        return talk

    def _end_part(self, delta: PartEnded) -> None:
        number, value = delta.part, delta.value
        call = self._calls.get(number)
        if call is not None:
            self._end_call(number, call, value if isinstance(value, ToolCall) else None)
            return
        begun = self._texts.get(number)
        if begun is None:
            if value is not None and number not in self._skipped:
                self._start(number, value)
            return
        if value is not None and number not in self._said:
            self._grow(_all_of(number, value))
        talk = self._talk
        if talk is not None and talk.part == number:
            talk.end_part(value)
            if isinstance(talk, GrowingReasoning):
                self._close_talk()

    def _end_call(self, number: int, call: GrowingCall, value: ToolCall | None) -> None:
        if value is not None:
            call.settle(value)
        if call.index is None:
            self._open_call(number)
        self._output[call.index or 0] = call.done()
        del self._calls[number]
        self._skipped.add(number)

    def _open_call(self, number: int) -> None:
        self._close_talk()
        self._calls[number].open(self._next_index())

    def _next_index(self) -> int:
        self._output.append(None)
        return len(self._output) - 1

    def _close_talk(self, status: str = "completed") -> None:
        if self._talk is not None:
            self._output[self._talk.index] = self._talk.done(status)
            self._losses += self._talk.losses
            self._talk = None

    def _close_all(self, status: str = "completed") -> None:
        self._close_talk(status)
        for number, call in list(self._calls.items()):
            if status == "completed" or call.index is not None:
                self._end_call(number, call, None)

    def _finished(self) -> list[JsonObject]:
        return [item for item in self._output if item is not None]

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._begin(None, None)
        self._close_all()
        stop = settle_stop(self._stop, self._kept)
        self._losses += stop_losses(stop)
        response = ended(self._response, stop, self._finished(), self._usage)
        self._events.add(f"response.{response['status']}", response=response)


def says_something(delta: PartGrew) -> bool:
    return bool(delta.text or delta.summary or delta.signature or delta.encrypted or delta.annotation is not None)


def _all_of(number: int, value: "Text | Refusal | Reasoning | AnyPart") -> PartGrew:
    """Say as growth what a part holds already."""
    match value:
        case Text():
            return PartGrew(part=number, text=value.text)
        case Refusal():
            return PartGrew(part=number, text=value.text)
        case Reasoning():
            return PartGrew(
                part=number,
                text=value.text,
                summary=value.summary,
                signature=value.signature or None,
                encrypted=value.encrypted or None,
            )
        case _:
            return PartGrew(part=number)
