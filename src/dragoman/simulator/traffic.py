"""The demo's traffic: a few client applications that talk to models through Dragoman, endless but gentle.

Each player is one application with its own pace, dialect and habits; together they send about a request a second.
The order is the same each time. Conversations grow as real ones do: what the simulated model will answer is known
beforehand, so that players need not read replies.
"""

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2

from dragoman.simulator import anthropic_messages, openai_chat, openai_responses, scenes
from dragoman.simulator.ask import seed_of
from dragoman.simulator.plan import plan
from dragoman.tasks import TaskOwner, spawn


class Player:
    """One client application: its headers, its chance, its connection."""

    def __init__(self, url: str, pace: float, agent: str, seed: int, **headers: str) -> None:
        self.chance = random.Random(seed)
        self._pace = pace
        self._client = httpx2.AsyncClient(
            base_url=url, headers={"user-agent": agent, **headers}, timeout=httpx2.Timeout(120.0)
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def rest(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.chance.uniform(least_s, most_s) * self._pace)

    async def post(
        self, path: str, body: dict[str, Any], *, act: str, delay_ms: int = 30, leaves_after: int | None = None
    ) -> None:
        """Send one request and read the reply, or leave after some pieces of it. What fails is part of the show."""
        headers = {
            "x-simulate": act,
            "x-simulate-delay-ms": str(int(delay_ms * self._pace)),
            "content-type": "application/json",
        }
        try:
            async with self._client.stream("POST", path, content=_encode(body), headers=headers) as reply:
                pieces = 0
                async for _ in reply.aiter_raw():
                    pieces += 1
                    if pieces == leaves_after:
                        return
        except httpx2.HTTPError:
            return

    async def get(self, path: str) -> None:
        try:
            await self._client.get(path)
        except httpx2.HTTPError:
            return


async def play(url: str, *, pace: float = 1.0, uses_routes: bool = True) -> None:
    """Send traffic to the Dragoman at `url` until cancelled; at a `pace` of 0 without any rest.

    Without `uses_routes` nothing is sent that needs the demo's routes.
    """
    owner = TaskOwner("players")
    players = [
        _Part(_assistant, Player(url, pace, "OpenAI/Python 3.52.0", 1, authorization="Bearer sk-demo-assistant")),
        _Part(_coder, Player(url, pace, scenes.CLAUDE_CODE, 2, **{"x-api-key": "sk-ant-demo", "x-app": "cli"})),
        _Part(
            _reviewer,
            Player(url, pace, "codex_exec/0.169.0", 3, originator="codex_exec", authorization="Bearer sk-demo"),
        ),
        _Part(_notes, Player(url, pace, "ollama-python/0.6.3 (x86_64 linux) Python/3.11.2", 4)),
        _Part(_pictures, Player(url, pace, "Anthropic/Python 2.11.0", 5, **{"x-api-key": "sk-ant-demo-pictures"})),
        _Part(_batch, Player(url, pace, "OpenAI/JS 7.55.0", 6, authorization="Bearer sk-demo-batch")),
    ]
    if uses_routes:
        players += [
            _Part(_desk, Player(url, pace, "OpenAI/Python 3.52.0", 7, authorization="Bearer sk-demo-desk")),
            _Part(_team, Player(url, pace, "OpenAI/JS 7.55.0", 8, authorization="Bearer sk-demo-team")),
        ]
    try:
        tasks = [spawn(one.run(), name=f"player {number}", owner=owner) for number, one in enumerate(players)]
        await asyncio.gather(*tasks)
    finally:
        await owner.close()
        for one in players:
            await one.player.close()


class _Part:
    """A player with what it does again and again."""

    def __init__(self, act: Callable[[Player], Awaitable[None]], player: Player) -> None:
        self.player = player
        self._act = act

    async def run(self) -> None:
        while True:
            await self._act(self.player)


async def _assistant(me: Player) -> None:
    """A chat assistant: short conversations, streamed, now and then with tools; some guests leave early."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": scenes.ASSISTANT}]
    for question in me.chance.choice(scenes.QUESTIONS):
        messages.append({"role": "user", "content": question})
        body: dict[str, Any] = {"model": "gpt-5.5", "messages": messages, "stream": True}
        body["stream_options"] = {"include_usage": True}
        act = "sim-chat"
        if me.chance.random() < 0.4:
            body["tools"] = scenes.CHAT_TOOLS
            act = "sim-tools-parallel" if me.chance.random() < 0.4 else "sim-tools"
        leaves_after = 9 if me.chance.random() < 0.08 else None
        await me.post("/v1/chat/completions", body, act=act, delay_ms=35, leaves_after=leaves_after)
        messages.append(_chat_message(body, act))
        if calls := messages[-1].get("tool_calls"):
            messages += [{"role": "tool", "tool_call_id": one["id"], "content": scenes.LOOKED_UP} for one in calls]
            await me.post("/v1/chat/completions", body, act=act, delay_ms=35)
            messages.append(_chat_message(body, act))
        await me.rest(2, 6)


async def _coder(me: Player) -> None:
    """A coding agent: one long conversation of tool calls, its cache mark moving along."""
    session = f"{me.chance.getrandbits(48):012x}"
    messages: list[dict[str, Any]] = []
    for task in scenes.TASKS:
        _say(messages, task)
        for _ in range(9):
            body = {
                "model": "claude-opus-5-5",
                "max_tokens": 32000,
                "system": [{"type": "text", "text": scenes.CODER, "cache_control": {"type": "ephemeral"}}],
                "tools": scenes.CODER_TOOLS,
                "thinking": {"type": "adaptive"},
                "metadata": {"user_id": json.dumps({"session_id": session})},
                "messages": _marked(messages),
                "stream": True,
            }
            await me.post("/v1/messages?beta=true", body, act="sim-agent-8", delay_ms=20)
            content = _anthropic_content(body, "sim-agent-8")
            messages.append({"role": "assistant", "content": content})
            calls = [one for one in content if one["type"] == "tool_use"]
            if not calls:
                break
            results = [
                {"type": "tool_result", "tool_use_id": one["id"], "content": scenes.output(len(messages))}
                for one in calls
            ]
            messages.append({"role": "user", "content": results})
            await me.rest(1, 4)
        await me.rest(4, 10)


async def _reviewer(me: Player) -> None:
    """A reviewing agent over Responses, with encrypted reasoning that is sent back."""
    items: list[dict[str, Any]] = [{"type": "message", "role": "developer", "content": scenes.REVIEWER}]
    items.append({"type": "message", "role": "user", "content": me.chance.choice(scenes.TASKS)})
    for _ in range(6):
        body = {
            "model": "gpt-5.5-codex",
            "input": items,
            "tools": scenes.REVIEWER_TOOLS,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "stream": True,
        }
        await me.post("/v1/responses", body, act="sim-agent-4", delay_ms=25)
        made = openai_responses.read(body, seed_of(_encode(body)))
        output = openai_responses.whole(made, plan(made, "sim-agent-4"))["output"]
        calls = [one for one in output if one["type"] == "function_call"]
        items = [*items, *output]
        if not calls:
            break
        items += [
            {"type": "function_call_output", "call_id": one["call_id"], "output": scenes.output(len(items))}
            for one in calls
        ]
        await me.rest(2, 6)
    await me.rest(3, 9)


async def _notes(me: Player) -> None:
    """A notes application on a local model: chat, generate, embeddings, the list of models."""
    choice = me.chance.random()
    if choice < 0.5:
        question = me.chance.choice(scenes.QUESTIONS)[0]
        body = {"model": "llama3.2", "messages": [{"role": "user", "content": question}]}
        await me.post("/api/chat", body, act="sim-chat", delay_ms=45)
    elif choice < 0.75:
        body = {"model": "llama3.2", "prompt": scenes.SUMMARIZE, "stream": False}
        await me.post("/api/generate", body, act="sim-long-80", delay_ms=900)
    elif choice < 0.9:
        await me.post("/api/embed", {"model": "nomic-embed-text", "input": scenes.TASKS}, act="sim-chat")
    else:
        await me.get("/api/tags")
    await me.rest(4, 11)


async def _pictures(me: Player) -> None:
    """An application that shows pictures to a model, and asks it to think."""
    head = {"model": "claude-sonnet-4-5", "max_tokens": 1024, "stream": True}
    if me.chance.random() < 0.6:
        image = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(scenes.PICTURE).decode()}
        content = [{"type": "image", "source": image}, {"type": "text", "text": "What is in this picture?"}]
        act, more = "sim-image", {}
    else:
        content = [{"type": "text", "text": me.chance.choice(scenes.QUESTIONS)[0]}]
        act, more = "sim-reason", {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 4096}
    body = {**head, **more, "messages": [{"role": "user", "content": content}]}
    await me.post("/v1/messages", body, act=act, delay_ms=40)
    await me.rest(7, 16)


async def _batch(me: Player) -> None:
    """A batch job that runs into everything that can go wrong."""
    act = me.chance.choice(scenes.MISHAPS)
    text = f"Classify the ticket: {me.chance.choice(scenes.TASKS)}"
    body = {
        "model": "gpt-5.5-mini",
        "messages": [{"role": "user", "content": text}],
        "stream": act in ("sim-cut", "sim-error-mid", "sim-limit"),
    }
    await me.post("/v1/chat/completions", body, act=act, delay_ms=15)
    await me.rest(5, 14)


async def _desk(me: Player) -> None:
    """A help desk that speaks Chat Completions and is answered by a model of another dialect."""
    body: dict[str, Any] = {
        "model": scenes.HOUSE_MODEL,
        "messages": [
            {"role": "system", "content": scenes.ASSISTANT},
            {"role": "user", "content": me.chance.choice(scenes.QUESTIONS)[0]},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    act = me.chance.choice(("sim-chat", "sim-reason", "sim-tools"))
    if act == "sim-tools":
        body["tools"] = scenes.CHAT_TOOLS
    await me.post("/v1/chat/completions", body, act=act, delay_ms=35)
    await me.rest(6, 14)


async def _team(me: Player) -> None:
    """A program whose first choice of model is always overloaded."""
    body = {"model": "fast", "messages": [{"role": "user", "content": me.chance.choice(scenes.TASKS)}]}
    await me.post(f"{scenes.TEAM_PREFIX}/v1/chat/completions", body, act="sim-chat", delay_ms=15)
    await me.rest(8, 18)


def _say(messages: list[dict[str, Any]], text: str) -> None:
    messages.append({"role": "user", "content": [{"type": "text", "text": text}]})


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the cache mark on the last block of the last message, and nowhere else."""
    last = messages[-1]
    content = [*last["content"][:-1], {**last["content"][-1], "cache_control": {"type": "ephemeral"}}]
    return [*messages[:-1], {**last, "content": content}]


def _chat_message(body: dict[str, Any], act: str) -> dict[str, Any]:
    ask = openai_chat.read(body, seed_of(_encode(body)))
    message = openai_chat.whole(ask, plan(ask, act))["choices"][0]["message"]
    return {name: message[name] for name in ("role", "content", "tool_calls") if message.get(name)}


def _anthropic_content(body: dict[str, Any], act: str) -> list[dict[str, Any]]:
    ask = anthropic_messages.read(body, seed_of(_encode(body)))
    return anthropic_messages.whole(ask, plan(ask, act))["content"]


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
