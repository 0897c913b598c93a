"""Confirmation pages, with and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import render_template, request

from tenantry.flask.problems import prefers_json, problem
from tenantry.values.wording import without_controls

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

YES = "yes"


def ask_first(
    question: str, *, button: str, back: str, layout: str, typed: str = ""
) -> ResponseReturnValue | None:
    """Return a page that asks *question*, unless the form that was sent has the answer.

    A page's script asks in a dialog where a form has ``data-confirm`` and sends the answer along,
    in the field ``confirmed``; without scripts this page does.

    .. code-block:: python

        if page := ask_first("Delete it?", button="Delete", back=url, layout="site/base.html"):
            return page

    :param button: What will be done, as a verb.
    :param back: Path to go to when the answer is no.
    :param layout: Template that the page extends.
    :param typed: What has to be typed to confirm, as a site's name; for what destroys.
    """
    answer, expected = request.form.get("confirmed"), typed or YES
    if answer is not None and answer.strip() == expected:
        return None
    if prefers_json():
        return problem(400, "Not confirmed", f"{question} Send confirmed={expected} to confirm.")
    fields = [
        (without_controls(name), without_controls(value))
        for name, value in request.form.items(multi=True)
        if name not in {"csrf_token", "confirmed"}
    ]
    html = render_template(
        "ui/confirm.html",
        layout=layout,
        question=question,
        button=button,
        back=back,
        typed=typed,
        mistyped=answer is not None and bool(typed),
        fields=fields,
    )
    return html, 200 if answer is None else 422
