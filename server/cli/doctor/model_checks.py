"""Checks of the models: the default one, the installed ones, and the stages that are built from the default one."""

from __future__ import annotations

from collections.abc import Iterator

from server.checkpoints.catalog import Catalog
from server.cli.doctor.check import Check, State
from server.errors import WhisperXError
from server.settings.load import Settings
from server.settings.stages import StageSettings


def check_models(settings: Settings) -> Iterator[Check]:
    """Check that the default model can be served, and report the other installed models."""
    try:
        catalog = Catalog(settings.model)
        entries = catalog.entries()
        yield _default_model(catalog, settings)
    except WhisperXError as error:
        yield Check("default model", "fatal", error.message, error.cure)
        return
    for entry in entries:
        if entry.problem:
            yield Check(f"model {entry.id}", "missing", entry.problem, f"Run `whisperx-npu models pull {entry.id}`.")
        elif entry.id != catalog.default:
            yield Check(f"model {entry.id}", "ok", f"{entry.bytes / 1e6:.0f} MB in {entry.path}")


def waits_for_a_pull(settings: Settings) -> bool:
    """Return whether the default model is missing and the server would download it."""
    model = settings.model
    return model.missing != "refuse" and Catalog(model).is_missing(model.name)


def check_stages(settings: Settings) -> Iterator[Check]:
    """Load the default model as the server does, and report the devices of mel and encoder with the reasons."""
    from server.pipeline.loaded_model import LoadedModel

    try:
        directory = Catalog(settings.model).resolve(settings.model.name)
        model = LoadedModel(settings.model.name, directory, StageSettings(model=settings.model, npu=settings.npu))
    except WhisperXError as error:
        yield Check("stages", "fatal", error.message, error.cure)
        return
    yield Check("stage mel", "ok", f"{model.mel.device}; {model.npu.reason('mel')}")
    why = f"{model.npu.reason('encoder')}; CPU: {model.encoder_reason}"
    yield Check("stage encoder", "ok", f"{model.encoder.device}; {why}")
    for note in model.npu.notes():
        yield Check("npu self-test", "ok", note)
    model.close()


def check_network(settings: Settings) -> Check:
    """Report whether the server may use the network."""
    used = "used by `models pull` and model.missing, and where align.models or diarize.model name Hugging Face ids"
    offline = Catalog(settings.model).offline
    return Check("network", "ok", "off: nothing is ever looked up" if offline else used)


def check_diarization(settings: Settings) -> Check:
    """Report whether diarization, which tells speakers apart, is configured."""
    model = settings.diarize.model
    if model is None:
        cure = "To tell speakers apart, set diarize.model to a pyannote pipeline (a directory or a Hugging Face id)."
        return Check("diarization", "missing", "not configured", cure)
    return Check("diarization", "ok", model)


def _default_model(catalog: Catalog, settings: Settings) -> Check:
    """Return the check of the default model. Raises the WhisperXError that would stop the start of the server."""
    name, missing = catalog.default, settings.model.missing
    if not waits_for_a_pull(settings):
        return Check("default model", "ok", f"{name} in {catalog.resolve(settings.model.name)}")
    cure = f"To have it before: `whisperx-npu models pull {name}`."
    then = "serve pulls it" if missing == "pull" else "serve pulls it, or serves the demo where no source answers"
    if catalog.offline:
        cure = f"Set model.offline to false and unset HF_HUB_OFFLINE to pull {name}."
        then = "serve cannot pull it" if missing == "pull" else "serve serves the demo"
        then += ", the network is off"
    state: State = "fatal" if catalog.offline and missing == "pull" else "missing"
    return Check("default model", state, f"{name} is not installed; model.missing is {missing}: {then}", cure)
