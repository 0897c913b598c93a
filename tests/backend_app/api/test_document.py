"""The OpenAPI document, held against the API by Schemathesis: what it says is what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from backend_app.api.document import LINKS
from tests.backend_app.api.conftest import BASE, Program

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tests.backend_app.conftest import World

EXAMPLES = 15
"""Of each call, with what the document allows and again with what it does not."""

STORIES, STEPS = 12, 10
BODIES = {
    "tenants_create": {"slug": "made-{}"},
    "accounts_create": {"email": "made-{}@example.com"},
    "hosts_add": {"name": "made-{}.example.org"},
    "webhooks_create": {"url": "https://hooks.example.com/{}"},
    "operations_backup": {},
}
"""Of the calls that make something, so that there is something to go on with."""

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


def test_what_is_made_is_found_changed_and_removed(world: World, program: Program) -> None:
    """Calls that follow on each other by the document's links, in many orders: the same checks."""
    schema: Any = schemathesis.openapi.from_wsgi(f"{BASE}/openapi.json", on_host(world))
    schema.config.generation.update(modes=[GenerationMode.POSITIVE])
    chosen = schema.include(
        operation_id=sorted({*LINKS, *(it for _, to in LINKS.values() for it in to)})
    )
    made: list[str] = []

    class Story(chosen.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - the library's
            return {"headers": {"Authorization": f"Bearer {program.token}"}}

        def before_call(self, case: Any) -> None:
            pass_what_only_answers_say(case)
            name = case.operation.definition.raw["operationId"]
            if name in BODIES:  # what a schema cannot say: an address, a domain, a URL outside
                case.body = {key: value.format(len(made)) for key, value in BODIES[name].items()}
            if name in {"hosts_add", "operations_backup"}:
                case.path_parameters["tenant"] = "acme"

        def after_call(self, response: Any, case: Any) -> None:
            made.append(f"{case.operation.definition.raw['operationId']} {response.status_code}")

        def validate_response(self, response: Any, case: Any, **sent: Any) -> None:
            excluded = [positive_data_acceptance, ignored_auth]
            case.validate_response(
                response,
                excluded_checks=excluded,
                recorder=self.recorder,
                transport_kwargs=sent,
            )

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    # What is followed is what was made: without the links, these would be 404. Which of them the
    # stories come to changes with each call that the document gets.
    shown = {"tenants_show 200", "webhooks_show 200", "accounts_show 200"}
    assert len(shown & {*made}) > 1


def pass_what_only_answers_say(case: Any) -> None:
    """Take out of a call what only earlier answers say."""
    case.query.pop("cursor", None)
    case.headers.pop("Idempotency-Key", None)
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"


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
            pass_what_only_answers_say(case)
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            checks=CHECKS.get_all(),
            excluded_checks=excluded,
        )

    call()
