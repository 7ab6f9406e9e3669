"""Records of made-up exchanges, as a gateway would write them."""

import json

from dragoman.journal.format import (
    Alteration,
    AttemptOpened,
    BodyFraming,
    Chunk,
    Closed,
    Ending,
    Headers,
    Lost,
    Opened,
    Record,
    RequestBody,
    RequestEnded,
    ResponseHead,
    SentChunk,
    SentHead,
    UpstreamBody,
)

START = 6_000_000_000
MS = 1_000_000

CHAT_BODY = json.dumps(
    {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Say hello to the sea."}]}
).encode()

WORDS = ("Hello", ", ", "great ", "sea", ".")


def opened(
    name: str,
    *,
    at: int = START,
    framing: BodyFraming = "length",
    target: bytes = b"/v1/chat/completions",
    dialect: str | None = "openai_chat",
    endpoint: str | None = "chat",
    method: str = "POST",
) -> Opened:
    return Opened(
        id=name,
        mono_ns=at,
        method=method,
        target=target,
        http_version="1.1",
        headers=[(b"Host", b"localhost"), (b"Content-Type", b"application/json")],
        peer="127.0.0.1:5123",
        connection=1,
        turn=1,
        provider="openai",
        dialect=dialect,
        endpoint=endpoint,
        request_framing=framing,
        setup_version=7,
    )


def asked(name: str, body: bytes = CHAT_BODY, *, at: int = START) -> list[Record]:
    """The request up to the moment when the provider was asked."""
    return [
        opened(name, at=at),
        RequestBody(name, at + MS, body),
        RequestEnded(name, at + MS, len(body)),
        AttemptOpened(name, at + MS, 1, "openai", "https://api.openai.com/v1/chat/completions", False, 1, 2, 3),
    ]


def head(name: str, *, at: int = START, status: int = 200, media: bytes = b"text/event-stream",
         framing: BodyFraming = "chunked", more: Headers | None = None) -> ResponseHead:  # fmt: skip
    return ResponseHead(name, at + 10 * MS, status, b"OK", "1.1", [(b"content-type", media), *(more or [])], framing)


def event(word: str, *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": word} if word else {}, "finish_reason": finish}
    data = {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-2024", "choices": [choice]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def streamed(name: str, *, at: int = START) -> list[Record]:
    """The pieces of a streamed reply, one word each 10 ms, without its end."""
    return [
        head(name, at=at),
        *(Chunk(name, at + (20 + 10 * n) * MS, chunked(event(word))) for n, word in enumerate(WORDS)),
    ]


def ended(name: str, *, at: int = START) -> list[Record]:
    return [
        Chunk(name, at + 90 * MS, chunked(event("", finish="stop")) + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"),
        closed(name, at=at),
    ]


def closed(name: str, *, at: int = START, ending: Ending = "complete", status: int = 200, body: bytes = b"",
           error_code: str | None = None, error_message: str | None = None) -> Closed:  # fmt: skip
    return Closed(name, at + 100 * MS, ending, status, 1000, error_code, error_message, body=body)


def whole(name: str, *, at: int = START) -> list[Record]:
    return [*asked(name, at=at), *streamed(name, at=at), *ended(name, at=at)]


STREAM_BODY = b"".join(event(word) for word in WORDS) + event("", finish="stop") + b"data: [DONE]\n\n"

# A call that a route translated: the client speaks Anthropic's Messages, the provider OpenAI's Chat.

MESSAGES_BODY = json.dumps(
    {
        "model": "claude-x",
        "max_tokens": 100,
        "stream": True,
        "messages": [{"role": "user", "content": "Say hello to the sea."}],
    }
).encode()
SENT_EVENTS = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-x"}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hello"}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]


def attempt(name: str, number: int = 1, *, at: int = START, dialect: str | None = "openai_chat",
            model: str | None = "gpt-4o", provider: str = "openai") -> AttemptOpened:  # fmt: skip
    url = "https://api.openai.com/v1/chat/completions"
    headers = [(b"content-type", b"application/json")]
    return AttemptOpened(name, at + MS, number, provider, url, False, 1, 2, 3, headers, dialect, model, "to-openai")


def asked_through_route(name: str, *, at: int = START) -> list[Record]:
    return [
        opened(name, at=at, target=b"/v1/messages", dialect="anthropic_messages", endpoint="messages"),
        RequestBody(name, at + MS, MESSAGES_BODY),
        RequestEnded(name, at + MS, len(MESSAGES_BODY)),
        Alteration(name, at + MS, "route:to-openai", "translated: anthropic_messages -> openai_chat"),
        UpstreamBody(name, at + MS, 1, CHAT_BODY),
        attempt(name, at=at),
        Lost(name, at + MS, "request", [("$.thinking", "openai_chat has no such setting")]),
    ]


def sent_head(name: str, *, at: int = START, status: int = 200, media: bytes = b"text/event-stream") -> SentHead:
    return SentHead(name, at + 11 * MS, status, [(b"content-type", media)], "chunked")


def translated(name: str, *, at: int = START) -> list[Record]:
    """A streamed call through a route, whole."""
    upstream = streamed(name, at=at)
    sent = [SentChunk(name, at + (21 + 10 * n) * MS, data) for n, data in enumerate(SENT_EVENTS)]
    return [
        *asked_through_route(name, at=at),
        upstream[0],
        sent_head(name, at=at),
        *(one for pair in zip(upstream[1:4], sent, strict=True) for one in pair),
        *upstream[4:],
        *ended(name, at=at)[:-1],
        Lost(name, at + 95 * MS, "response", [("$.choices[0].logprobs", "anthropic_messages has none")]),
        closed(name, at=at),
    ]
