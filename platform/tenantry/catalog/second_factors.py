"""Second factors in the catalog: an authenticator's secret, passkeys, recovery codes.

The catalog keeps an authenticator's secret as the caller has sealed it, and only hashes of recovery
codes. Each code of an authenticator works once (R52).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from tenantry.catalog.models import AccountRecord, PasskeyRecord, RecoveryCodeRecord, now
from tenantry.catalog.text import storable
from tenantry.errors import PasskeyTakenError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor, Passkey

RECOVERY_CODES = 10
MOST_PASSKEYS = 20
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters that look like digits. 16 of them have 79 bits, so a plain hash protects them."""


class SecondFactors:
    """What an account needs beside its password."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_secret(self, account_id: str) -> str:
        """Return the sealed secret of the account's authenticator; empty without one."""
        with self._store.reading() as session:
            record = session.get(AccountRecord, account_id)
            return record.totp_secret if record is not None else ""

    def set_secret(self, account_id: str, sealed: str, *, step: int, by: Actor) -> None:
        """Let an authenticator be the account's second factor; it replaces an earlier one.

        :param sealed: Its secret, sealed by the caller.
        :param step: The time step whose code proved that it works; that code works no more.
        :raises AccountNotFoundError: No account has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            record.totp_secret, record.totp_step, record.second_factor = sealed, step, True
            writer.audit("account.totp", detail={"email": record.email})

    def remove_secret(self, account_id: str, *, by: Actor) -> None:
        """Forget the account's authenticator; without one, nothing changes."""
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            if record.totp_secret:
                record.totp_secret = ""
                _note(writer, record)
                writer.audit("account.totp-removed", detail={"email": record.email})

    def use_step(self, account_id: str, step: int) -> bool:
        """Note that the code of a time step was used; ``False`` if it, or a later one, was before."""
        statement = (
            update(AccountRecord)
            .where(AccountRecord.id == account_id, AccountRecord.totp_step < step)
            .values(totp_step=step)
            .returning(AccountRecord.id)
        )
        with self._store.updating() as connection:
            return connection.execute(statement).first() is not None

    def make_recovery_codes(self, account_id: str, *, by: Actor) -> tuple[str, ...]:
        """Return ten new codes, each of which replaces the second factor once; older ones end."""
        codes = tuple(
            "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
            for _ in range(RECOVERY_CODES)
        )
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            _forget_codes(writer, account_id)
            for code in codes:
                row = RecoveryCodeRecord(account_id=account_id, hash=_hash(code))
                writer.session.add(row)
            writer.audit("account.recovery-codes", detail={"email": record.email})
        return codes

    def count_recovery_codes(self, account_id: str) -> int:
        """Return how many codes are left."""
        mine = RecoveryCodeRecord.account_id == account_id
        with self._store.reading() as session:
            return session.scalar(select(func.count()).where(mine)) or 0

    def use_recovery_code(self, account_id: str, code: str, *, by: Actor) -> bool:
        """Use a recovery code up; say whether it was one."""
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            found = writer.session.get(RecoveryCodeRecord, (account_id, _hash(code)))
            if found is None:
                return False
            writer.session.delete(found)
            writer.audit("account.recovery-used", detail={"email": record.email})
            return True

    # --- passkeys ---------------------------------------------------------------------------------

    def list_passkeys(self, account_id: str) -> tuple[Passkey, ...]:
        """Return the account's passkeys, the oldest first."""
        query = (
            select(PasskeyRecord)
            .where(PasskeyRecord.account_id == account_id)
            .order_by(PasskeyRecord.created_at)
        )
        with self._store.reading() as session:
            return tuple(record.to_passkey() for record in session.scalars(query))

    def find_passkey(self, passkey_id: str) -> tuple[Passkey, Account] | None:
        """Return a passkey by its credential's id, and whose it is."""
        with self._store.reading() as session:
            record = session.get(PasskeyRecord, passkey_id)
            if record is None:
                return None
            account = session.get_one(AccountRecord, record.account_id)
            return record.to_passkey(), account.to_account()

    def add_passkey(
        self,
        account_id: str,
        passkey_id: str,
        *,
        public_key: str,
        sign_count: int,
        name: str,
        by: Actor,
    ) -> None:
        """Add a passkey to the account.

        :raises AccountNotFoundError: No account has the id.
        :raises PasskeyTakenError: It is registered already, or the account has as many as may be.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            if (
                writer.session.get(PasskeyRecord, passkey_id) is not None
                or _count_passkeys(writer.session, account_id) >= MOST_PASSKEYS
            ):
                raise PasskeyTakenError
            passkey = PasskeyRecord(
                id=passkey_id,
                account_id=account_id,
                public_key=public_key,
                sign_count=sign_count,
                name=storable(name, 60) or "Passkey",
            )
            writer.session.add(passkey)
            record.second_factor = True
            writer.audit("account.passkey", detail={"email": record.email, "name": passkey.name})

    def note_passkey_used(self, passkey_id: str, *, sign_count: int) -> None:
        """Note a passkey's newest counter, by which a copy of it can be told."""
        statement = (
            update(PasskeyRecord)
            .where(PasskeyRecord.id == passkey_id)
            .values(sign_count=sign_count, used_at=now())
        )
        with self._store.updating() as connection:
            connection.execute(statement)

    def remove_passkey(self, account_id: str, passkey_id: str, *, by: Actor) -> bool:
        """Remove a passkey of the account; say whether there was one."""
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            passkey = writer.session.get(PasskeyRecord, passkey_id)
            if passkey is None or passkey.account_id != account_id:
                return False
            writer.session.delete(passkey)
            _note(writer, record)
            detail = {"email": record.email, "name": passkey.name}
            writer.audit("account.passkey-removed", detail=detail)
            return True

    def clear(self, account_id: str, *, by: Actor) -> None:
        """Forget every second factor of an account whose holder has lost them all.

        :raises AccountNotFoundError: No account has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            forget_second_factors(writer, record)
            writer.audit("account.second-factor-reset", detail={"email": record.email})


def forget_second_factors(writer: Writer, record: AccountRecord) -> None:
    """Forget every second factor of the account as a part of what *writer* does."""
    mine = delete(PasskeyRecord).where(PasskeyRecord.account_id == record.id)
    writer.session.execute(mine)
    _forget_codes(writer, record.id)
    record.totp_secret, record.second_factor = "", False


def _note(writer: Writer, record: AccountRecord) -> None:
    """Keep with the account whether it has a second factor left; recovery codes alone are none."""
    writer.session.flush()
    left = bool(record.totp_secret) or _count_passkeys(writer.session, record.id) > 0
    record.second_factor = left
    if not left:
        _forget_codes(writer, record.id)


def _count_passkeys(session: Session, account_id: str) -> int:
    query = select(func.count()).where(PasskeyRecord.account_id == account_id)
    return session.scalar(query) or 0


def _forget_codes(writer: Writer, account_id: str) -> None:
    statement = delete(RecoveryCodeRecord).where(RecoveryCodeRecord.account_id == account_id)
    writer.session.execute(statement)


def _hash(code: str) -> str:
    plain = "".join(char for char in code.casefold() if char in _ALPHABET)
    return hashlib.sha256(plain.encode()).hexdigest()
