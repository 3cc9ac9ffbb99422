"""What the people of an account have in their browser: users, the widget of the integration, chats."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Literal

from sandbox.front.archive import WidgetArchive, read_archive
from sandbox.front.people import User, staff
from sandbox.kommo_chat import Client
from sandbox.kommo_hooks import SentHook

Status = Literal["install", "installed"]


@dataclass(slots=True)
class Widget:
    """The widget of an account's integration.

    code: made by Kommo when the integration is saved (kommo.md 7.1).
    settings: the fields of the manifest as they were saved; every user can read them.
    """

    code: str
    archive: WidgetArchive
    status: Status = "install"
    settings: dict[str, str] = field(default_factory=dict)


class Office:
    """One account's pages, as far as they have a memory.

    users: the first one is an administrator. hooks: calls to the integration's addresses, oldest first.
    clients: who writes on the page of the chats, by contact id.
    """

    def __init__(self, first_user: int) -> None:
        self.users: list[User] = list(staff(first_user))
        self.widget: Widget | None = None
        self.hooks: list[SentHook] = []
        self.clients: dict[int, Client] = {}

    def upload(self, raw: bytes) -> Widget:
        """Take an archive for the integration, the first one or a new version. Raises UploadRefused.

        What is installed stays installed, with its settings; bots that were saved keep what the old version wrote.
        """
        archive = read_archive(raw)
        if self.widget is None:
            self.widget = Widget("".join(secrets.choice(string.ascii_lowercase) for _ in range(32)), archive)
        else:
            self.widget.archive = archive
        return self.widget

    def user(self, user_id: int | str | None) -> User:
        """The user with this id; the first one for everybody who has not said who they are."""
        return next((user for user in self.users if str(user.user_id) == str(user_id)), self.users[0])
