"""The settings of one deployment: validated once, and the only reader of the environment.

Each field is the variable ``TENANTRY_<FIELD>``, taken from the environment, from a ``.env`` file in
the working directory, or from its default. Anything unknown or wrong stops the start with one
sentence that names the variable, the value and the remedy.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from tenantry.errors import (
    BadHostError,
    SettingsError,
    UnknownPlacementError,
    UnknownPlanError,
)
from tenantry.files.disk import exists
from tenantry.values.domain_proof import Targets
from tenantry.values.hosts import label_under, parse_host
from tenantry.values.placement import Placement, read_placements
from tenantry.values.resolver_address import ResolverAddress

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

PREFIX = "TENANTRY_"
ENV_FILE = ".env"
MIN_KEY_LENGTH = 32
SECRET_FIELDS = frozenset(
    {"secret_keys", "catalog_url", "databases", "mail_url", "oidc_client_secret"}
)
"""Fields whose values are never shown: a URL may hold a password."""

PUBLIC_RESOLVERS = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
"""Run by three companies, so that one that errs is outvoted."""

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]{}\\]+@[A-Za-z0-9.-]+")

_ORIGIN_RULE = "must be a scheme and a host, with a port if unusual, as `https://example.com`"


_INTERNAL_RULE = (
    "must be a loopback address with a port, as `127.0.0.1:8001` or `[::1]:8001`: what it answers "
    "is for this machine's proxy alone"
)
_PLANS_RULE = 'must be JSON with limits by plan, as `{"free": {"in_flight": 2, "requests": 50}}`'
BUILT_IN_PLAN = "free"
"""The default plan. As such it need not be named: its tenants have every tenant's limits."""
_MAX_PLAN = 40


class PlanLimits(BaseModel):
    """What a tenant of some plan may do; ``None`` is what every tenant may."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_flight: int | None = Field(default=None, ge=1)
    """Requests at once, per worker."""

    requests: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Requests per second, all workers of the machine together; 0 sets no limit."""

    statement_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How long a statement may take; 0 sets no limit."""

    lock_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """How long a statement may wait for a lock on PostgreSQL; 0 sets no limit."""

    database_mb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Room for the tenant's database, in MiB; where none is set, there is no limit."""

    media_mb: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Room for the tenant's files beside its database, in MiB."""

    members: int | None = Field(default=None, ge=0)
    """People with an account on the tenant's site, for its app to hold to."""


_NO_LIMITS = PlanLimits()
"""Of a plan without limits of its own: every tenant's limits hold."""


class Settings(BaseSettings):
    """Everything an operator can choose."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        # ``load_settings`` reports unknown variables of ours; .env may hold other programs' too.
        extra="ignore",
        # `TENANTRY_PORT=` in a compose file means that nobody chose one.
        env_ignore_empty=True,
        frozen=True,
        validate_default=True,
    )

    domain: str = Field(
        default="localhost",
        description="The platform's own domain, the apex. Sites are `<slug>.<domain>`. "
        "Browsers resolve `acme.localhost` to this machine by themselves.",
    )
    base_url: str = Field(
        default="",
        description="Scheme and port of every public link, as `https://example.com`. With "
        "`https`, cookies are sent over HTTPS only. Links are built from this setting, never "
        "from a request's `Host`. Default: `http://localhost:<port>` on localhost, else "
        "`https://<domain>`.",
    )
    data_dir: Path = Field(
        default=Path("var"),
        description="Folder of the catalog, the sites' databases and the run-time sockets. "
        "`tenantry init` creates it with access for its owner alone.",
    )
    files_dir: str = Field(
        default="",
        description="Folder of what tenants have beside their databases: their files, bundles and "
        "backups. Nodes that share it can serve the same tenants on a PostgreSQL server; see "
        "docs/fleet.md. If you set it on a platform that has tenants, move their files there first. "
        "Default: the data folder.",
    )
    catalog_url: str = Field(
        default="",
        description="The catalog's database, as `sqlite:////srv/tenantry/catalog.sqlite3` or "
        "`postgresql+psycopg://user:password@host/name`. Default: `catalog.sqlite3` in the data "
        "folder.",
    )
    databases: Annotated[tuple[InstanceOf[Placement], ...], NoDecode] = Field(
        default=(),
        description='The placements of tenants\' data: a URL for each name, as `{"local": '
        '"sqlite", "main": "postgresql+psycopg://tenantry:password@host/sites"}`. A new tenant '
        "goes to the first placement with room. Default: `local`: SQLite files in the data "
        "folder.",
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Master keys, separated by commas, newest first. The newest key signs, "
        "and the older ones still verify. To replace a key, put a new one in front. Each key "
        "needs at least 32 characters; `openssl rand -hex 32` prints one. Default: the file "
        "`secret_keys` in the data folder, made by `tenantry init`.",
    )
    factory: str = Field(
        default="tenants:create_app",
        description="What builds a tenant's app, in the words of `flask --app`: `module:name`, "
        "`module:name('production')`, `folder/file.py:name`, or `module` alone for its `create_app`.",
    )
    factory_args: list[Any] | None = Field(
        default=None,
        description="What the factory is called with, as a JSON list. By default the tenant is passed "
        "to a parameter that is named `tenant` or annotated `Tenant`, and nothing else.",
    )
    instances: Literal["full", "flyweight", "auto"] = Field(
        default="full",
        description="How tenants' apps are made. `full` calls the factory for each tenant. "
        "`flyweight` calls it once per process, and tenants share what does not differ. `auto` uses "
        "flyweights if the doctor found no fault with them in this release; otherwise `tenantry "
        "status` says why not.",
    )
    provision: list[str] = Field(
        default=[],
        description="Commands of the app itself that run once for each new tenant, as a JSON "
        'list: `["init-db"]`. They run as `tenantry flask SLUG` runs them.',
    )
    pin: dict[str, Any] = Field(
        default={},
        description="Settings of the app whose values Tenantry decides, as a JSON object: "
        '`{"UPLOAD_PATH": "{folder}/uploads"}`. In a text, `{folder}` is the tenant\'s folder, `{id}` '
        "its id and `{slug}` its slug.",
    )
    migrations: Path | None = Field(
        default=None,
        description="The folder of the app's Alembic revisions. By default it is the factory's "
        "`MIGRATIONS`, or the folder that the app's Flask-Migrate extension uses.",
    )
    signup: Literal["", "open", "invitation", "closed"] = Field(
        default="",
        description="Who can sign up for a site on the front page: everyone, people whom an "
        "operator has invited (`tenantry account invite`), or nobody. Default: `open` on "
        "localhost, else `closed`.",
    )
    signup_mail_allowed: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Domains of e-mail addresses that may sign up, separated by commas. Default: "
        "all.",
    )
    signup_mail_banned: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Domains of e-mail addresses that may not sign up, separated by commas; their "
        "subdomains may not either. Default: none.",
    )
    oidc_issuer: str = Field(
        default="",
        description="The issuer of an OpenID Connect provider with which accounts of the platform "
        "sign in, as `https://login.example.com/realms/staff`. Default: none.",
    )
    oidc_client_id: str = Field(
        default="",
        description="The client's id at that provider. Its redirect address is "
        "`<domain>/signin/oidc/back`. Default: none.",
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None,
        description="The client's secret at that provider.",
    )
    oidc_name: str = Field(
        default="single sign-on",
        max_length=60,
        description="What the button on the sign-in page calls the provider.",
    )
    terms_file: Path | None = Field(
        default=None,
        description="A Markdown file with the terms that people accept when they sign up, in place "
        "of those in the console. Its content names the version: if it changes, everyone is asked "
        "again.",
    )
    routing: Literal["subdomain", "path", "both"] = Field(
        default="subdomain",
        description="How a request names its tenant: by its host, by the first path segment "
        "under `TENANTRY_PATH_PREFIX` on the apex, or both. Path-routed sites share one origin, "
        "and their scripts can act on each other. Use path routing only for tenants that trust "
        "each other.",
    )
    path_prefix: str = Field(
        default="/sites", description="The path of path-routed sites on the apex."
    )
    backend_host: str = Field(
        default="",
        description="A separate host for the operators' `/backend`. Path routing requires it, "
        "unless `TENANTRY_ALLOW_SHARED_ORIGIN` is set. Default: the apex.",
    )
    allow_shared_origin: bool = Field(
        default=False,
        description="Lets `/backend` share the apex's origin with path-routed sites. Their "
        "scripts can then act as the operator. Use it for development only.",
    )
    rename_redirect_days: int = Field(
        default=90,
        ge=0,
        le=3650,
        description="How long a renamed tenant's old address redirects to the new one (308). "
        "Afterwards the old address gets a 404, and the name stays reserved.",
    )
    purge_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="How long a deleted tenant can be undeleted. Afterwards `tenantry tenant "
        "purge --due` destroys its data, as the platform does daily at `TENANTRY_PURGE_TIME`.",
    )
    dns_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Where a tenant's own domain has to lead, separated by commas: names for "
        "CNAME records and addresses for A and AAAA records, as `sites.example.com, "
        "203.0.113.7, 2001:db8::7`. Default: the platform's domain.",
    )
    dns_resolvers: Annotated[tuple[InstanceOf[ResolverAddress], ...], NoDecode] = Field(
        default=(),
        description="Resolvers that are asked for the records of tenants' domains, separated by "
        "commas, as `10.0.0.2, [2001:db8::53]:5353`. A majority of them has to agree. Name at "
        "least three that do not depend on each other. A single one is asked over TCP. Default: "
        "`1.1.1.1, 8.8.8.8, 9.9.9.9`.",
    )
    webhook_networks: Annotated[
        tuple[InstanceOf[IPv4Network] | InstanceOf[IPv6Network], ...], NoDecode
    ] = Field(
        default=(),
        description="Inside networks that the platform's own webhooks may call as well, separated by "
        "commas, as `10.20.0.0/16, 127.0.0.1/32`; there also on other ports and without TLS. Sites' "
        "webhooks never call them. Default: none.",
    )
    without_catalog: Literal["serve", "close"] = Field(
        default="serve",
        description="What a node of a fleet does with its sites if it has not reached the catalog for "
        "10 seconds. `serve` goes on from memory, and does not see that a site was suspended. `close` "
        "answers 503 until the catalog is back.",
    )
    internal_listen: str = Field(
        default="",
        description="A loopback address and port for a listener that answers `/-/ask`, "
        "`/-/ready` and `/-/metrics` and nothing else, as `127.0.0.1:8001`. A proxy asks there "
        "whether a domain may get a certificate, a balancer whether the node is ready, and "
        "Prometheus for the figures. Not available under Granian. Default: none.",
    )
    trusted_proxies: int = Field(
        default=0,
        ge=0,
        le=8,
        description="How many proxies in front overwrite or append `X-Forwarded-For` and "
        "`X-Forwarded-Proto`. If such a header has any other number of values, the request is "
        "refused.",
    )
    trust_any_peer: bool = Field(
        default=False,
        description="Allows `TENANTRY_TRUSTED_PROXIES` on an address that others can reach. "
        "Use it only if a firewall lets nothing but the proxy through.",
    )
    bind: str = Field(
        default="127.0.0.1", description="Address that the HTTP listener binds, without a port."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port of the HTTP listener.")
    application: str = Field(
        default="tenantry.wsgi:application",
        pattern=r"^[\w.]+:[\w.]+$",
        description="The WSGI application that the server calls. The default is the bundled "
        "platform. If you compose the platform yourself, as `dispatch.py` does, name your own.",
    )
    socket: str = Field(
        default="",
        description="Path of a Unix socket that speaks the uwsgi protocol to nginx, instead "
        "of the HTTP listener. A process that can write to it can run code, so only its owner "
        "and group can open it. Default: none.",
    )
    processes: int = Field(
        default=2, ge=1, le=256, description="Worker processes. Start with the number of cores."
    )
    threads: int = Field(default=4, ge=1, le=256, description="Threads of each worker.")
    access_log: str = Field(
        default="stderr",
        description="Where the access log goes, one JSON object a line: the server's own log, "
        "nowhere, or a file to append to.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest severity of the application log."
    )
    limit_body_mb: int = Field(
        default=25,
        ge=1,
        le=4096,
        description="Largest request body on routes that ask for long ones. A longer body "
        "gets a 413.",
    )
    limit_form_kb: int = Field(
        default=512,
        ge=1,
        description="Largest request body on all other routes. A longer body gets a 413.",
    )
    limit_form_fields: int = Field(
        default=1000,
        ge=1,
        description="Most fields of a form, or parts of a multipart body. A form with more "
        "gets a 413 before any field is parsed.",
    )
    limit_lookups: int = Field(
        default=500,
        ge=1,
        description="Catalog look-ups of hosts that are not in memory, per second and worker. "
        "Requests above it get a 429. Known hosts cost no look-up.",
    )
    limit_in_flight: int = Field(
        default=0,
        ge=0,
        description="How many requests of one tenant a worker serves at once. A further "
        "request waits at most 2 seconds. If the site is slow and connections are queued, it "
        "gets a 503 with `Retry-After` at once. `0` means `TENANTRY_THREADS` minus one, which "
        "leaves a thread for other tenants.",
    )
    limit_tenant_requests: float = Field(
        default=1000.0,
        ge=0,
        allow_inf_nan=False,
        description="Requests of one tenant per second, counted over all workers of the "
        "machine. Requests above it get a 429. A burst may use five seconds' worth at once. `0` "
        "sets no limit.",
    )
    limit_client_requests: float = Field(
        default=100.0,
        ge=0,
        allow_inf_nan=False,
        description="Requests of one client address per second, counted over all workers of "
        "the machine. Requests above it get a 429. A burst may use five seconds' worth at once. "
        "A client is an IPv4 address or an IPv6 /64. Shared assets are not counted. Behind a "
        "proxy, set `TENANTRY_TRUSTED_PROXIES`; otherwise all visitors count as one client. `0` "
        "sets no limit.",
    )
    limit_statement_seconds: float = Field(
        default=20.0,
        ge=0,
        allow_inf_nan=False,
        description="How long a tenant's SQL statement may take before it ends with an error. "
        "On SQLite only SQLite's own work counts. `0` sets no limit.",
    )
    limit_lock_seconds: float = Field(
        default=5.0,
        ge=0,
        allow_inf_nan=False,
        description="How long a tenant's SQL statement may wait for a lock on PostgreSQL. `0` "
        "sets no limit.",
    )
    limit_request_seconds: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="How long a request may take until its response begins. Then its app is "
        "interrupted, and the request gets a 504. `0` sets no limit.",
    )
    limit_plans: Annotated[Mapping[str, PlanLimits], NoDecode] = Field(
        default={},
        description="The plans, and the limits that replace the general ones for their "
        'tenants: `{"free": {"in_flight": 2, "requests": 50, "statement_seconds": 5, '
        '"lock_seconds": 1}}`. `database_mb`, `media_mb` and `members` limit what a site may '
        "store.",
    )
    default_plan: str = Field(
        default=BUILT_IN_PLAN,
        description="The plan of new tenants. Its limits also apply to a tenant whose plan "
        "the settings no longer name. `TENANTRY_LIMIT_PLANS` must name it, unless it is `free`.",
    )
    pool_instances: int = Field(
        default=10_000, ge=1, description="Most live tenant instances per worker."
    )
    pool_memory_mb: int = Field(
        default=768,
        ge=64,
        description="Resident memory of a worker, above which it disposes of idle instances. "
        "If a worker grows by 256 MiB more, uWSGI replaces it.",
    )
    pool_connections: int = Field(
        default=200,
        ge=1,
        description="Most SQLite connections that a worker keeps open between requests. Each "
        "takes two or three file descriptors.",
    )
    pool_descriptors: int = Field(
        default=0,
        ge=0,
        description="File descriptors of a worker, above which it closes idle connections and "
        "adds no instance. `0` means four fifths of what the system allows (`ulimit -n`).",
    )
    pool_idle_seconds: int = Field(
        default=3600, ge=1, description="An instance that is unused for this long is disposed of."
    )
    pool_build_seconds: float = Field(
        default=4.0,
        gt=0,
        description="How long a request waits for its tenant's instance before it gets a 503. "
        "The build goes on.",
    )
    pool_waiters: int = Field(
        default=2,
        ge=1,
        description="How many requests may wait for one tenant's build, per worker.",
    )
    pool_warm: int = Field(
        default=50,
        ge=0,
        description="How many instances a new worker builds by itself: those of the most used "
        "tenants. `0` builds none.",
    )

    page_cache_mb: int = Field(
        default=32,
        ge=0,
        le=65536,
        description="Memory of a worker for the pages that the page cache keeps. One site gets at "
        "most an eighth of it. `0` keeps none.",
    )

    job_threads: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Jobs that a job worker runs at once. One tenant has all but one of them, so "
        "that its jobs do not delay other tenants'.",
    )
    job_keep_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long a finished job stays in the catalog with its log lines.",
    )

    backup_time: str = Field(
        default="02:23",
        description="When all tenants are backed up each day, in UTC, or `off`. Unchanged tenants "
        "cost almost nothing.",
    )
    backup_keep: int = Field(
        default=14, ge=1, description="How many of its daily backups a tenant keeps."
    )
    backup_dir: str = Field(
        default="",
        description="Folder of the daily backups. Another disk is safer. Default: `backups` in the "
        "data folder.",
    )
    purge_time: str = Field(
        default="03:17",
        description="When tenants whose purge date is over are destroyed each day, in UTC, or `off`.",
    )
    mail_url: str = Field(
        default="",
        description="Where mail goes: `smtp://user:password@host:587` (with STARTTLS), "
        "`smtps://user:password@host:465`, `smtp+plain://localhost:25` (without TLS), `folder:` for "
        "files below the data folder, or `console:`. Operators read mails in the folder at "
        "`/backend/mail`. Without a server, mail jobs fail. Default: `folder:` on localhost, else "
        "none.",
    )
    mail_from: str = Field(
        default="",
        description="The sender's address. `{slug}` stands for the site's slug, or for `no-reply` "
        "in the platform's own mails. Default: `no-reply@<domain>`.",
    )
    mail_reply_to: str = Field(
        default="",
        description="The address to which answers go, unless a site has one of its own. Default: "
        "none.",
    )
    mail_bounce_to: str = Field(
        default="",
        description="The address to which mail servers return what they cannot deliver. Each mail "
        "adds its id: `bounces+<id>@example.com`. Default: the sender's address.",
    )
    mail_dkim_selector: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="The DKIM selector of the mail server that signs, for `tenantry doctor`. "
        "Without it, DKIM is not checked. Default: none.",
    )
    mail_tenant_hourly: int = Field(
        default=200,
        ge=1,
        description="Mails of one tenant per hour. Further ones wait for their turn.",
    )
    mail_address_hourly: int = Field(
        default=5,
        ge=1,
        le=5,
        description="Mails to one address per hour that visitors cause, over all tenants. Further "
        "ones are dropped.",
    )

    _elsewhere: dict[tuple[Path, str], str] = PrivateAttr(default_factory=dict)
    """Nodes that placements belong to, by data folder and placement: a copy of these settings with
    another folder, for a scratch database, belongs to nobody."""

    @field_validator("backup_time", "purge_time")
    @classmethod
    def _time_of_day(cls, value: str) -> str:
        if value != "off" and not _TIME.fullmatch(value):
            raise ValueError("must be a time of the day in UTC, as `02:23`, or `off`")
        return value

    @field_validator("mail_url")
    @classmethod
    def _mail_place(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme in {"folder", "console"}:
            return value
        try:
            complete = bool(parts.hostname) and parts.port != 0
        except ValueError:
            complete = False
        if parts.scheme not in {"smtp", "smtps", "smtp+plain"} or not complete:
            raise ValueError(
                "must be smtp://user:password@host:587, smtps://..., smtp+plain://..., folder: or "
                "console:; write @, : and / in a password as %40, %3A and %2F"
            )
        return value

    @field_validator("mail_from", "mail_reply_to", "mail_bounce_to")
    @classmethod
    def _mail_address(cls, value: str, info: ValidationInfo) -> str:
        found = value.replace("{slug}", "slug") if info.field_name == "mail_from" else value
        if found and not _ADDRESS.fullmatch(found):
            raise ValueError("must be one address without a name, as `no-reply@example.com`")
        return value

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = [key for part in value.split(",") if (key := part.strip())]
        for key in value:
            text = key.get_secret_value() if isinstance(key, SecretStr) else key
            if len(text) < MIN_KEY_LENGTH:
                problem = (
                    f"a key needs {MIN_KEY_LENGTH} characters; make one with `openssl rand -hex 32`"
                )
                raise ValueError(problem)
        return value

    @field_validator("dns_targets", mode="before")
    @classmethod
    def _read_targets(cls, value: Any) -> Any:
        parts = _split(value)
        for part in parts:
            try:
                ip_address(part)
            except ValueError:
                _check_target(part)
        return parts

    @field_validator("webhook_networks", mode="before")
    @classmethod
    def _read_networks(cls, value: Any) -> tuple[IPv4Network | IPv6Network, ...]:
        found = []
        for part in _split(value):
            try:
                found.append(ip_network(part))
            except ValueError:
                raise ValueError(
                    f"{str(part)[:100]!r} is no network; write it as `10.20.0.0/16` or `127.0.0.1/32`"
                ) from None
        return tuple(found)

    @field_validator("dns_resolvers", mode="before")
    @classmethod
    def _read_resolvers(cls, value: Any) -> tuple[ResolverAddress, ...]:
        found = []
        for part in _split(value) or PUBLIC_RESOLVERS:
            if isinstance(part, ResolverAddress):
                found.append(part)
                continue
            try:
                found.append(ResolverAddress.parse(part))
            except ValueError:
                raise ValueError(
                    f"{part[:100]!r} is no address; write it as `9.9.9.9`, `10.0.0.2:5353` or "
                    "`[2001:db8::53]:5353`"
                ) from None
        return tuple(found)

    @field_validator("internal_listen")
    @classmethod
    def _internal(cls, value: str) -> str:
        if value:
            try:
                read_internal_address(value)
            except ValueError:
                raise ValueError(_INTERNAL_RULE) from None
        return value

    @field_validator("signup_mail_allowed", "signup_mail_banned", mode="before")
    @classmethod
    def _split_domains(cls, value: Any) -> Any:
        names = value.split(",") if isinstance(value, str) else value
        try:
            return tuple(parse_host(name.strip()) for name in names if name.strip())
        except BadHostError as error:
            raise ValueError(f"{error.problem}; give domains as `example.com`") from error

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        good = parts.scheme == "https" or (parts.scheme == "http" and local)
        if value and not (good and parts.hostname and not parts.query and not parts.fragment):
            raise ValueError(
                "must be the issuer's URL, as `https://login.example.com`; `http` is for a "
                "provider on this machine alone"
            )
        return value.rstrip("/")

    @field_validator("terms_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        path = value.expanduser().absolute()
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ValueError(f"the file cannot be read ({reason})") from error
        if not text.strip():
            raise ValueError("the file has no text; write the terms into it, or leave it out")
        return path

    @field_validator("databases", mode="before")
    @classmethod
    def _read_databases(cls, value: Any) -> tuple[Placement, ...]:
        placements = read_placements(value)
        if any(placement.kind == "postgresql" for placement in placements):
            _need_driver()
        return placements

    @field_validator("limit_plans", mode="before")
    @classmethod
    def _read_plans(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise ValueError(f"{_PLANS_RULE}; the error is: {error}") from None
        if not isinstance(value, Mapping):
            raise ValueError(_PLANS_RULE)  # noqa: TRY004 - pydantic makes its error of this one
        for plan, limits in value.items():
            if not plan.strip() or plan != plan.strip() or len(plan) > _MAX_PLAN:
                rule = f"has 1 to {_MAX_PLAN} characters and no spaces around it"
                raise ValueError(f"the name of a plan {rule}; {plan[:100]!r} does not")
            if isinstance(limits, PlanLimits):
                continue
            if not isinstance(limits, Mapping):
                raise ValueError(f"{_PLANS_RULE}; plan {plan!r} has {limits!r}")  # noqa: TRY004
            for name in limits:
                if name not in PlanLimits.model_fields:
                    known = ", ".join(f"`{field}`" for field in PlanLimits.model_fields)
                    raise ValueError(f"plan {plan!r} limits {name!r}; there are {known}")
        return value

    @field_validator("pin")
    @classmethod
    def _check_pins(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, pinned in value.items():
            if not name.isidentifier() or not name.isupper():
                raise ValueError(
                    f"{name[:60]!r} cannot name a setting of a Flask app: use capitals"
                )
            try:
                parsed = Formatter().parse(str(pinned) if isinstance(pinned, str) else "")
                fields = {field for _, field, _, _ in parsed if field is not None}
            except ValueError as error:
                raise ValueError(
                    f"{name}={str(pinned)[:60]!r}: {error}; write {{{{ for {{"
                ) from None
            if unknown := sorted(fields - {"folder", "id", "slug"}):
                known = "`{folder}`, `{id}` and `{slug}`"
                raise ValueError(f"{name} has {{{unknown[0]}}}; only {known} are replaced")
        return value

    @field_validator("domain", "backend_host")
    @classmethod
    def _canonical(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name == "backend_host":
            return value
        try:
            return parse_host(value)
        except BadHostError as error:
            problem = f"{error.problem}; give a bare host name as `example.com`"
            raise ValueError(problem) from error

    @field_validator("bind")
    @classmethod
    def _address(cls, value: str) -> str:
        if ":" in value and not (value.startswith("[") and value.endswith("]")):
            raise ValueError("an IPv6 address stands in brackets, as `[::1]`, and without a port")
        return value

    @field_validator("path_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if not value.startswith("/") or value.endswith("/") or "//" in value or value == "/backend":
            problem = "must start with a slash, not end with one and not be /backend; as `/sites`"
            raise ValueError(problem)
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("backup_dir", "files_dir")
    @classmethod
    def _absolute_or_none(cls, value: str) -> str:
        return value and str(Path(value).expanduser().absolute())

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Fill in what follows from other settings."""
        domain = str(values.get("domain") or "localhost").lower().removesuffix(".")
        if not values.get("base_url"):
            local = _is_local(domain)
            port = str(values.get("port") or 8000)
            origin = f"http://{domain}:{port}" if local else f"https://{domain}"
            # A wrong port is to be told as the port's error, not as that of what follows from it.
            values["base_url"] = origin if _is_port(port) else f"http://{domain}"
        if not values.get("signup"):
            values["signup"] = "open" if _is_local(domain) else "closed"
        if not values.get("catalog_url"):
            data_dir = Path(values.get("data_dir") or "var").expanduser().absolute()
            values["catalog_url"] = f"sqlite:///{data_dir}/catalog.sqlite3"
        return values

    @field_validator("base_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        try:
            host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        except ValueError:
            host = None  # the port is no number
        if parts.scheme not in {"http", "https"} or not host or parts.netloc.lower() != host:
            raise ValueError(_ORIGIN_RULE)
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError(_ORIGIN_RULE)
        return value.rstrip("/")

    @field_validator("catalog_url")
    @classmethod
    def _catalog(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql+psycopg://")
        if value.startswith("postgresql"):
            _need_driver()
        try:
            url = make_url(value)
        except (ArgumentError, ValueError):  # its sentence may show the password
            url = None
        if url is None or not url.database:
            raise ValueError(
                "must name a database, as sqlite:////srv/tenantry/catalog.sqlite3 or "
                "postgresql+psycopg://user:password@host:5432/name; write @, : and / in a "
                "password as %40, %3A and %2F"
            )
        return value

    @model_validator(mode="after")
    def _safe(self) -> Self:
        """Refuse combinations that would be unsafe (R3, R21)."""
        loopback = self.socket or self.bind in {"127.0.0.1", "[::1]", "localhost"}
        if self.trusted_proxies and not loopback and not self.trust_any_peer:
            raise ValueError(
                "trusted_proxies: anyone who reaches "
                f"{self.bind} could forge proxy headers; bind 127.0.0.1, use a Unix socket, or set "
                f"{PREFIX}TRUST_ANY_PEER=1 behind a firewall"
            )
        if self.default_plan not in {*self.limit_plans, BUILT_IN_PLAN}:
            known = ", ".join(self.limit_plans) or "none"
            raise ValueError(
                f"default_plan: {self.default_plan[:100]!r} is no plan; {PREFIX}LIMIT_PLANS names "
                f"{known}. Add it there, or choose one of them"
            )
        if self.internal_address == (self.address, self.port):
            raise ValueError(
                f"internal_listen: the HTTP listener has port {self.port} already; choose another one"
            )
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError(
                f"oidc_issuer: the provider needs to know who asks; set {PREFIX}OIDC_CLIENT_ID"
            )
        if self.backend_host == self.domain:
            raise ValueError("backend_host: must be another host than the domain, or empty")
        if self.routing != "subdomain" and not self.backend_host and not self.allow_shared_origin:
            raise ValueError(
                "routing: path-routed sites share the apex's origin with /backend; set "
                f"{PREFIX}BACKEND_HOST to a host of its own, or {PREFIX}ALLOW_SHARED_ORIGIN=1 for "
                "development"
            )
        return self

    @property
    def plans(self) -> tuple[str, ...]:
        """The names of all plans, in the order of the setting."""
        return tuple(dict.fromkeys((*self.limit_plans, self.default_plan)))

    def get_plan(self, name: str | None) -> str:
        """Return *name* if it is a plan; without one, the default plan.

        :raises UnknownPlanError: There is no such plan.
        """
        if name is None:
            return self.default_plan
        if name not in self.plans:
            raise UnknownPlanError(name, self.plans)
        return name

    @property
    def limit_form_bytes(self) -> int:
        """How many bytes a body may have if its route does not ask for more."""
        return min(self.limit_form_kb * 1024, self.limit_body_mb * 1024 * 1024)

    def limits_of(self, plan: str) -> PlanLimits:
        """Return what the plan sets by itself; of one that is not named, what the default plan sets.

        A plan that was taken out of the settings must not leave its tenants without limits.
        """
        plans = self.limit_plans
        return plans.get(plan) or plans.get(self.default_plan) or _NO_LIMITS

    def in_flight_of(self, plan: str) -> int:
        """Return how many requests a tenant of *plan* may have at once in a worker."""
        own = self.limits_of(plan).in_flight
        return own if own is not None else self.limit_in_flight or max(1, self.threads - 1)

    def requests_of(self, plan: str) -> float:
        """Return how many requests per second a tenant of *plan* may have; 0 is no limit."""
        own = self.limits_of(plan).requests
        return own if own is not None else self.limit_tenant_requests

    def statement_seconds_of(self, plan: str) -> float:
        """Return how long a statement of a tenant of *plan* may take; 0 is no limit."""
        own = self.limits_of(plan).statement_seconds
        return own if own is not None else self.limit_statement_seconds

    def lock_seconds_of(self, plan: str) -> float:
        """Return how long a statement of a tenant of *plan* may wait; 0 is no limit."""
        own = self.limits_of(plan).lock_seconds
        return own if own is not None else self.limit_lock_seconds

    def get_placement(self, name: str) -> Placement:
        """Return the placement of this name.

        :raises UnknownPlacementError: There is none.
        """
        for placement in self.databases:
            if placement.name == name:
                return placement
        raise UnknownPlacementError(name, tuple(known.name for known in self.databases))

    @property
    def is_fleet(self) -> bool:
        """Whether several nodes may share the catalog: it is on a server."""
        return not self.catalog_url.startswith("sqlite")

    def find_other_node(self, placement: str) -> str:
        """Return the node that a placement belongs to; empty if this one can use it."""
        return self._elsewhere.get((self.data_dir, placement), "")

    @property
    def other_placements(self) -> tuple[str, ...]:
        """The placements that belong to other nodes."""
        return tuple(one.name for one in self.databases if self.find_other_node(one.name))

    def note_other_nodes(self, nodes: Mapping[str, str]) -> None:
        """Note which placements belong to other nodes, by name."""
        known = {(self.data_dir, placement): node for placement, node in nodes.items()}
        for placement in {*self._elsewhere} - {*known}:
            del self._elsewhere[placement]
        self._elsewhere.update(known)

    @property
    def address(self) -> str:
        """The address that the HTTP listener binds, as sockets take it: without brackets."""
        return self.bind.strip("[]")

    @property
    def internal_address(self) -> tuple[str, int] | None:
        """Address and port of the internal listener, as sockets take them; ``None`` without one."""
        return read_internal_address(self.internal_listen) if self.internal_listen else None

    @property
    def domain_targets(self) -> Targets:
        """Where custom domains have to lead."""
        return Targets.of(self.dns_targets or (self.domain,))

    @property
    def own_hosts(self) -> frozenset[str]:
        """The hosts that the platform itself answers on."""
        return frozenset({self.domain, f"www.{self.domain}", self.backend_host} - {""})

    @property
    def is_local(self) -> bool:
        """Whether the platform is for browsers on this machine."""
        return _is_local(self.domain)

    @property
    def https(self) -> bool:
        """Whether visitors come over HTTPS."""
        return self.base_url.startswith("https:")

    @property
    def apex_url(self) -> str:
        """URL of the front page."""
        return self.url_of(self.domain) + "/"

    @property
    def backend_url(self) -> str:
        """URL of the operators' console."""
        return self.url_of(self.backend_host or self.domain) + "/backend/"

    @property
    def accounts_host(self) -> str:
        """The host on which people sign in to their platform accounts: that of the console."""
        return self.backend_host or self.domain

    @property
    def accounts_url(self) -> str:
        """URL under which the pages of accounts are, with a slash at its end."""
        return self.url_of(self.accounts_host) + "/"

    @property
    def own_sites_url(self) -> str:
        """URL of the page on which people find their sites."""
        shadowed = self.routing != "subdomain" and not self.backend_host
        below_account = shadowed and self.path_prefix == "/sites"
        return f"{self.accounts_url}{'account/sites' if below_account else 'sites'}"

    @property
    def backend_label(self) -> str:
        """What stands before the domain in the backend's own host; empty if it is not under it."""
        return label_under(self.backend_host, self.domain)

    def url_of(self, host: str) -> str:
        """Return the origin of *host*, as ``https://acme.example.com``."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}"

    def host_of(self, tenant: Tenant) -> str:
        """Return the host under the platform's domain that names *tenant*."""
        return f"{tenant.slug}.{self.domain}"

    def site_url(self, tenant: Tenant) -> str:
        """Return the canonical URL of the tenant's site: from us, never from a Host (R9)."""
        if self.routing == "path":
            return f"{self.url_of(self.domain)}{self.path_prefix}/{tenant.slug}/"
        return self.url_of(tenant.hosts[0] if tenant.hosts else self.host_of(tenant)) + "/"

    def tenant_dir(self, tenant_id: str) -> Path:
        """Return the folder of a tenant's own files, named by id because slugs change."""
        return self.files_home.joinpath("tenants", f"t_{tenant_id}")

    def last_bundle(self, tenant_id: str) -> Path:
        """Return the file of the bundle that is taken of a tenant when it is deleted."""
        return self.files_home / "deleted" / f"t_{tenant_id}.tenant"

    @property
    def files_home(self) -> Path:
        """Folder of what tenants have beside their databases."""
        return Path(self.files_dir) if self.files_dir else self.data_dir

    @property
    def backup_offset(self) -> timedelta | None:
        """When the daily backups begin, after midnight in UTC; ``None`` if there are none."""
        return _offset(self.backup_time)

    @property
    def purge_offset(self) -> timedelta | None:
        """When the daily purge begins, after midnight in UTC; ``None`` if there is none."""
        return _offset(self.purge_time)

    @property
    def mail_place(self) -> str:
        """Where mail goes; empty if nobody has said so for a public platform."""
        return self.mail_url or ("folder:" if self.is_local else "")

    @property
    def mail_dir(self) -> Path:
        """Folder of the mails that are written into files."""
        return self.data_dir / "mail"

    @property
    def popular_dir(self) -> Path:
        """Folder of the workers' lists of the most used tenants."""
        return self.run_dir / "popular"

    @property
    def acme_dir(self) -> Path:
        """Folder of answers to certificate authorities that check domains."""
        return self.run_dir / "acme"

    @property
    def certificate_expiry(self) -> Path:
        """File of the certificates that end first."""
        return self.data_dir / "certificate-expiry.json"

    @property
    def run_dir(self) -> Path:
        """Folder of sockets and other things of the running server."""
        return self.data_dir / "run"

    @property
    def templates_dir(self) -> Path:
        """Folder of the prepared databases that new tenants' are copied from."""
        return self.data_dir / "templates"

    @property
    def figures_file(self) -> Path:
        """Where this node keeps how many requests its tenants had."""
        return self.data_dir / "figures.sqlite3"

    @property
    def workers_dir(self) -> Path:
        """Folder of the sockets on which workers tell how they are doing."""
        return self.run_dir / "workers"

    @property
    def secret_keys_file(self) -> Path:
        """Where ``tenantry init`` keeps the master keys when the environment has none."""
        return self.data_dir / "secret_keys"


def load_settings(**overrides: Any) -> Settings:
    """Read, check and return the settings.

    :raises SettingsError: A variable is unknown or its value is wrong.
    """
    _refuse_unknown()
    try:
        settings = Settings(**overrides)
        if not settings.secret_keys and exists(settings.secret_keys_file):
            keys: Any = settings.secret_keys_file.read_text().replace("\n", ",")
            settings = Settings(**overrides, secret_keys=keys)
    except ValidationError as error:
        raise _translate(error) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        problem = f"the file secret_keys in the data folder cannot be read ({reason})"
        raise SettingsError(f"{PREFIX}SECRET_KEYS", None, problem) from None
    return settings


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the process's own settings, read at the first call."""
    return load_settings()


def find_source(field: str) -> str:
    """Return where the process would read a setting from now; empty if it has its default."""
    variable = f"{PREFIX}{field}".upper()
    for place, values in (("environment", os.environ), (ENV_FILE, dotenv_values(ENV_FILE))):
        if any(name.upper() == variable and value for name, value in values.items()):
            return place
    return ""


def read_internal_address(text: str) -> tuple[str, int]:
    """Return the address and the port that a text names.

    :raises ValueError: It names none, or one that other machines could reach.
    """
    host, colon, port = text.rpartition(":")
    address = ip_address(host.strip("[]"))
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not _is_port(port) or not address.is_loopback:
        raise ValueError(text)
    if bracketed != (address.version == 6):  # noqa: PLR2004 - of the Internet Protocol
        raise ValueError(text)
    return str(address), int(port)


def _split(value: Any) -> tuple[Any, ...]:
    """Return the parts of a setting that lists several things."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value)


def _check_target(name: str) -> None:
    try:
        if parse_host(name) == name and "." in name:
            return
    except BadHostError:
        pass
    raise ValueError(
        f"{name[:100]!r} is neither an address nor a full host name in lower case; write it as "
        "`203.0.113.7` or `sites.example.com`"
    )


def _offset(time: str) -> timedelta | None:
    if time == "off":
        return None
    hours, minutes = time.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _need_driver() -> None:
    if find_spec("psycopg") is None:
        raise ValueError(
            "PostgreSQL needs the driver psycopg, which is not installed; run "
            "`pip install 'tenantry[postgresql]'`"
        )


def _is_local(domain: str) -> bool:
    return domain == "localhost" or domain.endswith(".localhost")


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 65536  # noqa: PLR2004 - ports have 16 bits


def _refuse_unknown() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    found = {*os.environ, *dotenv_values(ENV_FILE)}
    for name in sorted(found):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(
                name, None, "there is no such setting; `tenantry settings` lists them"
            )


def _translate(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["loc"]:
        field = str(first["loc"][0])
    else:
        field, _, message = message.partition(": ")
    value = first["input"] if first["loc"] and field not in SECRET_FIELDS else None
    if len(first["loc"]) > 1 and value is not None:
        # A part of a value: where it is, too.
        where = ".".join(str(step) for step in first["loc"][1:])
        value, message = None, f"{where}={str(value)[:100]}: {message}"
    shown = None if value is None else str(value)[:100]
    return SettingsError(f"{PREFIX}{field.upper()}", shown, message)
