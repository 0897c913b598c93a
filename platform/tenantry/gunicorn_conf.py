"""gunicorn's configuration, for `tenantry serve` and ``--config python:tenantry.gunicorn_conf``.

The names are gunicorn's. What it should believe of a request is as little as under any other server.
"""

from __future__ import annotations

from tenantry.settings import get_settings

_settings = get_settings()

wsgi_app = _settings.application
bind = [f"{_settings.bind}:{_settings.port}"]
if _settings.internal_listen:
    bind.append(_settings.internal_listen)
backlog = 128
workers = _settings.processes
threads = _settings.threads
worker_class = "gthread"
# Each worker loads the application itself: no thread and no connection may go through a fork.
preload_app = False

# A connection for which no thread is free waits in the kernel's queue, where the platform sees it and
# another worker can take it.
worker_connections = threads
keepalive = 0

# Requests in progress get so many seconds when a worker is told to go.
graceful_timeout = 30
# Seconds without a sign of life from a worker's main thread, which serves no requests.
timeout = 60
# A leak somewhere in a tenant's library must not need a human at night.
max_requests = 50_000
max_requests_jitter = 5_000

# The platform's own limit for path and query together, and room for the method.
limit_request_line = 8190
# No header names the scheme, the path or the client here: see TENANTRY_TRUSTED_PROXIES.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
# The platform writes the access log, as JSON. Nobody needs a second way in.
accesslog = None
errorlog = "-"
control_socket_disable = True
