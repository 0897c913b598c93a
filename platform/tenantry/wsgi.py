"""``tenantry.wsgi:application``: the platform, independent of the working folder.

The composition root knows the apps, so it stands beside them and not in this package, and nothing
imports it. It is loaded from its file: by name, a ``dispatch.py`` in the working folder came first.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from tenantry.files.shipped import add_bundled, explain_missing, find_shipped

if TYPE_CHECKING:
    from types import ModuleType

    from _typeshed.wsgi import WSGIApplication

NAME = "tenantry.composition"


def load_composition() -> ModuleType:
    """Load the composition root that comes with this package; return its module.

    :raises TenantryError: The platform cannot be put together.
    :raises ImportError: A library of the bundled apps is not installed.
    """
    add_bundled()
    spec = spec_from_file_location(NAME, find_shipped("composition.py", "dispatch.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{NAME} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[NAME] = module
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if remedy := explain_missing(error):
            sys.tracebacklimit = 0  # the sentence tells the operator what to do
            raise ImportError(remedy) from None
        raise
    return module


application: WSGIApplication = load_composition().application
