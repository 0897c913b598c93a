"""What people change about their own accounts: name, language, address, terms; and deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from tenantry.catalog.accounts import canonical_email, forget_account
from tenantry.catalog.links import forget_links, get_link
from tenantry.catalog.models import (
    AccountRecord,
    AuditRecord,
    MembershipRecord,
    SessionRecord,
    TenantRecord,
    now,
)
from tenantry.catalog.text import storable
from tenantry.errors import AccountExistsError, LastOperatorError, LastOwnerError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor

WhichAddress = Literal["old", "new"]

MOST_EVENTS = 10_000
"""Of an account's own events in its export, the newest."""


class AccountChanges:
    """Changes that an account's holder asks for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def configure(
        self, account_id: str, *, name: str, language: str, time_zone: str, by: Actor
    ) -> None:
        """Change name, language and time zone.

        :raises AccountNotFoundError: No account has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            record.name = storable(name)
            record.language, record.time_zone = storable(language, 20), storable(time_zone, 60)
            writer.audit("account.configure", detail={"email": record.email})

    def accept_terms(self, account_id: str, version: str, *, by: Actor) -> None:
        """Note that the account's holder has accepted a version of the terms."""
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            record.terms_version, record.terms_at = storable(version, 40), now()
            writer.audit("account.terms", detail={"email": record.email, "version": version})

    def ask_for_email(self, account_id: str, email: str, *, by: Actor) -> Account:
        """Begin a change of address: both addresses have to confirm it.

        Whether another account has the new address is not told here: the change would fail later.

        :raises BadEmailError: Not an e-mail address.
        """
        address = canonical_email(email)
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            record.pending_email, record.pending_confirmed = address, ""
            forget_links(writer, account_id, "email-old", "email-new")
            detail = {"email": record.email, "after": address}
            writer.audit("account.email-asked", detail=detail)
            return record.to_account()

    def withdraw_email(self, account_id: str, *, by: Actor) -> None:
        """End a change of address that is not confirmed."""
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            record.pending_email = record.pending_confirmed = ""
            forget_links(writer, account_id, "email-old", "email-new")
            writer.audit("account.email-withdrawn", detail={"email": record.email})

    def confirm_email(self, token: str, side: WhichAddress, *, by: Actor) -> tuple[Account, bool]:
        """Use the link that went to one of the two addresses; the second one makes the change.

        :return: The account, and whether it has the new address now.
        :raises LinkError: The link is unknown, used or expired.
        :raises AccountExistsError: Another account has got the new address meanwhile.
        """
        with self._store.writing(by) as writer:
            link = get_link(writer.session, f"email-{side}", token)
            record = writer.get_account(link.account_id)
            writer.session.delete(link)
            other = "new" if side == "old" else "old"
            if record.pending_confirmed != other:
                record.pending_confirmed = side
                writer.audit("account.email-confirmed", detail={"email": record.email})
                return record.to_account(), False
            address = record.pending_email
            taken = select(AccountRecord.id).where(AccountRecord.email == address)
            if writer.session.scalar(taken) is not None:
                raise AccountExistsError(address)
            _move(writer, record, address)
            return record.to_account(), True

    def remove(self, account_id: str, *, by: Actor) -> None:
        """Delete an account: nothing of it stays but its events in the audit trail.

        :raises LastOwnerError: A site has no other owner.
        :raises LastOperatorError: The platform has no other operator.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            for tenant in _sites(writer, account_id, role="owner"):
                if tenant.state != TenantState.DELETED and set(tenant.owners) == {record.email}:
                    raise LastOwnerError(tenant.slug, record.email)
            operators = select(func.count()).where(
                AccountRecord.operator, AccountRecord.password_hash.is_not(None)
            )
            if record.operator and (writer.session.scalar(operators) or 0) <= 1:
                raise LastOperatorError(record.email)
            for tenant in _sites(writer, account_id, role="owner"):
                tenant.owners = sorted(set(tenant.owners) - {record.email})
                writer.changed(tenant)
            forget_account(writer, record)
            writer.audit("account.delete", detail={"email": record.email})

    def export(self, account_id: str) -> dict[str, Any]:
        """Return what the catalog knows of an account, as JSON values; no secret, no hash of one."""
        with self._store.reading() as session:
            record = session.get_one(AccountRecord, account_id)
            roles = session.execute(
                select(TenantRecord.slug, TenantRecord.name, MembershipRecord.role)
                .join(TenantRecord, TenantRecord.id == MembershipRecord.tenant_id)
                .where(MembershipRecord.account_id == account_id)
                .order_by(TenantRecord.slug)
            )
            sessions = session.scalars(
                select(SessionRecord).where(SessionRecord.account_id == account_id)
            )
            events = session.scalars(
                select(AuditRecord)
                .where(AuditRecord.account_id == account_id)
                .order_by(AuditRecord.number.desc())
                .limit(MOST_EVENTS)
            )
            return {
                "email": record.email,
                "pending_email": record.pending_email,
                "name": record.name,
                "language": record.language,
                "time_zone": record.time_zone,
                "operator": record.operator,
                "created_at": _shown(record.created_at),
                "confirmed_at": _shown(record.confirmed_at),
                "terms_version": record.terms_version,
                "terms_at": _shown(record.terms_at),
                "second_factor": record.second_factor,
                "sites": [{"slug": it.slug, "name": it.name, "role": it.role} for it in roles],
                "sessions": [
                    {
                        "device": it.device,
                        "network": it.network,
                        "created_at": _shown(it.created_at),
                        "seen_at": _shown(it.seen_at),
                    }
                    for it in sessions
                ],
                "events": [
                    {
                        "at": _shown(it.at),
                        "action": it.action,
                        "site": it.tenant_slug,
                        "ip": it.ip,
                        "detail": dict(it.detail),
                    }
                    for it in events
                ],
            }


def _move(writer: Writer, record: AccountRecord, address: str) -> None:
    """Give the account another address, also where its sites say who owns them."""
    before = record.email
    for tenant in _sites(writer, record.id, role="owner"):
        tenant.owners = sorted({address if it == before else it for it in tenant.owners})
        writer.changed(tenant)
    record.email, record.pending_email, record.pending_confirmed = address, "", ""
    record.confirmed_at = now()
    forget_links(writer, record.id, "setup", "email-old", "email-new")
    writer.audit("account.email", detail={"email": address, "before": before})


def _sites(writer: Writer, account_id: str, *, role: str) -> list[TenantRecord]:
    query = (
        select(TenantRecord)
        .join(MembershipRecord, MembershipRecord.tenant_id == TenantRecord.id)
        .where(MembershipRecord.account_id == account_id, MembershipRecord.role == role)
        .order_by(TenantRecord.id)
    )
    return list(writer.session.scalars(query))


def _shown(moment: Any) -> str | None:
    return moment.isoformat(timespec="seconds") if moment is not None else None
