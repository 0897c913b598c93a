"""``tenantry.wsgi:application``: the platform, independent of the working folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tenantry.errors import TenantryError
from tenantry.files.shipped import explain_missing, load_composition
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

try:
    application: WSGIApplication = load_composition().start(get_settings())
except TenantryError:
    # The sentence tells the operator what to do; where it was raised does not.
    sys.tracebacklimit = 0
    raise
except ModuleNotFoundError as error:
    if remedy := explain_missing(error):
        sys.tracebacklimit = 0
        raise ImportError(remedy) from None
    raise
