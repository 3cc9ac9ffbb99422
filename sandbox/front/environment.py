"""What a page of the simulated Kommo knows when it opens: the account, who looks, the widget (kommo.md 7.7)."""

from collections.abc import Mapping
from typing import Any

from sandbox.front.archive import handlers_of
from sandbox.front.office import Widget
from sandbox.front.people import LANGUAGES, THEMES, User
from sandbox.kommo_accounts import Account


def environment_of(account: Account, user: User) -> dict[str, Any]:
    """Everything that the page's scripts are told."""
    widget = account.office.widget
    return {
        "account": {"id": account.account_id, "name": account.name, "subdomain": account.subdomain},
        "user": _person(user),
        "users": [_person(one) for one in account.office.users],
        "languages": LANGUAGES,
        "themes": THEMES,
        "widget": None if widget is None else _widget(account, widget, user),
        "bots": [{"id": bot.bot_id, "kind": bot.kind} for bot in account.bots],
    }


def _person(user: User) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "name": user.name,
        "admin": user.admin,
        "language": user.language,
        "theme": user.theme,
    }


def _widget(account: Account, widget: Widget, user: User) -> dict[str, Any]:
    archive = widget.archive
    path = f"/upl/{widget.code}/widget"
    return {
        "code": widget.code,
        "client_id": account.integration.client_id,
        "version": archive.version,
        "path": path,
        "cdn_path": account.url + path,
        "status": widget.status,
        "settings": widget.settings,
        "locations": archive.locations,
        "manifest": archive.manifest,
        "handlers": _handlers(archive.manifest),
        "langs": archive.texts[archive.language(user.language)],
    }


def _handlers(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"code": code, "name": handler["name"], "settings": handler.get("settings", {})}
        for code, handler in handlers_of(manifest).items()
    ]
