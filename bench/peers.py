"""Peers for comparison: FastAPI with httpx, and LiteLLM. They live in a venv of their own, made on demand."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.processes import Target, free_port, process, wait_for_port

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-peers"
PACKAGES = ("fastapi==0.165.0", "uvicorn==0.54.0", "httpx==0.28.1", "litellm[proxy]==1.109.1")
FASTAPI_PEER = """
import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()
client = httpx.AsyncClient(base_url="http://127.0.0.1:{port}", limits=httpx.Limits(max_connections=None))


@app.post("/v1/chat/completions")
async def forward(request: Request):
    body = await request.body()
    upstream = client.build_request("POST", "/v1/chat/completions", content=body,
                                    headers={{"content-type": "application/json"}})
    answer = await client.send(upstream, stream=True)
    return StreamingResponse(answer.aiter_raw(), answer.status_code, {{"content-type": answer.headers["content-type"]}})
"""
LITELLM_CONFIG = """
model_list:
  - model_name: bench-1
    litellm_params: {{model: openai/bench-1, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-bench}}
litellm_settings: {{telemetry: false}}
"""


def start(stack: ExitStack, upstream_port: int) -> list[Target]:
    """Start both peers; they end with `stack`."""
    if not (VENV / "bin/litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(VENV / "bin/pip"), "install", "--quiet", *PACKAGES], check=True)
    place = ROOT / "bench/build"
    place.mkdir(exist_ok=True)
    (place / "fastapi_peer.py").write_text(FASTAPI_PEER.format(port=upstream_port))
    (place / "litellm.yaml").write_text(LITELLM_CONFIG.format(port=upstream_port))
    targets: list[Target] = []
    for name, command in (
        ("fastapi", ["uvicorn", "fastapi_peer:app", "--no-access-log", "--port"]),
        ("litellm", ["litellm", "--config", "litellm.yaml", "--num_workers", "1", "--port"]),
    ):
        port = free_port()
        peer = stack.enter_context(process([str(VENV / "bin" / command[0]), *command[1:], str(port)], cwd=place))
        wait_for_port(port, 120)
        targets.append(Target(name, port, "/v1/chat/completions", (peer.pid,)))
    return targets
