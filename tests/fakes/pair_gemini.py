"""The program of `pair_programs`, written with google-genai. The simulator does not speak Gemini: a client only."""

from collections.abc import Sequence
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from dragoman.simulator.scenes import PICTURE
from fakes.pair_programs import SCHEMA, TOOLS, Answer, Call, Failed, Wish

_STOPS = {"STOP": "end", "MAX_TOKENS": "length", "SAFETY": "refusal"}


class GeminiProgram:
    """google-genai, generateContent."""

    def __init__(self, url: str) -> None:
        self._http = httpx2.Client(timeout=30)
        options = types.HttpOptions(base_url=url, httpx_client=self._http)
        self._client = genai.Client(api_key="sk-test-pairs", http_options=options)
        self._contents: list[Any] = []

    def say(self, text: str, *, image: bool = False) -> None:
        picture = [types.Part.from_bytes(data=PICTURE, mime_type="image/png")] if image else []
        self._contents.append(types.Content(role="user", parts=[types.Part(text=text), *picture]))

    def give(self, results: Sequence[tuple[Call, str]]) -> None:
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": text}))
            for call, text in results
        ]
        self._contents.append(types.Content(role="user", parts=parts))

    def ask(self, wish: Wish) -> Answer:
        call: dict[str, Any] = {"model": wish.model, "contents": self._contents, "config": _config(wish)}
        pieces: list[types.GenerateContentResponse] = []
        try:
            if wish.is_streamed:
                for piece in self._client.models.generate_content_stream(**call):
                    pieces.append(piece)  # noqa: PERF402 (an error keeps what came before it)
            else:
                pieces.append(self._client.models.generate_content(**call))
        except errors.APIError as error:
            raise Failed(None if pieces else error.code, str(error)) from error
        except httpx2.HTTPError as error:
            raise Failed(None, str(error)) from error
        return self._take(pieces)

    def _take(self, pieces: list[types.GenerateContentResponse]) -> Answer:
        candidates = [one.candidates[0] for one in pieces if one.candidates]
        parts = [part for one in candidates if one.content for part in one.content.parts or []]
        if not candidates or candidates[-1].finish_reason is None:
            raise Failed(None, "the stream ended without a reason")
        self._contents.append(types.Content(role="model", parts=parts))
        calls = [part.function_call for part in parts if part.function_call]
        figures = pieces[-1].usage_metadata
        stop = _STOPS[candidates[-1].finish_reason.value]
        return Answer(
            text="".join(part.text or "" for part in parts if not part.thought),
            calls=[Call(one.name or "", dict(one.args or {}), one.id) for one in calls],
            reasoning="".join(part.text or "" for part in parts if part.thought),
            stop="tool_use" if calls and stop == "end" else stop,
            input_tokens=figures.prompt_token_count if figures else None,
            output_tokens=_output(figures),
        )

    def close(self) -> None:
        self._http.close()


def _output(figures: Any) -> int | None:
    if figures is None or figures.candidates_token_count is None:
        return None
    return figures.candidates_token_count + (figures.thoughts_token_count or 0)


def _config(wish: Wish) -> types.GenerateContentConfig:
    config = types.GenerateContentConfig(max_output_tokens=wish.max_tokens)
    if wish.has_tools:
        functions = [types.FunctionDeclaration(name=one, parameters_json_schema=SCHEMA) for one in TOOLS]
        config.tools = [types.Tool(function_declarations=functions)]
    if wish.thinks:
        config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    if wish.stop is not None:
        config.stop_sequences = [wish.stop]
    return config
