"""Pages: the built interface under `/ui/`, the description of the API, and the way to both.

Promise: what carries a hash in its name is cached for ever, all else is asked for again; a path of the interface
that is no file gets its `index.html`. Nothing outside of the built folder is ever served. Needs no network.
"""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from dragoman.api import openapi
from dragoman.api.context import Here
from dragoman.api.guard import CONTENT_POLICY
from dragoman.errors import NotFound

router = APIRouter(include_in_schema=False)

_OWN = Path(__file__).parent / "pages"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.+?)</script>", re.DOTALL)
_READ = ["GET", "HEAD"]


@router.api_route("/", methods=_READ)
@router.api_route("/ui", methods=_READ)
async def lead_to_interface() -> Response:
    return RedirectResponse("/ui/", 307)


@router.api_route("/ui/{path:path}", methods=_READ)
def show_interface(here: Here, path: str) -> Response:
    """Serve a file of the built interface."""
    index = here.web / "index.html"
    if not index.is_file():
        return HTMLResponse((_OWN / "unbuilt.html").read_text(encoding="utf-8"), headers={"cache-control": "no-store"})
    file = (here.web / path).resolve()
    if path and file.is_file() and file.is_relative_to(here.web.resolve()) and file != index:
        return FileResponse(file, headers={"cache-control": _FOR_EVER if path.startswith("assets/") else _ASK_AGAIN})
    if "." in path.rpartition("/")[2] and path != "index.html":
        raise NotFound(f"the interface has no file {path[:200]!r}")
    return FileResponse(index, headers={"cache-control": _ASK_AGAIN, "content-security-policy": _policy_for(index)})


def _policy_for(index: Path) -> str:
    return _policy(index, index.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _policy(index: Path, _: int) -> str:
    """Allow the page's own inline scripts by their hashes (the theme is set before the first paint)."""
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(index.read_bytes())
    ]
    return CONTENT_POLICY.replace("script-src 'self'", " ".join(["script-src 'self'", *hashes]))


@router.api_route("/api/openapi.json", methods=_READ)
def show_description(request: Request) -> Response:
    state = request.app.state
    if getattr(state, "description", None) is None:
        state.description = openapi.text(request.app).encode()
    return Response(state.description, media_type="application/json", headers={"cache-control": _ASK_AGAIN})


@router.api_route("/api/docs", methods=_READ)
@router.api_route("/api/docs/{name}", methods=_READ)
def show_docs(name: str = "docs.html") -> Response:
    if name not in ("docs.html", "docs.css", "docs.js"):
        raise NotFound(f"there is no {name[:100]!r}; the API is described at /api/docs")
    return FileResponse(_OWN / name, headers={"cache-control": _ASK_AGAIN})
