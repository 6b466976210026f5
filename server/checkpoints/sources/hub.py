"""Downloads from the Hugging Face Hub; the only file that imports huggingface_hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.checkpoints.install import NO_ROOM
from server.checkpoints.sources.progress import Progress, bytes_in, watched
from server.checkpoints.sources.question import begin
from server.errors import HubUnreachable, ModelNotFound, ModelUnavailable
from server.machine.optional_packages import require_extra

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

ASK_SECONDS = 5.0  # for the question to the hub, the look-up of its name included; it is not repeated
NO_ANSWER = "the Hugging Face Hub does not answer"
CTRANSLATE2_FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.*", "preprocessor_config.json")
TRANSFORMERS_FILES = ("config.json", "tokenizer.json", "preprocessor_config.json", "generation_config.json")
TRANSFORMERS_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "pytorch_model-*.bin",
)


class Snapshot(NamedTuple):
    """The commit of a repository that was downloaded, and the licence that its page names, None without one."""

    revision: str | None
    licence: str | None


def is_offline() -> bool:
    """Return True if $HF_HUB_OFFLINE or $TRANSFORMERS_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def download(repo: str, directory: Path, progress: Progress | None = None, revision: str | None = None) -> Snapshot:
    """Fetch the files of a Whisper checkpoint into ``directory``, resuming a download that was interrupted.

    ``revision`` is a commit, None for the head of the repository. Raises ModelNotFound when the hub has no such
    repository, HubUnreachable when the hub does not answer within ``ASK_SECONDS`` or breaks off, ModelUnavailable when
    it refuses, has no such revision, or the repository holds no Whisper weights that can be read here, and OSError when
    the disk is full.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()  # the caller shows one bar for all files
    constants.HF_HUB_DISABLE_XET = True  # Xet starts over after an interruption, where HTTP resumes
    info = ask(repo, revision)
    files = _wanted(repo, info)
    with _named_errors(repo), watched(lambda: bytes_in(directory), sum(files.values()), progress):
        snapshot_download(repo, revision=revision or info.sha, local_dir=directory, allow_patterns=list(files))
    # snapshot_download returns what is there, without an error, when the connection breaks between its own requests
    for name, size in files.items():
        path = directory / name
        if not path.is_file() or path.stat().st_size != size:
            raise _unreachable(repo, f"{name} is not whole")
    forget(directory)
    return Snapshot(revision or info.sha, info.card_data.get("license") if info.card_data else None)


def forget(directory: Path) -> None:
    """Delete what a download keeps in ``directory`` so that it can be resumed."""
    shutil.rmtree(directory / ".cache", ignore_errors=True)


def ask(repo: str, revision: str | None = None) -> ModelInfo:
    """Return the hub's description of a repository that may be downloaded here. Raises the errors of ``download``."""
    from huggingface_hub import HfApi

    def question() -> ModelInfo:
        info = HfApi().model_info(repo, revision=revision, timeout=ASK_SECONDS, files_metadata=True)
        if info.gated:
            HfApi().auth_check(repo)
        return info

    with _named_errors(repo):
        return _in_time(repo, question)


def _in_time(repo: str, question: Callable[[], ModelInfo]) -> ModelInfo:
    """Return the answer to a question, or give up: no timeout of a connection bounds the look-up of a name."""
    answer = begin(question)
    try:
        return answer.result(ASK_SECONDS)
    except TimeoutError as error:
        if answer.done():
            raise
        raise _unreachable(repo, NO_ANSWER) from error


@contextmanager
def _named_errors(repo: str) -> Iterator[None]:
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from requests.exceptions import RequestException

    try:
        yield
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{repo} is gated.",
            cure=f"Accept its terms at its page on the hub and set HF_TOKEN, then pull {repo} again.",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelNotFound(
            f"The Hugging Face Hub has no model {repo}.", param="model", cure="If it is private, set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelUnavailable(f"The Hugging Face Hub no longer has the known revision of {repo}.") from error
    except (RequestException, OSError) as error:
        if error.errno in NO_ROOM:
            raise
        raise _unreachable(repo, error) from error


def _wanted(repo: str, info: ModelInfo) -> dict[str, int]:
    """Return the files to fetch and their sizes: one set of weights, the smallest that can be read here.

    Raises ModelUnavailable where there is none, or where its conversion needs packages that are not installed.
    """
    sizes = {file.rfilename: int(file.size or 0) for file in info.siblings or ()}
    if "model.bin" in sizes:
        patterns: tuple[str, ...] = CTRANSLATE2_FILES
    elif "model.safetensors" in sizes:
        patterns = (*TRANSFORMERS_FILES, "model.safetensors")
    elif "model.safetensors.index.json" in sizes:
        patterns = (*TRANSFORMERS_FILES, "model.safetensors.index.json", "model-*.safetensors")
    elif "pytorch_model.bin" in sizes:
        patterns = (*TRANSFORMERS_FILES, "pytorch_model.bin")
    else:
        raise ModelUnavailable(f"{repo} holds neither a CTranslate2 nor a transformers checkpoint.")
    if "model.bin" not in sizes:
        require_extra(f"{repo} is a transformers checkpoint: its conversion")
    return {name: size for name, size in sizes.items() if any(Path(name).match(pattern) for pattern in patterns)}


def _unreachable(repo: str, why: Exception | str) -> HubUnreachable:
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import Timeout

    if isinstance(why, NoConnection | Timeout):
        why = NO_ANSWER  # the exception's own text is a paragraph of addresses
    return HubUnreachable(
        f"{repo} could not be pulled: {why}.",
        cure=f"Check the network and run `whisperx-npu models pull {repo}` again: it goes on where it stopped. "
        f"Without a network, bring the files by hand: `whisperx-npu models pull {repo} --from FILE_OR_DIR`.",
    )
