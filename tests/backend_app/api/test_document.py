"""The OpenAPI document, held against the API by Schemathesis: what it says is what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

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
    failures: list[str] = []
    for found in schema.get_all_operations():
        try:
            hold(found.ok(), mode, token=program.token)
        except FailureGroup as error:  # all calls are tried before any is reported
            failures.append(f"{found.ok().label}: {error}")
    assert not failures, "\n\n".join(failures)


def hold(operation: Any, mode: GenerationMode, *, token: str | None) -> None:
    """Make a call with many values."""
    is_positive = mode is GenerationMode.POSITIVE
    # Changes are held to rules that a schema cannot say: what is an address, who has a name.
    is_judged = is_positive and operation.method == "get"
    excluded = [] if is_judged else [positive_data_acceptance]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def call(case: Any) -> None:
        if is_positive:  # what these may be, only earlier calls say
            case.query.pop("cursor", None)
            case.headers.pop("Idempotency-Key", None)
            if "If-Match" in case.headers:
                case.headers["If-Match"] = "*"
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            checks=CHECKS.get_all(),
            excluded_checks=excluded,
        )

    call()
