"""What was found in another tool's file: shown without its keys, and saved as if it had been edited here.

Keys go into the vault before the provider that uses them is published. What is there already stays: a provider of
the same slug, a route that stands in a file.
"""

import asyncio
from pathlib import Path

import msgspec

from dragoman.api.route_schemas import Imported, ImportedProvider, ImportedRoute, ImportProblem
from dragoman.api.shapes import key_source, route_shape
from dragoman.config.imports import Found
from dragoman.config.imports.written import as_yaml
from dragoman.errors import BadRequest
from dragoman.keeper.setup import SetupBook
from dragoman.records.redaction import mask_url
from dragoman.records.setup import Provider
from dragoman.security import vault


def show(found: Found, book: SetupBook, *, is_saved: bool) -> Imported:
    """Make the answer; a key is told by its reference alone."""
    routes = {one.name for one in book.current.routes}
    return Imported(
        format=found.format,  # pyright: ignore[reportArgumentType] the names of `imports.FORMATS`
        providers=[
            *(_provider(one.provider, is_known=False) for one in found.providers),
            *(_provider(one, is_known=True) for one in found.used),
        ],
        routes=[
            ImportedRoute(**msgspec.structs.asdict(route_shape(one)), is_known=one.name in routes)
            for one in found.routes
        ],
        problems=[ImportProblem(where=one.where, message=one.message) for one in found.problems],
        is_saved=is_saved,
        yaml=as_yaml(found),
    )


def _provider(provider: Provider, *, is_known: bool) -> ImportedProvider:
    return ImportedProvider(
        slug=provider.slug,
        name=provider.name or provider.slug,
        base_url=mask_url(provider.base_url),
        dialects=list(provider.dialects),
        key_source=key_source(provider),
        is_known=is_known,
    )


async def save(found: Found, book: SetupBook, data_dir: Path) -> list[ImportProblem]:
    """Save providers, then routes; gives what could not be saved."""
    problems: list[ImportProblem] = []
    for one in found.providers:
        if one.secret is not None:
            await asyncio.to_thread(vault.write_key, data_dir, one.provider.slug, one.secret)
        try:
            await book.save_provider(one.provider)
        except BadRequest as error:
            await asyncio.to_thread(vault.delete_key, data_dir, one.provider.slug)
            problems.append(ImportProblem(where=f"provider {one.provider.slug}", message=error.message))
    for route in found.routes:
        try:
            await book.save_route(route)
        except BadRequest as error:
            problems.append(ImportProblem(where=f"route {route.name}", message=error.message))
    return problems
