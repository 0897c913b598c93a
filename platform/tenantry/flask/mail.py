"""``send_mail()``: the one way in which apps send mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import current_app, render_template

from tenantry.errors import BadMailError
from tenantry.flask.binding import EXTENSION
from tenantry.flask.jobs import find_actor, find_outbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tenantry.catalog import Job


def send_mail(
    template: str,
    to: str,
    /,
    *,
    by_visitor: bool = True,
    key: str | None = None,
    language: str = "",
    reply_to: str = "",
    **values: Any,
) -> Job | None:
    """Send a mail in the look of the app's site, by way of a job.

    The app has the templates ``mail/<template>.txt``, whose first line is ``Subject: ...``, and, if it
    wants its own, ``mail/<template>.html`` for the part of the page between head and foot. They get
    *values*, and ``look`` with the site's ``name``, ``url`` and ``language``. The text is rendered
    now, so values need not be JSON; links in it should be absolute, as ``site_url()`` makes them.

    :param to: One address.
    :param by_visitor: Whether a visitor of the site can cause it. Such mail goes to one address five
        times an hour at most (``TENANTRY_MAIL_ADDRESS_HOURLY``). Say no only for mail about what the
        reader has just done while signed in.
    :param key: If this site has sent a mail with the same key already, this one is not sent.
    :param language: The reader's language; by default the site's. ``mail/<template>.de.txt`` is taken
        for ``de`` if there is one.
    :param reply_to: Where answers go; by default the site's setting ``mail_reply_to``.
    :param values: What the template shows.
    :return: The job; ``None`` if the mail is dropped, because the site is quiet or the address has had
        enough mail. Show visitors the same page in either case.
    :raises BadEmailError: *to* is not an address.
    :raises BadMailError: There is no such template, or no app is at work.
    :raises JobQueueFullError: Too many jobs of this site wait.
    """
    binding = current_app.extensions.get(EXTENSION) if current_app else None
    if binding is None:
        problem = "send_mail() works inside an app; use `with app.app_context()`"
        raise BadMailError(template, problem)

    def render(names: Sequence[str], known: Mapping[str, Any]) -> str:
        return render_template(list(names), **known)

    return find_outbox().send(
        template,
        to,
        values,
        tenant=binding.tenant,
        by_visitor=by_visitor,
        key=key,
        language=language,
        reply_to=reply_to,
        render=render,
        by=find_actor(),
    )
