"""Operators look after accounts: who there is, a new set-up link, an end to sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm

from backend_app.access import OPERATORS, PROVED_OPERATORS, open_to
from backend_app.context import backend, catalog, current_actor
from backend_app.listing import CSV_SIZE, Listing, send_csv
from backend_app.one_time import keep_once, take_once
from tenantry import ask_first
from tenantry.catalog import setup_lifetime

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Account, Slice

bp = Blueprint("accounts", __name__)

PAGE_SIZE = 50
CSV_HEADS = ("id", "email", "name", "operator", "created_at")


@bp.get("/accounts")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List accounts, searchable."""
    listing = _read_listing()
    rows = catalog().listings.accounts(
        search=listing.search, sort=listing.sort, cursor=listing.cursor, size=PAGE_SIZE
    )
    return render_template("backend/accounts.html", listing=listing, rows=rows, form=FlaskForm())


@bp.get("/accounts.csv")
@open_to(OPERATORS)
def download() -> ResponseReturnValue:
    """Send the accounts that the table shows, all of its pages, as a file."""
    listing, listings = _read_listing(), catalog().listings

    def read(cursor: str) -> Slice[Account]:
        return listings.accounts(
            search=listing.search, sort=listing.sort, cursor=cursor, size=CSV_SIZE
        )

    return send_csv("accounts", CSV_HEADS, read, _to_cells)


@bp.post("/accounts/<account_id>/link")
@open_to(PROVED_OPERATORS)
def make_link(account_id: str) -> ResponseReturnValue:
    """Make a set-up link, for one page to show: only its hash is kept."""
    account = _get(account_id)
    question = f"Make a link that sets a new password for {account.email}?"
    if account.has_password and (ask := _ask(question, "Make the link")):
        return ask
    keep_once(f"link {account.id}", make_setup_link(account))
    return redirect(url_for(".show_link", account_id=account.id), 303)


@bp.get("/accounts/<account_id>/link")
@open_to(OPERATORS)
def show_link(account_id: str) -> ResponseReturnValue:
    """Show the link that was just made, once."""
    account = _get(account_id)
    link = take_once(f"link {account.id}")
    if link is None:
        flash("The link was shown once. If it is lost, make a new one.", "info")
        return redirect(url_for(".index", search=account.email))
    return render_template("backend/account_link.html", link=link, holder=account)


@bp.post("/accounts/<account_id>/end-sessions")
@open_to(PROVED_OPERATORS)
def end_sessions(account_id: str) -> ResponseReturnValue:
    """Sign the account out everywhere."""
    account = _get(account_id)
    if ask := _ask(f"Sign {account.email} out everywhere?", "Sign out"):
        return ask
    catalog().sessions.end_all(account.id, by=current_actor())
    flash(f"{account.email} is signed out everywhere.", "success")
    return redirect(url_for(".index"), 303)


def _read_listing() -> Listing:
    return Listing.from_request(".index", sorts=("email", "created_at"))


def _to_cells(account: Account) -> tuple[object, ...]:
    created = account.created_at.isoformat(timespec="seconds")
    return account.id, account.email, account.name, account.operator, created


def _ask(question: str, button: str) -> ResponseReturnValue | None:
    return ask_first(question, button=button, back=url_for(".index"), layout="backend/base.html")


def make_setup_link(account: Account) -> str:
    """Return the URL of a new set-up link; its host comes from the settings (R9)."""
    token = catalog().links.create(
        "setup", account_id=account.id, lifetime=setup_lifetime(account), by=current_actor()
    )
    return f"{backend().settings.accounts_url}password/{token}"


def _get(account_id: str) -> Account:
    account = catalog().accounts.find_by_id(account_id)
    if account is None:
        abort(404)
    return account
