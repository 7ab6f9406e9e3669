"""Providers: see, add, edit, remove, try out; their models."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dragoman.api.answers import Json, body_of, gives, takes
from dragoman.api.context import Here
from dragoman.api.schemas import (
    LoadedModels,
    Models,
    NewProviderBody,
    ProviderBody,
    ProviderCheck,
    Providers,
    ProviderView,
    UnloadBody,
    Unloaded,
)

router = APIRouter(tags=["providers"], prefix="/providers")


@router.get("", operation_id="listProviders", responses=gives(Providers))
def list_providers(here: Here) -> Json:
    """List providers in order of precedence."""
    raise NotImplementedError


@router.get("/{slug}", operation_id="getProvider", responses=gives(ProviderView))
def get_provider(here: Here, slug: str) -> Json:
    """Return one provider."""
    raise NotImplementedError


@router.post(
    "",
    operation_id="createProvider",
    status_code=201,
    responses=gives(ProviderView, status=201),
    openapi_extra=takes(NewProviderBody),
)
async def create_provider(here: Here, body: Annotated[Any, Depends(body_of(NewProviderBody))]) -> Json:
    """Add a provider."""
    raise NotImplementedError


@router.put("/{slug}", operation_id="replaceProvider", responses=gives(ProviderView), openapi_extra=takes(ProviderBody))
async def replace_provider(here: Here, slug: str, body: Annotated[Any, Depends(body_of(ProviderBody))]) -> Json:
    """Edit a provider; a built-in one is overridden."""
    raise NotImplementedError


@router.delete("/{slug}", operation_id="deleteProvider", status_code=204)
async def delete_provider(here: Here, slug: str) -> None:
    """Remove what was edited here, its credential too; a built-in provider is then as it was."""
    raise NotImplementedError


@router.post("/{slug}/test", operation_id="testProvider", responses=gives(ProviderCheck))
async def test_provider(here: Here, slug: str) -> Json:
    """Ask the provider for its models, and say what came of it."""
    raise NotImplementedError


@router.get("/{slug}/models", operation_id="listModels", responses=gives(Models))
async def list_models(here: Here, slug: str) -> Json:
    """List the provider's models, as it names them."""
    raise NotImplementedError


@router.get("/{slug}/loaded", operation_id="listLoadedModels", responses=gives(LoadedModels))
async def list_loaded_models(here: Here, slug: str) -> Json:
    """List the models that an Ollama server holds in memory."""
    raise NotImplementedError


@router.post("/{slug}/unload", operation_id="unloadModel", responses=gives(Unloaded), openapi_extra=takes(UnloadBody))
async def unload_model(here: Here, slug: str, body: Annotated[Any, Depends(body_of(UnloadBody))]) -> Json:
    """Ask an Ollama server to free a model's memory."""
    raise NotImplementedError
