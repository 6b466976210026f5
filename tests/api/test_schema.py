"""Requests that schemathesis makes from the OpenAPI page: each gets an answer that the page describes, and no 500."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from server.api import create_app
from server.settings.load import load_settings
from tests.api.scripted import ScriptedEngine

schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(load_settings(diarize={"model": "some/pipeline"}), ScriptedEngine())
)
NAMES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS.get_by_names(list(NAMES)))
