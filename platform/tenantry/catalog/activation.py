"""Opening provisioned tenants together with their owners: all in one transaction, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.models import MembershipRecord, TenantRecord
from tenantry.catalog.owners import account_id_of, note_owners
from tenantry.catalog.store import Store, Writer
from tenantry.errors import BadTransitionError, TenantNotFoundError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.catalog.values import Actor
    from tenantry.values.tenant import Tenant


class Activation(Store):
    """The last step of creating tenants."""

    def activate_tenants(
        self,
        owners: Mapping[str, str | None],
        *,
        schemas: Mapping[str, str] | None = None,
        by: Actor,
    ) -> tuple[Tenant, ...]:
        """Let visitors in to tenants in state *provisioning*, and give each its owner.

        :param owners: Each tenant's id with the e-mail address of its owner, who gets an account
            if there is none, or with ``None``.
        :param schemas: Tenants' ids with the schema revisions of their databases, where known.
        :raises BadEmailError: One of them is not an e-mail address.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: A tenant is not in state *provisioning*.
        """
        wanted = {key: canonical_email(email) if email else None for key, email in owners.items()}
        with self.writing(by) as writer:
            accounts: dict[str, str] = {}
            tenants = []
            for tenant_id, email in wanted.items():
                record = _provisioning(writer, tenant_id)
                if email:
                    if email not in accounts:
                        accounts[email] = account_id_of(writer, email)
                    writer.session.add(
                        MembershipRecord(
                            account_id=accounts[email], tenant_id=record.id, role="owner"
                        )
                    )
                    detail = {"email": email, "role": "owner"}
                    writer.audit("membership.add", tenant=record, detail=detail)
                    note_owners(writer, record)
                record.state = TenantState.ACTIVE
                record.reason = ""
                record.schema_revision = (schemas or {}).get(record.id, record.schema_revision)
                writer.changed(record)
                detail = {"before": TenantState.PROVISIONING, "after": TenantState.ACTIVE}
                writer.audit("tenant.state", tenant=record, detail=detail)
                tenants.append(record.to_tenant())
            return tuple(tenants)

    def release_tenant(self, tenant_id: str, *, by: Actor) -> Tenant:
        """Let a clone speak for itself; saying it again changes nothing.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self.writing(by) as writer:
            record = writer.session.get(TenantRecord, tenant_id, with_for_update=True)
            if record is None:
                raise TenantNotFoundError(tenant_id)
            if record.quiet:
                record.quiet = False
                writer.changed(record)
                writer.audit("tenant.release", tenant=record)
            return record.to_tenant()

    def get_schema(self, tenant_id: str) -> str:
        """Return the schema revision that is known of a tenant's database; empty if none is."""
        query = select(TenantRecord.schema_revision).where(TenantRecord.id == tenant_id)
        with self.reading() as session:
            return session.scalar(query) or ""

    def note_schema(self, tenant_id: str, schema: str, *, by: Actor) -> None:
        """Note the schema revision that a tenant's database has got in another way than by a run.

        Where no revision is known there are no migrations, and none is noted.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self.writing(by) as writer:
            record = writer.session.get(TenantRecord, tenant_id, with_for_update=True)
            if record is None:
                raise TenantNotFoundError(tenant_id)
            if record.schema_revision and record.schema_revision != schema:
                detail = {"before": record.schema_revision, "after": schema}
                record.schema_revision = schema
                writer.changed(record)
                writer.audit("tenant.schema", tenant=record, detail=detail)


def _provisioning(writer: Writer, tenant_id: str) -> TenantRecord:
    record = writer.session.get(TenantRecord, tenant_id, with_for_update=True)
    if record is None:
        raise TenantNotFoundError(tenant_id)
    if record.state != TenantState.PROVISIONING:
        raise BadTransitionError(record.slug, record.state, TenantState.ACTIVE)
    return record
