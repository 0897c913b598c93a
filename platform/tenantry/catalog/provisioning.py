"""Tenants in creation: open them together with their owners, or remove them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.memberships import add_membership, get_or_add_account
from tenantry.catalog.models import (
    FormerHostRecord,
    HostRecord,
    LinkRecord,
    MembershipRecord,
    TenantRecord,
)
from tenantry.errors import BadTransitionError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Actor
    from tenantry.values.tenant import Tenant


class Provisioning:
    """What becomes of tenants in state *provisioning*."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def activate(
        self,
        owners: Mapping[str, str | None],
        *,
        schemas: Mapping[str, str] | None = None,
        by: Actor,
    ) -> tuple[Tenant, ...]:
        """Let visitors in to tenants, and give each its owner.

        :param owners: Each tenant's id with the e-mail address of its owner, who gets an account
            if there is none, or with ``None``.
        :param schemas: Tenants' ids with the schema revisions of their databases, where known.
        :raises BadEmailError: One of them is not an e-mail address.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: A tenant is not in state *provisioning*.
        """
        wanted = {key: canonical_email(email) if email else "" for key, email in owners.items()}
        with self._store.writing(by) as writer:
            emails = dict.fromkeys(filter(None, wanted.values()))
            accounts = {email: get_or_add_account(writer, email) for email in emails}
            tenants = []
            for tenant_id, email in wanted.items():
                record = _provisional(writer, tenant_id, TenantState.ACTIVE)
                if email:
                    add_membership(writer, record, accounts[email], "owner")
                record.reason = ""
                record.schema_revision = (schemas or {}).get(record.id, record.schema_revision)
                writer.change_state(record, TenantState.ACTIVE)
                tenants.append(record.to_tenant())
            return tuple(tenants)

    def check_forgettable(self, tenant_id: str, *, by: Actor) -> None:
        """Make sure that a tenant was not opened, also by a transaction whose end nobody has seen.

        Every writer holds the head's lock: when we have it, there is no such transaction any more.

        :raises BadTransitionError: It has left the state *provisioning*.
        """
        with self._store.writing(by) as writer:
            _provisional(writer, tenant_id, "forgotten")

    def forget(self, tenant_id: str, *, by: Actor) -> None:
        """Take back a tenant that was never opened; its slug is free again, its id is not.

        :raises BadTransitionError: It has left the state *provisioning*.
        """
        with self._store.writing(by) as writer:
            writer.change(_provisional(writer, tenant_id, "forgotten"), "tenant.forget")
            for table in (HostRecord, FormerHostRecord, LinkRecord, MembershipRecord):
                writer.session.execute(delete(table).where(table.tenant_id == tenant_id))
            writer.session.execute(delete(TenantRecord).where(TenantRecord.id == tenant_id))


def _provisional(writer: Writer, tenant_id: str, wanted: str) -> TenantRecord:
    """Return the record of a tenant that is being made and is to be *wanted*."""
    record = writer.get_tenant(tenant_id)
    if record.state != TenantState.PROVISIONING:
        raise BadTransitionError(record.slug, record.state, wanted)
    return record
