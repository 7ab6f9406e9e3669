"""What was edited in the interface: settings by name, providers, and routes.

Routes lie in one setting, since their order counts.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from dragoman.records.route import Route
from dragoman.records.setup import Provider
from dragoman.store.schema import provider as providers
from dragoman.store.schema import setting
from dragoman.store.statements import upsert

ROUTES = "routes"


def all_settings(connection: sa.Connection) -> dict[str, Any]:
    rows = connection.execute(sa.select(setting).where(setting.c.name != ROUTES))
    return {row.name: msgspec.json.decode(row.value) for row in rows}


def save_setting(connection: sa.Connection, name: str, value: Any) -> None:
    if value is None:
        connection.execute(sa.delete(setting).where(setting.c.name == name))
        return
    connection.exec_driver_sql(_SAVE_SETTING, (name, msgspec.json.encode(value).decode()))


def edited_providers(connection: sa.Connection) -> list[Provider]:
    found = connection.execute(sa.select(providers.c.value).order_by(providers.c.slug)).scalars()
    return [msgspec.json.decode(value, type=Provider) for value in found]


def save_provider(connection: sa.Connection, provider: Provider) -> None:
    edited = msgspec.structs.replace(provider, source="edited")
    connection.exec_driver_sql(_SAVE_PROVIDER, (provider.slug, msgspec.json.encode(edited).decode()))


def delete_provider(connection: sa.Connection, slug: str) -> bool:
    return connection.execute(sa.delete(providers).where(providers.c.slug == slug)).rowcount > 0


def edited_routes(connection: sa.Connection) -> list[Route]:
    """Return them in their order."""
    value = connection.execute(sa.select(setting.c.value).where(setting.c.name == ROUTES)).scalar()
    return [] if value is None else msgspec.json.decode(value, type=list[Route])


def save_routes(connection: sa.Connection, routes: list[Route]) -> None:
    """Keep these routes, in this order, in place of all that were there."""
    edited = [msgspec.structs.replace(route, source="edited") for route in routes]
    save_setting(connection, ROUTES, msgspec.to_builtins(edited) or None)


_SAVE_SETTING = upsert(setting, ("name", "value"), "name")
_SAVE_PROVIDER = upsert(providers, ("slug", "value"), "slug")
