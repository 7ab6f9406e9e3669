"""The Connect panel's test request: to the built-in simulator, through the proxy like any client's.

The simulator starts with the first request and ends with the process; it needs no network and no key. Promise: the
caller gets the exchange's id as soon as the reply's head is there; the rest is read in the background, slowly enough
to watch.
"""

from typing import TYPE_CHECKING, Any

from dragoman.api.schemas import FirstRequest
from dragoman.errors import UpstreamFailed
from dragoman.records.setup import Provider
from dragoman.tasks import spawn

if TYPE_CHECKING:
    import httpx2

    from dragoman.api.context import Context
    from dragoman.simulator import Server

SLUG = "simulator"
_MODEL = "sim-slow-60"
_QUESTION = "Say in a few sentences what a dragoman was."
_TIMEOUT_S = 120.0

_ASK = [{"role": "user", "content": _QUESTION}]
_REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "openai_chat": ("/v1/chat/completions", {"model": _MODEL, "stream": True, "messages": _ASK}, {}),
    "openai_responses": ("/v1/responses", {"model": _MODEL, "stream": True, "input": _QUESTION}, {}),
    "anthropic_messages": (
        "/v1/messages",
        {"model": _MODEL, "stream": True, "max_tokens": 1024, "messages": _ASK},
        {"anthropic-version": "2023-06-01"},
    ),
    "ollama_chat": ("/api/chat", {"model": _MODEL, "messages": _ASK}, {}),
}


class FirstRequests:
    """Sends test requests; one per process."""

    def __init__(self) -> None:
        self._server: Server | None = None

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def send(self, context: "Context", dialect: str) -> FirstRequest:
        """Send one and return once its reply has begun. Raises UpstreamFailed when the proxy does not answer."""
        import httpx2  # 15 MB that only these calls need

        await self._provide(context)
        path, body, headers = _REQUESTS[dialect]
        url = f"{context.base_url}/{SLUG}{path}"
        client = httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, headers={"user-agent": "dragoman-test"})
        try:
            reply = await client.send(client.build_request("POST", url, json=body, headers=headers), stream=True)
        except httpx2.TransportError as error:
            await client.aclose()
            raise UpstreamFailed(f"the proxy at {context.base_url} did not answer: {error}") from error
        exchange = reply.headers.get("x-dragoman-exchange")
        spawn(_read_to_end(client, reply), name="test-request", owner=context.tasks)
        if exchange is None:
            raise UpstreamFailed(f"{url} answered {reply.status_code}, but not as Dragoman does")
        return FirstRequest(exchange=exchange, url=url)

    async def _provide(self, context: "Context") -> None:
        """Start the simulator and make it a provider, unless there is one of that name."""
        if any(one.slug == SLUG for one in context.keeper.setup.current.providers):
            return
        from dragoman import simulator

        self._server = self._server or await simulator.start("127.0.0.1", 0)
        await context.keeper.setup.add_passing(
            Provider(
                slug=SLUG,
                name="Built-in simulator",
                base_url=f"http://127.0.0.1:{self._server.port}",
                dialects=["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"],
            )
        )


async def _read_to_end(client: "httpx2.AsyncClient", reply: "httpx2.Response") -> None:
    import httpx2

    try:
        async for _ in reply.aiter_raw():
            pass
    except httpx2.TransportError:
        pass  # what happened to it is on record
    finally:
        await reply.aclose()
        await client.aclose()
