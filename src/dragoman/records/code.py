"""An exchange as code that sends it again: curl, Python, TypeScript.

Promise: what comes out runs as it is once the named environment variables are set, sends the same body (the
very bytes where the tool allows it) to the same path of this Dragoman, and holds no credential. The SDKs are
used where the endpoint is theirs; everything else is plain HTTP with what the language has built in. What was a
message of a WebSocket is sent as the same call over HTTP. Pure.
"""

import base64
import json
import pprint
import re
import shlex
from typing import Any

from dragoman.records.exchange import Detail
from dragoman.records.redaction import is_secret_header
from dragoman.wire.encodings import decode

KEY_NAMES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "ollama": "OLLAMA_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
}
"""Where each provider's own tools look for the key."""

MESSAGE_METHOD = "WS"
"""The method of calls that were messages of a WebSocket."""
_ENVELOPE = frozenset({"type", "stream_id"})
"""Fields that such a message has and the call over HTTP has not."""

_SET_BY_THE_CLIENT = re.compile(
    r"host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-length|"
    r"content-encoding|accept-encoding|accept-language|user-agent|cookie|sec-.*|x-stainless-.*|x-dragoman-.*|"
    r"traceparent|tracestate|baggage|forwarded|x-forwarded-.*|x-real-ip"
)
_SECRET_QUERY = re.compile(r"(?<=[?&])((?:api[-_]?)?key|access_token)=[^&]*")
_VARIABLE = re.compile("\ue000([A-Z0-9_]+)\ue001")
"""An environment variable's place in a text; heads are latin-1, so they cannot hold these signs themselves."""
_ARGUMENT_LIMIT = 60_000
"""Linux takes 128 KB as one argument; longer bodies come in by a here-document."""

_SDK_ENDPOINTS = {
    "openai_chat": "/chat/completions",
    "openai_responses": "/responses",
    "anthropic_messages": "/v1/messages",
}
_KEYWORDS = {
    "openai_chat": ("model", "messages", "tools", "tool_choice", "max_completion_tokens", "max_tokens",
                    "temperature", "top_p", "response_format", "stream", "stream_options"),
    "openai_responses": ("model", "instructions", "input", "tools", "tool_choice", "max_output_tokens",
                         "temperature", "text", "reasoning", "store", "stream"),
    "anthropic_messages": ("model", "max_tokens", "system", "messages", "tools", "tool_choice", "thinking",
                           "stream"),
}  # fmt: skip
"""Arguments that the SDKs name, in the order of reading; the rest goes as `extra_body`, which takes anything."""
_REQUIRED = {"openai_chat": {"model", "messages"}, "openai_responses": set(),
             "anthropic_messages": {"model", "messages", "max_tokens"}}  # fmt: skip


class _Call:
    """What all languages need of an exchange."""

    def __init__(self, detail: Detail, request_body: bytes, base_url: str) -> None:
        row = detail.row
        is_message = row.method == MESSAGE_METHOD
        self.method = "POST" if is_message else row.method
        self.is_streamed = bool(row.is_streamed)
        self.variable = KEY_NAMES.get(row.provider or "", _variable(row.provider))
        self.url = base_url.rstrip("/") + _SECRET_QUERY.sub(rf"\1={_place(self.variable)}", row.path)
        self.dialect = row.dialect
        self.headers = self._headers(detail.request.headers)
        decoded = decode(request_body, detail.request_body.encoding or "")
        self.body = request_body if decoded.problem else decoded.data
        if decoded.problem:
            self.headers.append(("content-encoding", detail.request_body.encoding or ""))
        if is_message:
            self.body = _over_http(self.body)
        self.text = _text_of(self.body)

    def _headers(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        kept: list[tuple[str, str]] = []
        for name, value in headers:
            if name.lower() == "x-dragoman-key":
                kept.append((name, _place("DRAGOMAN_PASSWORD")))
            elif _SET_BY_THE_CLIENT.fullmatch(name.lower()):
                continue
            elif is_secret_header(name):
                scheme = "Bearer " if name.lower() == "authorization" else ""
                kept.append((name, scheme + _place(self.variable)))
            else:
                kept.append((name, value))
        return kept

    @property
    def variables(self) -> list[str]:
        """Environment variables that the code reads, in order of their first use."""
        text = " ".join([self.url, *(value for _, value in self.headers)])
        return list(dict.fromkeys(_VARIABLE.findall(text)))


def _over_http(message: bytes) -> bytes:
    """Make the body of a POST of a WebSocket's message: no envelope, and the stream that is implied there."""
    try:
        fields = json.loads(message)
    except ValueError:
        return message
    if not isinstance(fields, dict):
        return message
    kept = {key: value for key, value in fields.items() if key not in _ENVELOPE}
    return json.dumps({**kept, "stream": True}, ensure_ascii=False).encode()


def curl(detail: Detail, request_body: bytes, base_url: str) -> str:
    """Write a shell command. Needs nothing but curl (and base64, for a body that is not text)."""
    call = _Call(detail, request_body, base_url)
    lines = [" ".join(["curl", *_curl_options(call), _shell(call.url)])]
    lines += [f"-H {_shell(f'{name}: {value}')}" for name, value in call.headers]
    if call.body and not any(name.lower() == "content-type" for name, _ in call.headers):
        lines.append("-H 'content-type:'")
    if not call.body:
        return " \\\n  ".join(lines) + "\n"
    if call.text is None:
        encoded = base64.encodebytes(call.body).decode()
        lines.append("--data-binary @-")
        return "base64 -d <<'END' | " + " \\\n  ".join(lines) + f"\n{encoded}END\n"
    if len(call.body) > _ARGUMENT_LIMIT:
        end = _unused_word(call.text)
        lines.append(f"--data-binary @- <<'{end}'")
        return " \\\n  ".join(lines) + f"\n{call.text}\n{end}\n"
    lines.append(f"--data-raw {shlex.quote(call.text)}")
    return " \\\n  ".join(lines) + "\n"


def _curl_options(call: _Call) -> list[str]:
    options = ["-N"] if call.is_streamed else []
    if re.search(r"[\[\]{}]", call.url):
        options.append("--globoff")
    if call.method == "HEAD":
        options.append("--head")
    elif call.method != ("POST" if call.body else "GET"):
        options.append(f"-X {shlex.quote(call.method)}")
    return options


def python(detail: Detail, request_body: bytes, base_url: str) -> str:
    """Write a Python program: with the provider's SDK, or with the standard library."""
    call = _Call(detail, request_body, base_url)
    sdk = _sdk_of(call)
    if sdk is None:
        return _python_plain(call)
    dialect, base, content = sdk
    is_openai = dialect != "anthropic_messages"
    named = {name: content[name] for name in _KEYWORDS[dialect] if name in content}
    rest = {name: value for name, value in content.items() if name not in named}
    headers = _beside_the_sdk(call)
    arguments = [f"    {name}={_literal(value)}," for name, value in named.items()]
    if rest:
        arguments.append(f"    extra_body={_literal(rest)},")
    if headers:
        arguments.append(f"    extra_headers={_literal(headers)},")
    query = _query_of(call)
    if query:
        arguments.append(f"    extra_query={_literal(query)},")
    name = "OpenAI" if is_openai else "Anthropic"
    method = {"openai_chat": "chat.completions", "openai_responses": "responses"}.get(dialect, "messages")
    lines = [
        "import os",
        "",
        f"from {name.lower()} import {name}",
        "",
        f'client = {name}(base_url={json.dumps(base)}, api_key=os.environ.get("{call.variable}", "none"), timeout=600)',
        f"reply = client.{method}.create(",
        *arguments,
        ")",
    ]
    if content.get("stream"):
        lines += ["for event in reply:", "    print(event.model_dump_json(exclude_none=True), flush=True)"]
    else:
        lines.append("print(reply.model_dump_json(indent=2, exclude_none=True))")
    return "\n".join(lines) + "\n"


def _python_plain(call: _Call) -> str:
    headers = "".join(f"    {_filled_python(name)}: {_filled_python(value)},\n" for name, value in call.headers)
    body = "None"
    if call.body:
        body = repr(call.text) + ".encode()" if call.text is not None else repr(call.body)
    return "\n".join([
        *(["import os"] if call.variables else []),
        "import sys",
        "import urllib.error",
        "import urllib.request",
        "",
        f"body = {body}",
        "request = urllib.request.Request(",
        f"    {_filled_python(call.url)},",
        f"    method={call.method!r},",
        "    data=body,",
        f"    headers={{\n    {headers.replace(chr(10), chr(10) + '    ')}}},",
        ")",
        "try:",
        "    reply = urllib.request.urlopen(request, timeout=600)",
        "except urllib.error.HTTPError as error:",
        "    reply = error",
        "with reply:",
        "    print(reply.status, reply.reason, file=sys.stderr)",
        "    while piece := reply.read1(65536):",
        "        sys.stdout.buffer.write(piece)",
        "        sys.stdout.buffer.flush()",
    ]) + "\n"  # fmt: skip


def typescript(detail: Detail, request_body: bytes, base_url: str) -> str:
    """Write a TypeScript program: with the provider's SDK, or with `fetch`."""
    call = _Call(detail, request_body, base_url)
    sdk = _sdk_of(call)
    if sdk is None:
        return _typescript_plain(call)
    dialect, base, content = sdk
    is_openai = dialect != "anthropic_messages"
    name, package = ("OpenAI", "openai") if is_openai else ("Anthropic", "@anthropic-ai/sdk")
    method = {"openai_chat": "chat.completions", "openai_responses": "responses"}.get(dialect, "messages")
    options = [f"baseURL: {json.dumps(base)}", f'apiKey: process.env.{call.variable} ?? "none"']
    headers = _beside_the_sdk(call)
    query = _query_of(call)
    if headers:
        options.append(f"defaultHeaders: {_json(headers, 2)}")
    if query:
        options.append(f"defaultQuery: {_json(query, 2)}")
    lines = [
        f'import {name} from "{package}";',
        "",
        f"const client = new {name}({{",
        *(f"  {option}," for option in options),
        "});",
        f"const body: any = {_json(content, 2)};",
        f"const reply: any = await client.{method}.create(body);",
    ]
    if content.get("stream"):
        lines.append("for await (const event of reply) console.log(JSON.stringify(event));")
    else:
        lines.append("console.log(JSON.stringify(reply, null, 2));")
    return "\n".join(lines) + "\n"


def _typescript_plain(call: _Call) -> str:
    headers = "".join(f"    {json.dumps(name)}: {_template(value)},\n" for name, value in call.headers)
    lines = [f"const reply = await fetch({_template(call.url)}, {{", f"  method: {json.dumps(call.method)},"]
    lines.append(f"  headers: {{\n{headers}  }},")
    if call.text is not None and call.body:
        lines.append(f"  body: {json.dumps(call.text)},")
    elif call.body:
        lines.append(f'  body: Buffer.from("{base64.b64encode(call.body).decode()}", "base64"),')
    lines += [
        "});",
        "console.error(reply.status, reply.statusText);",
        "const decoder = new TextDecoder();",
        "for await (const piece of reply.body ?? []) process.stdout.write(decoder.decode(piece, { stream: true }));",
    ]
    return "\n".join(lines) + "\n"


# What the languages share


def _sdk_of(call: _Call) -> tuple[str, str, dict[str, Any]] | None:
    """Return dialect, base URL and body when an SDK can send this call, else None."""
    end = _SDK_ENDPOINTS.get(call.dialect or "")
    path = call.url.partition("?")[0]
    if end is None or call.method != "POST" or not path.endswith(end) or call.text is None:
        return None
    try:
        content = json.loads(call.text)
        json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate crosses only as its escape
    except ValueError:
        return None
    assert call.dialect is not None
    if not isinstance(content, dict) or not _REQUIRED[call.dialect] <= content.keys():
        return None
    return call.dialect, path.removesuffix(end), content


def _beside_the_sdk(call: _Call) -> dict[str, str]:
    """Return the headers that an SDK does not set by itself."""
    own = {"authorization", "x-api-key", "content-type", "accept"}
    return {name: value for name, value in call.headers if name.lower() not in own and not _VARIABLE.search(value)}


def _query_of(call: _Call) -> dict[str, str]:
    pairs = (each.partition("=") for each in call.url.partition("?")[2].split("&"))
    return {name: value for name, _, value in pairs if name}


def _variable(provider: str | None) -> str:
    return re.sub(r"[^A-Z0-9]", "_", (provider or "provider").upper()) + "_API_KEY"


def _text_of(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def _unused_word(text: str) -> str:
    word = "END"
    while f"\n{word}" in f"\n{text}":
        word += "_"
    return word


def _place(variable: str) -> str:
    return f"\ue000{variable}\ue001"


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Cut a text into its pieces; True marks the name of a variable."""
    return [(piece, bool(index % 2)) for index, piece in enumerate(_VARIABLE.split(text)) if piece]


def _shell(text: str) -> str:
    """Quote for a POSIX shell."""
    if not _VARIABLE.search(text):
        return shlex.quote(text)
    escaped = [f"${piece}" if is_name else re.sub(r'([\\"$`])', r"\\\1", piece) for piece, is_name in _pieces(text)]
    return f'"{"".join(escaped)}"'


def _filled_python(text: str) -> str:
    terms = [f"os.environ[{piece!r}]" if is_name else repr(piece) for piece, is_name in _pieces(text)]
    return " + ".join(terms) or "''"


def _template(text: str) -> str:
    if not _VARIABLE.search(text):
        return json.dumps(text)
    escaped = [
        f"${{process.env.{piece}}}" if is_name else re.sub(r"([`\\$])", r"\\\1", piece)
        for piece, is_name in _pieces(text)
    ]
    return f"`{''.join(escaped)}`"


def _literal(value: Any) -> str:
    return pprint.pformat(value, width=100, sort_dicts=False).replace("\n", "\n    ")


def _json(value: Any, indent: int) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)
