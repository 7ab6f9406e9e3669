"""Providers: see, add, edit, remove, try out; their models."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Context, Here
from dragoman.api.provider_health import health
from dragoman.api.reach import Reach, has_credential
from dragoman.api.route_schemas import ProvidersHealth, ProviderTestBody
from dragoman.api.schemas import (
    AuthView,
    LoadedModels,
    Models,
    NewProviderBody,
    ProviderBody,
    ProviderCheck,
    Providers,
    ProviderView,
    TimeoutsView,
    UnloadBody,
    Unloaded,
)
from dragoman.api.trials import trial
from dragoman.errors import BadRequest
from dragoman.records.redaction import is_secret_header, is_secret_parameter, mask_url, mask_value
from dragoman.records.setup import BUILTIN_PROVIDERS, Auth, Provider, Timeouts, provider_fault
from dragoman.security import vault

router = APIRouter(tags=["providers"], prefix="/providers")

_BUILTIN = {provider.slug for provider in BUILTIN_PROVIDERS}


@router.get("", operation_id="listProviders", responses=gives(Providers))
def list_providers(here: Here) -> Json:
    """List providers in order of precedence."""
    return Json(Providers(items=[view(here, one) for one in here.keeper.setup.current.providers]))


@router.get("/health", operation_id="getProvidersHealth", responses=gives(ProvidersHealth))
def get_providers_health(here: Here) -> Json:
    """Say how each provider fared in the last hour, and whether it is asked at all."""
    return Json(ProvidersHealth(items=health(here)))


@router.get("/{slug}", operation_id="getProvider", responses=gives(ProviderView))
def get_provider(here: Here, slug: str) -> Json:
    """Return one provider."""
    return Json(view(here, here.keeper.setup.provider(slug)))


@router.post(
    "",
    operation_id="createProvider",
    status_code=201,
    responses=gives(ProviderView, status=201),
    openapi_extra=takes(NewProviderBody),
)
async def create_provider(here: Here, body: Annotated[NewProviderBody, Depends(body_of(NewProviderBody))]) -> Json:
    """Add a provider."""
    if any(one.slug == body.slug for one in here.keeper.setup.current.providers):
        raise BadRequest(f"there is a provider {body.slug!r} already; edit it", code="conflict", field="slug")
    return Json(await _save(here, body.slug, body, None), 201)


@router.put("/{slug}", operation_id="replaceProvider", responses=gives(ProviderView), openapi_extra=takes(ProviderBody))
async def replace_provider(
    here: Here, slug: str, body: Annotated[ProviderBody, Depends(body_of(ProviderBody))]
) -> Json:
    """Edit a provider; a built-in one is overridden. Masked values that come back unchanged stay as they were."""
    old = here.keeper.setup.provider(slug)
    return Json(await _save(here, slug, body, old))


@router.delete("/{slug}", operation_id="deleteProvider", status_code=204)
async def delete_provider(here: Here, slug: str) -> Response:
    """Remove what was edited here, its credential too; a built-in provider is then as it was."""
    old = here.keeper.setup.provider(slug)
    if old.source == "builtin":
        raise BadRequest(f"{slug} is built in and cannot be removed; an edited entry can override it", code="read_only")
    await here.keeper.setup.delete_provider(slug)
    await asyncio.to_thread(vault.delete_key, here.data_dir, slug)
    return Response(status_code=204)


@router.post(
    "/{slug}/test", operation_id="testProvider", responses=gives(ProviderCheck),
    openapi_extra=takes(ProviderTestBody, is_required=False),
)  # fmt: skip
async def test_provider(
    here: Here, slug: str, body: Annotated[ProviderTestBody, Depends(body_of(ProviderTestBody, empty=b"{}"))]
) -> Json:
    """Ask the provider for its models, or a model for a short answer, and say what came of it."""
    async with _reach(here, slug) as reach:
        if body.kind == "models":
            return Json(await reach.check())
        return Json(await trial(reach, body.kind, body.model))


@router.get("/{slug}/models", operation_id="listModels", responses=gives(Models))
async def list_models(here: Here, slug: str) -> Json:
    """List the provider's models, as it names them."""
    async with _reach(here, slug) as reach:
        return Json(Models(items=await reach.models()))


@router.get("/{slug}/loaded", operation_id="listLoadedModels", responses=gives(LoadedModels))
async def list_loaded_models(here: Here, slug: str) -> Json:
    """List the models that an Ollama server holds in memory."""
    async with _reach(here, slug) as reach:
        return Json(LoadedModels(items=await reach.loaded()))


@router.post("/{slug}/unload", operation_id="unloadModel", responses=gives(Unloaded), openapi_extra=takes(UnloadBody))
async def unload_model(here: Here, slug: str, body: Annotated[UnloadBody, Depends(body_of(UnloadBody))]) -> Json:
    """Ask an Ollama server to free a model's memory."""
    async with _reach(here, slug) as reach:
        await reach.unload(body.model)
    return Json(Unloaded(model=body.model))


def view(here: Context, provider: Provider) -> ProviderView:
    """Show a provider without its secrets."""
    auth, times = provider.auth, provider.timeouts
    reason = None
    if provider.source.startswith("file:"):
        reason = f"defined in {provider.source.removeprefix('file:')}; edit it there"
    elif provider.source not in ("builtin", "edited"):
        reason = f"made for the {provider.source}"
    return ProviderView(
        slug=provider.slug,
        name=provider.name or provider.slug,
        base_url=mask_url(provider.base_url),
        dialects=list(provider.dialects),
        default_for=list(provider.default_for),
        auth=_auth_view(auth) if auth else None,
        headers={name: _masked(value, is_secret_header(name)) for name, value in provider.headers.items()},
        query={name: _masked(value, is_secret_parameter(name)) for name, value in provider.query.items()},
        timeouts=TimeoutsView(
            connect=times.connect, first_byte=times.first_byte, idle=times.idle, client_write=times.client_write
        ),
        websocket=provider.websocket,
        strip_v1=provider.strip_v1,
        form=provider.form,
        proxy=provider.proxy,
        ca_file=provider.ca_file,
        verify_tls=provider.verify_tls,
        source=provider.source,
        is_builtin=provider.slug in _BUILTIN,
        is_editable=reason is None,
        read_only_reason=reason,
        has_credential=has_credential(provider, here.data_dir),
        prefix=f"/{provider.slug}",
    )


def _auth_view(auth: Auth) -> AuthView:
    return AuthView(
        scheme=auth.scheme,
        name=auth.name,
        prefix=auth.prefix,
        key_env=auth.key_env,
        is_in_vault=auth.key_vault is not None,
        region=auth.region,
        profile=auth.profile,
        service=auth.service,
    )


async def _save(here: Context, slug: str, body: ProviderBody, old: Provider | None) -> ProviderView:
    _check(body)
    provider = Provider(
        slug=slug,
        name=body.name,
        base_url=old.base_url if old and body.base_url == mask_url(old.base_url) else body.base_url,
        dialects=body.dialects,
        default_for=body.default_for,
        auth=_auth_of(slug, body, old),
        headers=_unmasked(body.headers, old.headers if old else {}),
        query=_unmasked(body.query, old.query if old else {}),
        timeouts=Timeouts(**{name: getattr(body.timeouts, name) for name in Timeouts.__struct_fields__}),
        websocket=body.websocket,
        strip_v1=body.strip_v1,
        form=body.form,
        proxy=body.proxy,
        ca_file=body.ca_file,
        verify_tls=body.verify_tls,
        source="edited",
    )
    if (fault := provider_fault(provider)) is not None:
        raise BadRequest(fault[1], field=fault[0])
    if old is not None and old.source.startswith("file:"):
        raise BadRequest(f"{slug} is set in {old.source.removeprefix('file:')}; change it there", code="read_only")
    if body.credential:
        await asyncio.to_thread(vault.write_key, here.data_dir, slug, body.credential)
    saved = await here.keeper.setup.save_provider(provider)
    if saved.auth is None or saved.auth.key_vault is None:
        await asyncio.to_thread(vault.delete_key, here.data_dir, slug)
    return view(here, saved)


def _check(body: ProviderBody) -> None:
    """Raise BadRequest for what the types do not say."""
    if body.auth is not None and body.auth.scheme == "header" and not body.auth.name:
        raise BadRequest("the scheme `header` needs the header's name", field="auth.name")
    if body.credential and (body.auth is None or body.auth.scheme in ("none", "sigv4")):
        raise BadRequest("a credential was given, but no scheme that sends it; expected bearer or header", field="auth")
    if body.credential is not None and not all(" " < sign <= "~" for sign in body.credential):
        raise BadRequest("the credential has signs that no header carries, such as a line end", field="credential")
    for name in Timeouts.__struct_fields__:
        if not 0 < getattr(body.timeouts, name) <= 86_400:
            raise BadRequest("expected seconds above 0, up to a day", field=f"timeouts.{name}")


def _auth_of(slug: str, body: ProviderBody, old: Provider | None) -> Auth | None:
    """Say where the credential comes from: a new one or the old one in the vault, else the environment."""
    wanted = body.auth
    if wanted is None:
        return None
    is_kept = old is not None and old.auth is not None and old.auth.key_vault is not None and not wanted.key_env
    in_vault = wanted.scheme in ("bearer", "header") and (bool(body.credential) or is_kept)
    return Auth(
        scheme=wanted.scheme,
        name=wanted.name,
        prefix=wanted.prefix,
        key_env=None if in_vault else wanted.key_env,
        key_vault=slug if in_vault else None,
        region=wanted.region,
        profile=wanted.profile,
        service=wanted.service,
    )


def _masked(value: str, is_secret: bool) -> str:
    return mask_value(value) if is_secret else value


def _unmasked(new: dict[str, str], old: dict[str, str]) -> dict[str, str]:
    """Put the old value where its mask came back."""
    return {name: old[name] if name in old and value == mask_value(old[name]) else value for name, value in new.items()}


def _reach(here: Context, slug: str) -> Reach:
    return Reach(here.keeper.setup.provider(slug), here.data_dir)
