"""Operations on a tenant: calls that are made of the same declarations as the console's forms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import jsonify
from marshmallow import fields, validate

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint, Flag, Schema, WholeNumber
from backend_app.api.jobs import job_url, show_job
from backend_app.api.problems import ProblemError
from backend_app.api.reach import get_row
from backend_app.api.schemas import JobSchema, OperationsSchema, told
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.declaration import Declaration, Parameter

bp = Blueprint("operations", __name__, description="What can be done to a site.")

MAX_TEXT = 500
LARGEST = 2**31 - 1

TYPES = {str: "string", bool: "boolean", int: "integer", datetime: "date-time"}


class OutcomeSchema(Schema):
    """What an operation has done, or would do."""

    is_done = fields.Boolean(required=True, metadata=told("False for a dry run."))
    sentences = fields.List(fields.String(), required=True)


@bp.route("/tenants/<tenant>/operations")
@needs("tenants:read")
@bp.response(200, OperationsSchema)
def list_operations(tenant: str) -> ResponseReturnValue:
    """List the operations on a tenant.

    With their parameters, and whether they make sense now.
    """
    row = get_row(tenant)
    return {"items": [_show(declaration, row) for declaration in OPERATIONS.values()]}


def _show(declaration: Declaration, row: TenantRow) -> dict[str, Any]:
    slug = row.tenant.slug
    return {
        "name": declaration.name,
        "title": declaration.title,
        "text": declaration.text,
        "is_offered": declaration.is_offered(row),
        "is_job": declaration.job is not None,
        "needs_confirmation": declaration.is_typed,
        "parameters": [
            {
                "name": parameter.name,
                "type": TYPES[parameter.type],
                "text": _text_of(parameter),
                "is_required": parameter.is_required,
                "choices": list(parameter.find_choices(operations(), slug)),
            }
            for parameter in declaration.parameters
        ],
    }


def _text_of(parameter: Parameter) -> str:
    return f"{parameter.hint.label}. {parameter.hint.text}".strip()


# --- one call for each operation ------------------------------------------------------------------


def _offer(declaration: Declaration) -> None:
    """Add the call of an operation."""

    def run(wanted: dict[str, Any], tenant: str) -> ResponseReturnValue:
        return _run(declaration, wanted, tenant)

    run.__name__ = declaration.name.replace("-", "_")
    run.__doc__ = f"{declaration.title}.\n\n{declaration.text}"
    view = bp.response(200, OutcomeSchema)(run)
    if declaration.job is not None:
        place = {"Location": {"schema": {"type": "string"}}}
        view = bp.alt_response(202, schema=JobSchema, headers=place)(view)
    needs_body = declaration.is_typed or any(it.is_required for it in declaration.parameters)
    view = bp.arguments(_schema_of(declaration), required=needs_body)(view)
    scope = "owners:write" if declaration.name == "owner" else "operations:write"
    path = f"/tenants/<tenant>/operations/{declaration.name}"
    bp.route(path, methods=["POST"])(needs(scope, platform=True)(view))


def _run(declaration: Declaration, wanted: dict[str, Any], tenant: str) -> ResponseReturnValue:
    """Do an operation, or have a job do it, or say what it would do."""
    row = get_row(tenant)
    dry_run, confirm = wanted.pop("dry_run"), wanted.pop("confirm", None)
    slug = row.tenant.slug
    if declaration.is_typed and not dry_run and confirm != slug:
        sentence = (
            f"confirm: Send the tenant's slug, {slug!r}: this destroys or replaces something."
        )
        raise ProblemError(422, sentence, errors={"confirm": [f"It is not {slug!r}."]})
    prepared = declaration.prepare(operations(), slug, **wanted)
    if dry_run:
        return {"is_done": False, "sentences": list(prepared.would)}
    job = prepared.run()
    if job is None:
        return {"is_done": True, "sentences": [prepared.done]}
    answer: Any = jsonify(JobSchema().dump(show_job(job)))
    return answer, 202, {"Location": job_url(job)}


def _schema_of(declaration: Declaration) -> type[Schema]:
    """Return the schema of an operation's body: its parameters, and how it is asked for."""
    found: dict[str, Any] = {it.name: _field_of(it) for it in declaration.parameters}
    found["dry_run"] = Flag(
        load_default=False,
        metadata=told("Only say what would happen: nothing changes."),
    )
    if declaration.is_typed:
        found["confirm"] = fields.String(
            validate=validate.Length(max=63),
            metadata=told("The tenant's slug: this destroys or replaces something."),
        )
    name = "".join(word.capitalize() for word in declaration.name.split("-"))
    found["__doc__"] = f"What the operation {declaration.name} takes."
    return type(f"{name}OperationSchema", (Schema,), found)


def _field_of(parameter: Parameter) -> fields.Field[Any]:
    options: dict[str, Any] = {"metadata": told(_text_of(parameter))}
    if parameter.is_required:
        options["required"] = True
    else:
        options |= {"load_default": parameter.default, "allow_none": parameter.default is None}
    if parameter.type is bool:
        return Flag(**options)
    if parameter.type is int:
        return WholeNumber(strict=True, validate=validate.Range(1, LARGEST), **options)
    if parameter.type is datetime:
        return fields.DateTime(format="iso", **options)
    allowed: Any = validate.Length(max=MAX_TEXT)
    if parameter.names:
        allowed = validate.OneOf(parameter.names)
    return fields.String(validate=allowed, **options)


for _declaration in OPERATIONS.values():
    _offer(_declaration)
