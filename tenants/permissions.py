"""Who may do what on a site: roles, and the permissions that each of them has.

Views and templates ask for a permission and never for a role.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(StrEnum):
    """What a member is. Who owns the site is no role: the platform says that, not the site."""

    MEMBER = "member"
    AUTHOR = "author"
    EDITOR = "editor"
    ADMIN = "admin"


class Permission(StrEnum):
    """Something that a member may do; what visitors may do needs none."""

    COMMENT = "comment"
    """Comment on posts, delete own comments, keep an account."""
    WRITE = "write"
    """Write, publish, change and delete own posts and pages."""
    UPLOAD = "upload"
    """See the library, upload files, describe and delete own ones."""
    EDIT_ALL = "edit-all"
    """See, change and delete the posts, drafts, earlier versions and files of all authors."""
    MODERATE = "moderate"
    """Approve and delete everybody's comments."""
    SEE_STATE = "see-state"
    """See what room the site has left, and that it is a copy."""
    MANAGE = "manage"
    """Set the site's rules, as those for comments."""


_MEMBER = frozenset({Permission.COMMENT})
_AUTHOR = _MEMBER | {Permission.WRITE, Permission.UPLOAD}
_EDITOR = _AUTHOR | {Permission.EDIT_ALL, Permission.MODERATE, Permission.SEE_STATE}

OWNER = frozenset(Permission)
"""What an owner may do, whatever their role."""

GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.MEMBER: _MEMBER,
    Role.AUTHOR: _AUTHOR,
    Role.EDITOR: _EDITOR,
    Role.ADMIN: _EDITOR | {Permission.MANAGE},
}
