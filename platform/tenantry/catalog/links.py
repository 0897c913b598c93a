"""One-use links: store and redeem hashed tokens that set a password or enter a backend."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import delete

from tenantry.catalog.models import AccountRecord, LinkRecord, now
from tenantry.errors import LinkError
from tenantry.security.keys import new_token

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor


class Links:
    """What the catalog knows of links that are not used up."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        purpose: str,
        *,
        account_id: str,
        lifetime: timedelta,
        tenant_id: str | None = None,
        by: Actor,
    ) -> str:
        """Return the token of a new link; the catalog keeps only its hash.

        An older ``setup`` link of the account stops working.

        :raises AccountNotFoundError: No account has the id.
        :raises TenantNotFoundError: No tenant has the id.
        """
        token = new_token()
        with self._store.writing(by) as writer:
            email = writer.get_account(account_id).email
            tenant = writer.get_tenant(tenant_id) if tenant_id else None
            writer.session.execute(delete(LinkRecord).where(LinkRecord.expires_at < now()))
            if purpose == "setup":
                forget_links(writer, account_id, "setup")
            record = LinkRecord(
                hash=_hash(token),
                purpose=purpose,
                account_id=account_id,
                tenant_id=tenant_id,
                expires_at=now() + lifetime,
            )
            writer.session.add(record)
            writer.audit(f"link.{purpose}", tenant=tenant, detail={"email": email})
        return token

    def peek(self, purpose: str, token: str, *, tenant_id: str | None = None) -> Account:
        """Return whose link this is, without using it up.

        :raises LinkError: It is unknown, used, expired or for another tenant.
        """
        with self._store.reading() as session:
            link = get_link(session, purpose, token, tenant_id)
            return session.get_one(AccountRecord, link.account_id).to_account()

    def use(self, purpose: str, token: str, *, tenant_id: str | None = None, by: Actor) -> Account:
        """Use a link up and return whose it was.

        :raises LinkError: It is unknown, used, expired or for another tenant.
        """
        with self._store.writing(by) as writer:
            link = get_link(writer.session, purpose, token, tenant_id)
            account = writer.get_account(link.account_id)
            writer.session.delete(link)
            detail = {"email": account.email}
            writer.audit(f"link.{purpose}.used", tenant=tenant_id, detail=detail)
            return account.to_account()


def get_link(
    session: Session, purpose: str, token: str, tenant_id: str | None = None
) -> LinkRecord:
    """Return the record of a link that works.

    :raises LinkError: It is unknown, used, expired or for another tenant.
    """
    link = session.get(LinkRecord, _hash(token), with_for_update=True)
    if (
        link is None
        or link.purpose != purpose
        or link.tenant_id != tenant_id
        or link.expires_at <= now()
    ):
        raise LinkError
    return link


def forget_links(writer: Writer, account_id: str, *purposes: str) -> None:
    """Let no older link of these purposes work for the account; without any, of none."""
    statement = delete(LinkRecord).where(LinkRecord.account_id == account_id)
    if purposes:
        statement = statement.where(LinkRecord.purpose.in_(purposes))
    writer.session.execute(statement)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
