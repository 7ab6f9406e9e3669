"""The form that all dialects share: Prompt, Reply, Message, Part, Delta, Usage, StopReason, Loss.

Promise: what a dialect has and this form has not rides along in `extra`, under the dialect's name and in the
wire's spelling, so that nothing is lost on the way in and out of the same dialect. All values are frozen.
Does not know any wire format, and does no I/O.
"""

from typing import Any, Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]
MediaKind = Literal["image", "audio", "video", "document"]
ToolKind = Literal["function", "custom", "server"]

StopReason = Literal[
    "end",  # the model was done
    "stop_sequence",  # one of the client's stop sequences came up
    "length",  # the token limit, or the context window, was reached
    "tool_use",  # the model called tools and waits for their results
    "refusal",  # the model or a filter declined
    "pause",  # a long turn was paused; the client sends it back to go on
    "error",  # the reply broke off with an error
    "other",  # anything else; see `native_stop_reason`
]

Extra = dict[str, Any]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """One piece of a message. `cache` is the cache mark that ends here (`5m`, `1h`, or "" for the default)."""

    cache: str | None = None
    extra: Extra = {}


class Text(Part, frozen=True, kw_only=True, tag="text"):
    text: str
    annotations: list[Any] = []
    """Citations and the like, in the wire's spelling."""


class Reasoning(Part, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought. `signature` and `encrypted` are opaque and go back only to who made them."""

    text: str = ""
    summary: str = ""
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None
    maker: str | None = None
    """Whose seal `signature` and `encrypted` are: `anthropic`, `openai`, `google`, …; None when there is none, or it
    is not known. Another dialect carries the seal in a wrapper of ours (`dialects.seals`) and gives it back."""


class ToolCall(Part, frozen=True, kw_only=True, tag="tool_call"):
    id: str | None = None
    name: str = ""
    arguments: str = ""
    """JSON text as the model wrote it (it may be broken); for `custom` tools any text."""
    kind: ToolKind = "function"


class ToolResult(Part, frozen=True, kw_only=True, tag="tool_result"):
    call_id: str | None = None
    name: str | None = None
    parts: "list[AnyPart]" = []
    is_error: bool = False
    kind: ToolKind = "function"


class Media(Part, frozen=True, kw_only=True, tag="media"):
    """An image, sound, film or document: exactly one of `data` (base64), `url`, `file_id`, or `text`."""

    kind: MediaKind
    mime: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    name: str | None = None


class Refusal(Part, frozen=True, kw_only=True, tag="refusal"):
    text: str


class Other(Part, frozen=True, kw_only=True, tag="other"):
    """A part that this form has no word for, kept in the wire's spelling."""

    dialect: str
    kind: str
    value: Any = None


AnyPart = Text | Reasoning | ToolCall | ToolResult | Media | Refusal | Other


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    role: Role
    parts: list[AnyPart] = []
    name: str | None = None
    id: str | None = None
    extra: Extra = {}


class Tool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    description: str | None = None
    schema: Any = None
    """JSON Schema of the arguments, as sent; None for tools that have none."""
    kind: ToolKind = "function"
    strict: bool | None = None
    cache: str | None = None
    extra: Extra = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What steers the model. Unset is None and was not sent; a value was sent as such."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] | None = None
    seed: int | None = None
    n: int | None = None
    effort: str | None = None
    thinking_budget: int | None = None
    tool_choice: Any = None
    """`auto`, `none`, `required`, or `{"name": …}`."""
    parallel_tools: bool | None = None
    response_format: Any = None
    """`json`, or `{"schema": …, "name": …, "strict": …}`."""
    service_tier: str | None = None
    user: str | None = None
    metadata: Any = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client asks of a model. `messages` hold the system prompt too, in its place."""

    model: str | None = None
    messages: list[Message] = []
    tools: list[Tool] = []
    settings: Settings = Settings()
    is_streamed: bool = False
    previous_id: str | None = None
    """The reply that this one continues, when the history stays with the provider."""
    extra: Extra = {}
    warnings: list[str] = []
    """What could not be understood, in words."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens, each kind apart; the sum of the first four is what went in. None is unknown, never 0."""

    input_fresh: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    """All that came out, `reasoning` included."""
    reasoning: int | None = None
    native: Any = None
    """The provider's own figures, in the wire's spelling."""

    @property
    def input_total(self) -> int | None:
        parts = (self.input_fresh, self.cache_read, self.cache_write_5m, self.cache_write_1h)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None


class ReplyError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The provider's own error: in place of a reply, or in the middle of one."""

    message: str
    kind: str | None = None
    code: str | None = None
    extra: Extra = {}


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the model answered; `message` is choice 0, further choices lie in `others`."""

    message: Message = Message(role="assistant")
    id: str | None = None
    model: str | None = None
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    error: ReplyError | None = None
    others: "list[Choice]" = []
    extra: Extra = {}
    is_complete: bool = True
    """False when the stream ended before it said so."""
    provider_timings_ns: dict[str, int] = {}
    """What the provider itself measured, such as Ollama's `eval_duration`."""
    warnings: list[str] = []
    """What could not be understood, in words."""


class Choice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A further choice (n > 1)."""

    message: Message
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None


# Deltas: what a stream says, piece by piece. `part` numbers the parts of a choice's message in order of
# their beginning; `choice` is 0 unless the client asked for several.


class ReplyStarted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="started"):
    id: str | None = None
    model: str | None = None
    extra: Extra = {}


class PartStarted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="part"):
    """A part begins; `value` holds what is known of it. Parts that arrive whole come as this alone."""

    part: int
    value: AnyPart
    choice: int = 0


class PartGrew(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="grew"):
    """More of part `part`: each field is appended to its namesake, but `signature` and `encrypted` replace it."""

    part: int
    choice: int = 0
    text: str = ""
    summary: str = ""
    arguments: str = ""
    signature: str | None = None
    encrypted: str | None = None
    annotation: Any = None


class PartEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="part_ended"):
    """A part is whole; `value`, when given, replaces what was gathered (the wire sent the final form)."""

    part: int
    choice: int = 0
    value: AnyPart | None = None


class ReplyProgressed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="progress"):
    """Facts that came later than the start; each field that is set replaces what was known."""

    choice: int = 0
    stop_reason: StopReason | None = None
    native_stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    error: ReplyError | None = None
    extra: Extra = {}
    provider_timings_ns: dict[str, int] = {}


class ReplyEnded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="ended"):
    """The wire said that nothing more follows."""


Delta = ReplyStarted | PartStarted | PartGrew | PartEnded | ReplyProgressed | ReplyEnded


class Loss(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that could not cross to another dialect."""

    path: str
    """Where it stood, as a JSON path such as `$.messages[3].content[0]`."""
    reason: str
