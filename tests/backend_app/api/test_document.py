"""The OpenAPI document, held against the API by Schemathesis: what it says is what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from tests.backend_app.api.conftest import BASE, Program

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tests.backend_app.conftest import World

EXAMPLES = 15
"""Of each call, with what the document allows and again with what it does not."""

load_all_checks()


def on_host(world: World) -> WSGIApplication:
    """Return the platform as it is asked on its own host."""

    def ask(environ: Any, start_response: Any) -> Any:
        return world({**environ, "HTTP_HOST": "example.test"}, start_response)

    return ask


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_calls_keep_to_the_document(world: World, program: Program, mode: GenerationMode) -> None:
    """No 5xx, no answer that is not in the document, whatever is sent; with every check there is."""
    schema: Any = schemathesis.openapi.from_wsgi(f"{BASE}/openapi.json", on_host(world))
    headers = {"Authorization": f"Bearer {program.token}"}
    failures = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def hold(case: Any) -> None:
            if mode is GenerationMode.POSITIVE:
                case.query.pop("cursor", None)  # what a cursor may be, only an answer says
            case.call_and_validate(headers=headers, checks=CHECKS.get_all())

        try:
            hold()
        except FailureGroup as error:  # all calls are tried before any is reported
            failures += [f"{operation.label}: {one}" for one in error.exceptions]
    assert not failures, "\n\n".join(failures)
