"""How many extensions of Flask work for two tenants, as full instances and as flyweights.

Each is the test of docs/extensions.md, with the extension's own package.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

from tenantry.flask import extensions
from tenantry.settings import Settings
from tests.tenantry.flask.extension_rows import KINDS, ROWS


def main() -> int:
    """Try each row in both ways; print a table and one line of JSON."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    works = dict.fromkeys(KINDS, 0)
    for row in ROWS:
        said = []
        for kind, build in KINDS.items():
            with tempfile.TemporaryDirectory(prefix="tenantry-extensions-") as folder:
                settings = Settings(
                    data_dir=Path(folder),
                    secret_keys="k" * 32,  # type: ignore[arg-type]
                    access_log="off",
                )
                try:
                    apps = build(row.make(), settings)
                    row.check(*apps)
                except Exception as error:  # noqa: BLE001 - the table says what it was
                    said.append(f"{kind}: {type(error).__name__} {error}"[:100])
                else:
                    works[kind] += 1
                    said.append(f"{kind}: works")
                    for app in apps:
                        extensions.close(app)
        print(f"{row.name:24}{'   '.join(said)}", flush=True)
    print(json.dumps({**works, "named": len(ROWS)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
