"""How each provider fared in the last hour: from what was recorded, and from the breakers of the gateways."""

from statistics import median_low

from dragoman.api.context import Context
from dragoman.api.route_schemas import ProviderHealth
from dragoman.api.shapes import breaker_view
from dragoman.records import query as language
from dragoman.records.control import Breaker
from dragoman.records.exchange import Row

SINCE = "1h"
MOST_ROWS = 200
_NEVER_ITS_OWN = frozenset({"client_closed", "cancelled", "answered", "refused"})
"""Endings that say nothing of the provider."""
_PROVIDERS_FAULT = 500


def health(here: Context) -> list[ProviderHealth]:
    """Look at the newest requests to each provider."""
    breakers = here.keeper.status.breakers()
    return [_health(here, one.slug, breakers.get(one.slug)) for one in here.keeper.setup.current.providers]


def _health(here: Context, slug: str, breaker: Breaker | None) -> ProviderHealth:
    query = language.parse(f"provider:{slug} since:{SINCE}", now_ns=here.clock.wall_ns())
    page = here.store.list_rows(query, limit=MOST_ROWS)
    rows = [row for row in page.items if row.ending is not None and row.ending not in _NEVER_ITS_OWN]
    failed = [row for row in rows if is_providers_failure(row)]
    times = [row.first_byte_ns for row in rows if row.first_byte_ns is not None and not is_providers_failure(row)]
    is_failing = bool(failed) and rows[0] is failed[0]
    if breaker is not None and (breaker.state != "closed" or not rows):
        is_failing = True  # a provider that others stand in for has failures, and no exchange of its own
    last = failed[0] if failed else None
    return ProviderHealth(
        slug=slug,
        state="failing" if is_failing else "ok" if rows else "unknown",
        requests=len(rows),
        failures=len(failed),
        is_capped=page.next_cursor is not None,
        last_error=_error_of(last) if last else breaker.last_error if breaker else None,
        last_error_ns=last.started_ns + (last.duration_ns or 0) if last else None,
        latency_p50_ns=median_low(times) if times else None,
        breaker=breaker_view(breaker),
    )


def is_providers_failure(row: Row) -> bool:
    """Say whether an exchange failed for its provider's sake; a request that it refused for good reason is none."""
    if row.ending not in ("complete", "answered"):
        return True
    return row.status is not None and (row.status >= _PROVIDERS_FAULT or row.status in (401, 403, 408, 429))


def _error_of(row: Row) -> str:
    said = row.error_message or row.error_code or row.ending or ""
    return f"{row.status}: {said}" if row.status is not None else said
