"""Lists of exchanges, what is counted over them, and one exchange: find, look, delete, bring back, stop."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.bodies import find
from dragoman.api.context import Context, Here, check_id, missing
from dragoman.api.schemas import (
    Cancellation,
    Facets,
    FacetValue,
    QueryFields,
    Removal,
    Removed,
    RestoreBody,
    Restored,
    Resync,
    Timeline,
)
from dragoman.errors import BadRequest
from dragoman.records import query as language
from dragoman.records.exchange import Detail, Row
from dragoman.store.types import Changes, Count, Page, Policy

router = APIRouter(tags=["exchanges"])

Filter = Annotated[str, Query(max_length=4000, description="Which exchanges; the language of /api/query-fields.")]
Bounds = Annotated[int | None, Query(ge=0, description="Nanoseconds since 1970.")]

FACETS = ("model", "client", "provider", "route", "dialect", "upstream", "status", "state", "tag", "run")
ROWS_IN_EVENTS = 200
UNDO_S = Policy().undo_ns // 1_000_000_000
"""How long a deletion can be taken back."""
_HELP = """\
`field:value` or plain text; terms side by side must all hold. `OR` and parentheses join them otherwise, `-` in front
turns a term round. A comma within a value is any of; a field twice is all of. `*` stands for any signs. Numbers take
`>`, `>=`, `<`, `<=` and `a..b`. Text is looked for in what was newly said, word by word; `"in quotes"` as a phrase."""


def parse(context: Context, q: str) -> language.Query:
    """Read a filter. Raises BadRequest that says where and why it is wrong."""
    return language.parse(q, now_ns=context.clock.wall_ns())


@router.get("/exchanges", operation_id="listExchanges", responses=gives(Page, Changes))
def list_exchanges(
    here: Here,
    q: Filter = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    since_seq: Annotated[
        int | None, Query(ge=0, description="Ask for what changed after it; the answer is a `Changes`.")
    ] = None,
) -> Json:
    """List exchanges, newest first; or, with `since_seq`, what changed since."""
    query = parse(here, q)
    if since_seq is not None:
        return Json(here.store.changes(query, since_seq, limit))
    return Json(here.store.list_rows(query, limit=limit, cursor=cursor))


@router.get("/facets", operation_id="getFacets", responses=gives(Facets))
def get_facets(
    here: Here,
    q: Filter = "",
    names: Annotated[str, Query(max_length=200, description="Comma-separated fields.")] = ",".join(FACETS),
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Json:
    """Count the values of some fields among the exchanges found."""
    found = here.store.facets(parse(here, q), [name for name in names.split(",") if name], limit)
    return Json(
        Facets(
            facets={
                name: [FacetValue(value=value, count=count) for value, count in each] for name, each in found.items()
            }
        )
    )


@router.get("/timeline", operation_id="getTimeline", responses=gives(Timeline))
def get_timeline(
    here: Here,
    q: Filter = "",
    start_ns: Bounds = None,
    end_ns: Bounds = None,
    buckets: Annotated[int, Query(ge=1, le=500)] = 60,
) -> Json:
    """Count exchanges over time, by how they ended; the last hour unless told."""
    end = end_ns if end_ns is not None else here.clock.wall_ns()
    start = start_ns if start_ns is not None else max(0, end - 3600 * 1_000_000_000)
    if start >= end:
        raise BadRequest(f"start_ns is {start}, expected less than end_ns, {end}", field="start_ns")
    found = here.store.timeline(parse(here, q), start, end, buckets)
    step = found[1].start_ns - found[0].start_ns if len(found) > 1 else end - start
    return Json(Timeline(start_ns=start, end_ns=end, step_ns=step, buckets=found))


@router.get("/count", operation_id="countExchanges", responses=gives(Count))
def count_exchanges(here: Here, q: Filter = "") -> Json:
    """Count the exchanges found, up to 10,000."""
    return Json(here.store.count(parse(here, q)))


@router.get("/query-fields", operation_id="getQueryFields", responses=gives(QueryFields))
def get_query_fields() -> Json:
    """Describe the query language, for completion and help."""
    return Json(QueryFields(fields=list(language.FIELDS), facets=list(FACETS), help=_HELP))


@router.get("/exchanges/{exchange}", operation_id="getExchange", responses=gives(Detail))
def get_exchange(here: Here, exchange: str) -> Json:
    """Return all facts of one exchange but its bodies; of a running one, what is known so far."""
    return Json(find(here, exchange), headers={"cache-control": "no-cache"})


@router.delete("/exchanges/{exchange}", operation_id="deleteExchange", responses=gives(Removal))
async def delete_exchange(here: Here, exchange: str) -> Json:
    """Delete one exchange; `restoreExchanges` with the token brings it back."""
    count = await asyncio.to_thread(here.store.delete, [check_id(exchange)])
    if not count:
        raise missing(exchange)
    here.keeper.bus.publish("exchange.deleted", Removed(ids=[exchange], filter=None, count=1))
    return Json(Removal(token=exchange, count=1, undo_s=UNDO_S))


@router.delete("/exchanges", operation_id="deleteExchanges", responses=gives(Removal))
async def delete_exchanges(
    here: Here,
    q: Filter = "",
    everything: Annotated[bool, Query(alias="all", description="Needed to delete without a filter.")] = False,
) -> Json:
    """Delete all exchanges found; `restoreExchanges` with the token brings them back."""
    if not q.strip() and not everything:
        raise BadRequest("no filter was given; to delete everything say all=true", field="q")
    deletion = await asyncio.to_thread(here.store.delete_matching, parse(here, q))
    here.keeper.bus.publish("exchange.deleted", Removed(ids=[], filter=q, count=deletion.count))
    return Json(Removal(token=deletion.token, count=deletion.count, undo_s=UNDO_S))


@router.post(
    "/exchanges/restore",
    operation_id="restoreExchanges",
    responses=gives(Restored),
    openapi_extra=takes(RestoreBody),
)
async def restore_exchanges(here: Here, body: Annotated[Any, Depends(body_of(RestoreBody))]) -> Json:
    """Bring deleted exchanges back, by ids or by the token of the deletion."""
    if (body.ids is None) == (body.token is None):
        raise BadRequest("expected either ids or token", field="token")
    ids = body.ids if body.ids is not None else [body.token] if len(body.token) == 26 else None
    if ids is not None:
        ids = [check_id(one) for one in ids]
    changes = await asyncio.to_thread(_restore, here, ids, None if ids is not None else body.token)
    if changes.is_truncated:
        here.keeper.bus.publish("resync", Resync(since_seq=changes.since_seq))
    for row in changes.items:
        here.keeper.bus.publish("exchange.changed", row)
    return Json(Restored(count=changes.count))


class _Restoration(Restored, kw_only=True):
    items: list[Row]
    since_seq: int
    is_truncated: bool


def _restore(here: Context, ids: list[str] | None, token: str | None) -> _Restoration:
    """Restore, and find what came back, for those who watch."""
    before = here.store.list_rows(limit=1).since_seq
    count = here.store.restore(ids, token=token)
    changes = here.store.changes(None, before, ROWS_IN_EVENTS)
    return _Restoration(
        count=count, items=changes.items, since_seq=changes.since_seq, is_truncated=changes.is_truncated
    )


@router.post("/exchanges/{exchange}/cancel", operation_id="cancelExchange", responses=gives(Cancellation))
async def cancel_exchange(here: Here, exchange: str) -> Json:
    """Stop a running exchange: upstream and client are cut, what came so far is kept."""
    return Json(Cancellation(is_found=await here.keeper.links.cancel(check_id(exchange))))
