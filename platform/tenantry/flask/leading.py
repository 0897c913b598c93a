"""Leads a browser on to another host, after a form was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import make_response, render_template
from werkzeug.urls import iri_to_uri

if TYPE_CHECKING:
    from flask import Response


def lead_to(url: str, *, name: str, layout: str) -> Response:
    """Answer a form with a page that goes on to another host by itself.

    Not a redirect: browsers hold ``form-action 'self'`` against redirects of forms, too.

    :param name: What is there, for people.
    :param layout: Template that the page extends.
    """
    page = render_template("ui/leaving.html", url=url, name=name, layout=layout)
    return make_response(page, 200, {"Refresh": f"0; url={iri_to_uri(url)}"})
