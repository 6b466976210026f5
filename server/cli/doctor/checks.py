"""The checks of ``whisperx-npu doctor``, in order. A check reports what it finds and never raises for it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from server.cli.doctor import machine_checks as machine
from server.cli.doctor import model_checks as model
from server.cli.doctor.check import Check
from server.cli.doctor.npu_checks import check_npu
from server.settings.load import Settings


def run_checks(settings: Settings, *, stages: bool = False) -> Iterator[Check]:
    """Yield the results of all checks, from the machine to the server.

    ``stages`` adds those that take seconds: mel and encoder are loaded and measured, and the mel filters are compared
    with librosa's.
    """
    yield Check("python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield machine.check_packages(settings)
    yield machine.check_cpu()
    yield machine.check_memory()
    yield from check_npu(settings)
    yield from model.check_models(settings)
    if stages:
        yield machine.check_mel_filters()
        if not model.waits_for_a_pull(settings):
            yield from model.check_stages(settings)
    yield machine.check_cache(settings.model.cache_dir)
    yield model.check_network(settings)
    yield model.check_diarization(settings)
    yield machine.check_port(settings.server.host, settings.server.port)
