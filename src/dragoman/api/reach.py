"""Ask a provider itself: its models, what an Ollama server has loaded, and to unload one.

These calls go straight to the provider, not through the gateway: they are no traffic of a client and must not
fill the record. URL, credential, signature and proxy are those that the gateway would use, by its own code.
Promise: every failure is an answer in words (`ProviderCheck`) or an `UpstreamFailed`, and bounded in time; no
credential is in either.
"""

import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman.api.schemas import LoadedModel, ModelView, ProviderCheck
from dragoman.errors import BadRequest, UpstreamFailed
from dragoman.gateway.upstream import Upstream, provider_upstream
from dragoman.records.redaction import mask_url
from dragoman.records.setup import Provider
from dragoman.wire.headers import Fields

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 10.0
_ANTHROPIC_VERSION = b"2023-06-01"


class Reach:
    """One provider, ready to be asked. Use as an async context manager."""

    def __init__(self, provider: Provider, data_dir: Path) -> None:
        import httpx2  # 15 MB that only these calls need

        self.provider = provider
        self._upstream = provider_upstream(provider, data_dir)
        self._client = httpx2.AsyncClient(
            verify=_tls(provider),
            timeout=min(provider.timeouts.connect, TIMEOUT_S),
            trust_env=False,
            proxy=_proxy(self._upstream),
        )

    async def __aenter__(self) -> "Reach":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def check(self) -> ProviderCheck:
        """Ask for the models and say what came of it."""
        import httpx2

        url = self.url(self._models_path())
        if self._upstream.fault is not None:
            return _check("no_credential", self._upstream.fault, url)
        began = time.monotonic_ns()
        try:
            reply = await self._send("GET", url)
        except httpx2.TransportError as error:
            return _check("unreachable", _why(error), url)
        took = time.monotonic_ns() - began
        if reply.status_code in (401, 403):
            is_sent = self._upstream.credential is not None or self._upstream.sign is not None
            whose = "the credential was not accepted" if is_sent else "no credential was sent"
            return _check("unauthorized", f"reachable, but {whose}", url, reply.status_code, took)
        if not reply.is_success:
            hint = "" if self.lists_models else "; it lists no models here, try a request"
            return _check("failed", f"reachable, answered {reply.status_code}{hint}", url, reply.status_code, took)
        count = len(_models_in(_json(reply)))
        return _check("ok", f"reachable, {count} models", url, reply.status_code, took, count)

    async def models(self) -> list[ModelView]:
        """List the models; those of an Ollama server say whether they are loaded."""
        models = _models_in(await self._ask("GET", self._models_path()))
        if self._is_ollama:
            loaded = {one.id for one in await self.loaded()}
            for model in models:
                model.is_loaded = model.id in loaded
        return models

    async def loaded(self) -> list[LoadedModel]:
        self._must_be_ollama()
        content = await self._ask("GET", "/api/ps")
        return [
            LoadedModel(
                id=str(one.get("model") or one.get("name")),
                bytes=_int(one.get("size")),
                vram_bytes=_int(one.get("size_vram")),
                context=_int(one.get("context_length")),
                expires_at=one.get("expires_at"),
            )
            for one in _dicts(content, "models")
        ]

    async def unload(self, model: str) -> None:
        # Ollama frees a model that is asked for nothing with a keep_alive of 0.
        # https://github.com/ollama/ollama/blob/main/docs/api.md#unload-a-model, seen 2026-11-21
        self._must_be_ollama()
        await self._ask("POST", "/api/generate", {"model": model, "keep_alive": 0})

    @property
    def lists_models(self) -> bool:
        """Say whether it can be asked for its models: Bedrock's runtime has no list of them."""
        spoken = self.provider.dialects
        return not spoken or not all(one.startswith("bedrock") for one in spoken)

    @property
    def _is_ollama(self) -> bool:
        return "ollama_chat" in self.provider.dialects

    def _must_be_ollama(self) -> None:
        if not self._is_ollama:
            raise BadRequest(f"{self.provider.slug} does not speak ollama_chat; only Ollama loads and unloads models")

    def _models_path(self) -> str:
        if self._is_ollama:
            return "/api/tags"
        return "/v1beta/models" if self.provider.dialects == ["gemini_generate"] else "/v1/models"

    async def _ask(self, method: str, path: str, content: Any = None) -> Any:
        """Send and return the JSON of a success. Raises UpstreamFailed."""
        import httpx2

        url = self.url(path)
        try:
            reply = await self._send(method, url, content)
        except httpx2.TransportError as error:
            raise UpstreamFailed(f"{self.provider.slug} cannot be reached at {mask_url(url)}: {_why(error)}") from error
        if not reply.is_success:
            raise UpstreamFailed(f"{self.provider.slug} answered {reply.status_code} to {method} {mask_url(url)}")
        return _json(reply)

    async def _send(self, method: str, url: str, content: Any = None) -> "httpx2.Response":
        return await self._client.send(
            self._signed(self._client.build_request(method, url, headers=self._headers(), json=content))
        )

    def _signed(self, request: "httpx2.Request") -> "httpx2.Request":
        """Sign a request, for a provider that wants that."""
        if self._upstream.sign is not None:
            fields = list(request.headers.raw)
            for name, value in self._upstream.sign(request.method, request.url.raw_path, fields, request.content):
                request.headers[name.decode()] = value.decode()
        return request

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent there."""
        return self._upstream.fault

    async def post(
        self, url: str, body: bytes, headers: list[tuple[str, str]], *, timeout_s: float
    ) -> "httpx2.Response":
        """Send one request with the provider's own headers. Raises what `unreachable` names."""
        more = [(b"content-type", b"application/json")]
        more += [(name.encode(), value.encode()) for name, value in headers]
        sent = [*self._headers(), *more]
        request = self._client.build_request("POST", url, content=body, headers=sent, timeout=timeout_s)
        return await self._client.send(self._signed(request))

    def url(self, path: str, model: str = "") -> str:
        """Make the URL for a path with its query; Azure wants the model in it."""
        return self._upstream.url_start + self._upstream.translated_target(path, model).decode()

    def _headers(self) -> Fields:
        headers = [(b"accept", b"application/json"), *self._upstream.headers]
        if self.provider.dialects == ["anthropic_messages"]:
            headers.append((b"anthropic-version", _ANTHROPIC_VERSION))
        if self._upstream.credential is not None:
            headers.append(self._upstream.credential)
        return headers


def unreachable() -> type[Exception]:
    """Name the error of a provider that did not answer."""
    import httpx2

    return httpx2.TransportError


def has_credential(provider: Provider, data_dir: Path) -> bool | None:
    """Say whether a credential of ours is there; None when the client's own one passes."""
    if provider.auth is None or provider.auth.scheme == "none":
        return None
    upstream = provider_upstream(provider, data_dir)
    return upstream.credential is not None or (upstream.sign is not None and upstream.fault is None)


def _proxy(upstream: Upstream) -> "httpx2.Proxy | None":
    """Give the way that the gateway takes too."""
    import httpx2

    proxy = upstream.address.proxy
    if proxy is None:
        return None
    headers = {b"Proxy-Authorization": proxy.authorization} if proxy.authorization else None
    return httpx2.Proxy(f"http://{proxy.name}", headers=headers)


def _tls(provider: Provider) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=provider.ca_file)
    if provider.ca_file:
        context.load_default_certs()
    if not provider.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check(
    outcome: Any, message: str, url: str, status: int | None = None, took: int | None = None, models: int | None = None
) -> ProviderCheck:
    return ProviderCheck(
        kind="models",
        outcome=outcome,
        message=message,
        url=mask_url(url),
        status=status,
        latency_ns=took,
        models=models,
        model=None,
        reply=None,
    )


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__


def _json(reply: "httpx2.Response") -> Any:
    try:
        return msgspec.json.decode(reply.content)
    except msgspec.DecodeError:
        return None


def _models_in(content: Any) -> list[ModelView]:
    """Read a model list: OpenAI's and Anthropic's `data`, Ollama's and Gemini's `models`."""
    found = _dicts(content, "data") or _dicts(content, "models")
    return [
        ModelView(
            id=str(one.get("id") or one.get("model") or str(one.get("name", "")).removeprefix("models/")),
            is_loaded=None,
            bytes=_int(one.get("size")),
            created_s=_int(one.get("created")),
            owner=one.get("owned_by") if isinstance(one.get("owned_by"), str) else None,
        )
        for one in found
    ]


def _dicts(content: Any, name: str) -> list[dict[str, Any]]:
    items = content.get(name) if isinstance(content, dict) else None
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
