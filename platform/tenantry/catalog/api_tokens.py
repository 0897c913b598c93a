"""API tokens: create, find, list and revoke. The catalog keeps only the hash of a token's secret.

A token carries its account's rights and never more. They are looked up at each use: a platform token
counts while its account is an operator's, a site's token while its account owns the site.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from tenantry.catalog.models import AccountRecord, ApiTokenRecord, MembershipRecord, now
from tenantry.catalog.text import storable
from tenantry.errors import (
    ApiTokenLimitError,
    ApiTokenNotFoundError,
    ApiTokenRightsError,
    CatalogFullError,
    CatalogUnavailableError,
)
from tenantry.security.api_tokens import hash_api_token, is_api_token, new_api_token
from tenantry.values.api_scopes import check_scopes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor, ApiToken, Page

log = logging.getLogger(__name__)

MAX_TOKENS = 50
"""Of one account."""
LONGEST_DAYS = 366
"""Days after which every token has expired."""
USED_EVERY = timedelta(minutes=5)
"""How exactly it is known when a token was last used: a request writes no more often."""
MAX_NAME = 60


class ApiTokens:
    """What the catalog knows of API tokens."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        account_id: str,
        *,
        name: str,
        scopes: Iterable[str],
        days: int,
        tenant_id: str | None = None,
        by: Actor,
    ) -> tuple[ApiToken, str]:
        """Add a token; return it with its secret, which nobody can look up later.

        The account's expired tokens leave the table.

        :param days: After so many it has expired; :data:`LONGEST_DAYS` at most.
        :param tenant_id: The one site that it is for; ``None`` for the whole platform.
        :raises BadScopeError: A scope is unknown or not for one site, or there is none.
        :raises AccountNotFoundError: No account has the id.
        :raises ApiTokenRightsError: The account is no operator's, or does not own the site.
        :raises ApiTokenLimitError: It has :data:`MAX_TOKENS` already.
        """
        secret, started = new_api_token(), now()
        record = ApiTokenRecord(
            id=uuid.uuid4().hex,
            hash=hash_api_token(secret),
            name=storable(name, MAX_NAME) or "unnamed",
            account_id=account_id,
            tenant_id=tenant_id,
            scopes=list(check_scopes(scopes, tenant_id=tenant_id)),
            created_at=started,
            expires_at=started + timedelta(days=min(max(1, days), LONGEST_DAYS)),
        )
        with self._store.writing(by) as writer:
            account = writer.get_account(account_id)
            if problem := _find_problem(writer.session, account, tenant_id):
                raise ApiTokenRightsError(account.email, problem)
            own = ApiTokenRecord.account_id == account_id
            writer.session.execute(
                delete(ApiTokenRecord).where(own, ApiTokenRecord.expires_at <= started)
            )
            if (writer.session.scalar(select(func.count()).where(own)) or 0) >= MAX_TOKENS:
                raise ApiTokenLimitError(account.email, MAX_TOKENS)
            writer.session.add(record)
            writer.session.flush()
            detail = {
                "id": record.id,
                "email": account.email,
                "name": record.name,
                "scopes": record.scopes,
                "expires_at": record.expires_at.isoformat(timespec="seconds"),
            }
            writer.audit("api-token.create", tenant=tenant_id, detail=detail)
            return record.to_token(), secret

    def find(self, secret: str) -> tuple[ApiToken, Account] | None:
        """Return the token with this secret and whose it is, while it has not expired and counts."""
        if not is_api_token(secret):
            return None
        query = (
            select(ApiTokenRecord, AccountRecord)
            .join(AccountRecord, AccountRecord.id == ApiTokenRecord.account_id)
            .where(ApiTokenRecord.hash == hash_api_token(secret), ApiTokenRecord.expires_at > now())
        )
        with self._store.reading() as session:
            found = session.execute(query).tuples().one_or_none()
            if found is None or _find_problem(session, found[1], found[0].tenant_id):
                return None
            return found[0].to_token(), found[1].to_account()

    def touch(self, token: ApiToken) -> None:
        """Note that a token is in use, unless that was noted a moment ago.

        Its failure is nobody's: reading goes on where nothing can be written.
        """
        started = now()
        if token.used_at is not None and started - token.used_at < USED_EVERY:
            return
        statement = update(ApiTokenRecord).where(ApiTokenRecord.id == token.id)
        try:
            with self._store.updating() as connection:
                connection.execute(statement.values(used_at=started))
        except (CatalogUnavailableError, CatalogFullError) as error:
            log.warning("cannot record when an API token was last used: %s", error)

    def list_of(self, account_id: str, *, tenant_id: str | None) -> tuple[ApiToken, ...]:
        """Return the account's tokens of one reach, the newest first."""
        query = (
            select(ApiTokenRecord)
            .where(
                ApiTokenRecord.account_id == account_id,
                ApiTokenRecord.tenant_id.is_(None)
                if tenant_id is None
                else ApiTokenRecord.tenant_id == tenant_id,
            )
            .order_by(ApiTokenRecord.created_at.desc(), ApiTokenRecord.id)
        )
        with self._store.reading() as session:
            return tuple(row.to_token() for row in session.scalars(query))

    def list(
        self, *, account_id: str | None = None, page: int = 1, size: int = 50
    ) -> Page[ApiToken]:
        """Return one page of all tokens, the newest first; of one account, or of all."""
        query = select(ApiTokenRecord)
        if account_id is not None:
            query = query.where(ApiTokenRecord.account_id == account_id)
        order = (ApiTokenRecord.created_at.desc(), ApiTokenRecord.id)
        return self._store.read_page(
            query, *order, convert=ApiTokenRecord.to_token, page=page, size=size
        )

    def revoke(self, token_id: str, *, account_id: str | None = None, by: Actor) -> ApiToken:
        """Delete a token; from the next request on it opens nothing.

        :param account_id: Whose it must be; another account's is not found.
        :raises ApiTokenNotFoundError: No token has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.session.get(ApiTokenRecord, token_id)
            if record is None or account_id not in {None, record.account_id}:
                raise ApiTokenNotFoundError(token_id)
            token = record.to_token()
            detail = {
                "id": token.id,
                "email": writer.get_account(token.account_id).email,
                "name": token.name,
            }
            writer.session.delete(record)
            writer.audit("api-token.revoke", tenant=token.tenant_id, detail=detail)
            return token


def forget_api_tokens(writer: Writer, account_id: str, *, tenant_id: str | None = None) -> None:
    """Delete an account's tokens as a part of what *writer* does.

    :param tenant_id: Only those for this site.
    """
    statement = delete(ApiTokenRecord).where(ApiTokenRecord.account_id == account_id)
    if tenant_id is not None:
        statement = statement.where(ApiTokenRecord.tenant_id == tenant_id)
    writer.session.execute(statement)


def _find_problem(session: Session, account: AccountRecord, tenant_id: str | None) -> str:
    """Return what the account lacks for a token of this reach; nothing if it has the rights."""
    if tenant_id is None:
        return "" if account.operator else "is not an operator's"
    membership = session.get(MembershipRecord, (account.id, tenant_id))
    is_owner = membership is not None and membership.role == "owner"
    return "" if is_owner else "does not own the site"
