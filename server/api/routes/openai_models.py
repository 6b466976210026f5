"""OpenAI's model routes: /v1/models and /v1/models/{id}."""

from __future__ import annotations

from typing import Literal, NotRequired

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

from server.api import openapi
from server.api.dependencies import EngineDep
from server.engine.contract import EngineStatus, ModelCard
from server.errors import ModelNotFound
from server.formats import DEMO_NOTICE

routes = APIRouter(prefix="/v1/models", tags=["OpenAI"])


class ModelEntry(TypedDict):
    """A model in the answers of OpenAI's model routes.

    OpenAI defines the first four fields; ``root`` is the id of the model that an alias names.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    description: NotRequired[str]


class ModelList(TypedDict):
    """Every model of this server, and every alias."""

    object: Literal["list"]
    data: list[ModelEntry]


@routes.get(
    "",
    summary="List the models",
    response_class=JSONResponse,
    responses=openapi.success(ModelList, "Models and aliases."),
)
async def list_models(engine: EngineDep) -> JSONResponse:
    """Return every model that can run, and every alias. The audio routes take each id in their field `model`.

    curl http://localhost:9000/v1/models
    """
    body: ModelList = {
        "object": "list",
        "data": [_entry(card, name) for card in engine.status().models for name in (card.id, *card.aliases)],
    }
    return JSONResponse(body)


@routes.get(
    "/{model_id:path}",
    summary="Describe one model",
    response_class=JSONResponse,
    responses=openapi.success(ModelEntry, "The model.") | openapi.failures(404) | openapi.NO_422,
)
async def get_model(model_id: str, engine: EngineDep) -> JSONResponse:
    """Return one model or alias. The id may hold slashes, as Hugging Face ids do."""
    card = find_card(engine.status(), model_id)
    if card is None:
        raise ModelNotFound(f"The model {model_id!r} is not on this server.", param="model", cure="See GET /v1/models.")
    return JSONResponse(_entry(card, model_id))


def find_card(status: EngineStatus, name: str | None) -> ModelCard | None:
    """Return the model with this id or alias, None if there is none. ``name`` None is the default model."""
    wanted = name or status.default_model
    return next((card for card in status.models if wanted == card.id or wanted in card.aliases), None)


def _entry(card: ModelCard, name: str) -> ModelEntry:
    entry: ModelEntry = {
        "id": name,
        "object": "model",
        "created": card.created,
        "owned_by": card.owned_by,
        "root": card.id,
        "loaded": card.loaded,
        "demo": card.demo,
        "multilingual": card.multilingual,
    }
    if card.demo:
        entry["description"] = DEMO_NOTICE
    return entry
