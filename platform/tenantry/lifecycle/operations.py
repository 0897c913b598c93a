"""All operations on tenants behind one object, for commands, console, scripts and jobs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tenantry.flask.factories import load_factory
from tenantry.lifecycle.archive import archive_tenant
from tenantry.lifecycle.backup import backup_tenant, list_backup_names
from tenantry.lifecycle.bulk import count_bulk, preview_bulk, start_bulk
from tenantry.lifecycle.check import check_tenant
from tenantry.lifecycle.clone import clone_tenant, preview_clone, release_tenant
from tenantry.lifecycle.create import complete_tenant, create_tenant
from tenantry.lifecycle.create_many import create_tenants
from tenantry.lifecycle.custom_hosts import (
    add_host,
    check_host,
    make_host_primary,
    preview_host_primary,
    preview_remove_host,
    remove_host,
)
from tenantry.lifecycle.delete import (
    delete_tenant,
    find_own_grace,
    preview_delete,
    preview_undelete,
    undelete_own,
    undelete_tenant,
)
from tenantry.lifecycle.drill import drill_restore
from tenantry.lifecycle.export import export_tenant
from tenantry.lifecycle.front_page import (
    change_front_page,
    get_front_page,
    get_front_page_content,
    preview_front_page,
)
from tenantry.lifecycle.import_ import import_tenant, preview_import
from tenantry.lifecycle.jobs import start_job
from tenantry.lifecycle.maintenance import begin_maintenance
from tenantry.lifecycle.missing_databases import database_missing, find_missing_databases
from tenantry.lifecycle.move import drop_former, move_tenant, preview_drop_former, preview_move
from tenantry.lifecycle.owners import change_owners, preview_owners
from tenantry.lifecycle.plan import change_plan, preview_plan
from tenantry.lifecycle.purge import preview_purge, purge_tenant
from tenantry.lifecycle.rename import preview_rename, rename_tenant
from tenantry.lifecycle.residual_data import find_residual_data
from tenantry.lifecycle.restore import choose_backup, preview_restore, restore_tenant
from tenantry.lifecycle.sign_up import give_up_unconfirmed, sign_up
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant
from tenantry.lifecycle.transitions import preview_transition
from tenantry.lifecycle.verify import verify_backup

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Actor, Catalog
    from tenantry.factory import Factory
    from tenantry.settings import Settings


class Operations:
    """All operations on tenants. Each method is a function of the module that is named after it.

    ``operations.preview_x(...)`` is the dry run of ``operations.x(...)``: it changes nothing, raises
    the same errors, and returns what the operation would work on. Whatever changes or copies a tenant
    writes an audit event in the name of *actor*. ``operations.start("backup", slug="acme")`` has a job
    worker do what takes longer than a moment.

    :param factory: Makes tenants' data. By default it is the one that the settings name, which is
        loaded when an operation needs it.
    :param actor: Who does it.
    :param step: Called with the name of each step of what takes longer than a moment, as it begins.
    :param job_key: The key of the job that :meth:`start` adds, if it is given none.
    """

    def __init__(
        self,
        catalog: Catalog,
        factory: Factory | None = None,
        *,
        settings: Settings,
        actor: Actor,
        step: Callable[[str], None] = lambda _: None,
        job_key: str | None = None,
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self.actor = actor
        self.step = step
        self.job_key = job_key
        if factory is not None:
            self.factory = factory

    @cached_property
    def factory(self) -> Factory:
        """What makes tenants' apps and data.

        :raises FactoryError: The settings name none.
        """
        return load_factory(self.settings)

    start = start_job
    start_bulk = start_bulk
    preview_bulk = preview_bulk
    count_bulk = count_bulk

    create = create_tenant
    create_many = create_tenants
    complete = complete_tenant
    sign_up = sign_up
    give_up_unconfirmed = give_up_unconfirmed
    import_ = import_tenant
    preview_import = preview_import
    clone = clone_tenant
    preview_clone = preview_clone
    release = release_tenant

    rename = rename_tenant
    preview_rename = preview_rename
    change_plan = change_plan
    preview_plan = preview_plan
    change_owners = change_owners
    preview_owners = preview_owners

    add_host = add_host
    check_host = check_host
    make_host_primary = make_host_primary
    preview_host_primary = preview_host_primary
    remove_host = remove_host
    preview_remove_host = preview_remove_host

    suspend = suspend_tenant
    resume = resume_tenant
    archive = archive_tenant
    begin_maintenance = begin_maintenance
    preview_transition = preview_transition

    export = export_tenant
    backup = backup_tenant
    list_backup_names = list_backup_names
    choose_backup = choose_backup
    restore = restore_tenant
    preview_restore = preview_restore
    verify = verify_backup
    drill = drill_restore

    move = move_tenant
    preview_move = preview_move
    drop_former = drop_former
    preview_drop_former = preview_drop_former

    delete = delete_tenant
    preview_delete = preview_delete
    undelete = undelete_tenant
    preview_undelete = preview_undelete
    undelete_own = undelete_own
    find_own_grace = find_own_grace
    purge = purge_tenant
    preview_purge = preview_purge

    change_front_page = change_front_page
    preview_front_page = preview_front_page
    get_front_page = get_front_page
    get_front_page_content = get_front_page_content

    check = check_tenant
    database_missing = database_missing
    find_missing_databases = find_missing_databases
    find_residual_data = find_residual_data
