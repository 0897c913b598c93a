"""``tenantry.wsgi:application`` is the platform, wherever the server is started.

The composition root knows the apps, so it stands beside them and not in this package, and nothing
imports it. It is loaded from its file: by name, a ``dispatch.py`` in the working folder came first.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from tenantry.files.shipped import find_shipped

if TYPE_CHECKING:
    from types import ModuleType

    from _typeshed.wsgi import WSGIApplication

NAME = "tenantry.composition"


def load_composition() -> ModuleType:
    """Load the composition root that comes with this package; return its module.

    :raises TenantryError: The platform cannot be put together.
    """
    spec = spec_from_file_location(NAME, find_shipped("composition.py", "dispatch.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{NAME} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


application: WSGIApplication = load_composition().application
