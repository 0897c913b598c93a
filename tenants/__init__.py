"""The site that every tenant gets: posts, comments and members, in a database of its own.

What a factory's module offers stands here: :func:`prepare` makes what all sites share,
:func:`create_app` builds a tenant's app, :func:`provision` makes its data, :func:`dispose` closes what
the app opened, :func:`receive` looks over what came out of a file and :func:`demonstrate` fills it with
something to look at. ``MIGRATIONS`` is the folder of the schema's revisions, and ``TRANSIENT_TABLES``
names what no copy takes along.
"""

from tenants.database import MIGRATIONS, TRANSIENT_TABLES, provision
from tenants.demonstration import DEMONSTRATIONS, demonstrate
from tenants.receiving import receive
from tenants.site import create_app, dispose, prepare

__all__ = [
    "DEMONSTRATIONS",
    "MIGRATIONS",
    "TRANSIENT_TABLES",
    "create_app",
    "demonstrate",
    "dispose",
    "prepare",
    "provision",
    "receive",
]
