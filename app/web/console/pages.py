"""Rendering pages, and what their modules share: remarks on the next page, and lines in the audit log."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from time import time
from typing import cast

from flask import Response, current_app, flash, get_flashed_messages, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.accounts import LOCALES
from app.domain.audit_log import AuditEntry, Operation, Outcome
from app.services.ports import AuditLog
from app.web.console.addresses import here, safe_target
from app.web.console.callers import Network, caller
from app.web.console.formats import ZONE_KEY
from app.web.console.guard import REFRESH_HEADER, operator
from app.web.console.look import LANGUAGE_TAGS, THEMES, look

# Section, endpoint: the entries of the navigation. The text of a section is `nav.<section>`.
NAVIGATION = (
    ("overview", "console.overview"),
    ("accounts", "console.accounts"),
    ("turns", "console.turns"),
    ("log", "console.log"),
    ("queues", "rq_dashboard.queues_overview"),
)


def page(template: str, status: int = 200, /, **context: object) -> Response:
    """A page of the console. context: what its template needs beside what the frame needs."""
    html = render_template(
        template,
        look=look(),
        operator=operator(),
        navigation=[entry for entry in NAVIGATION if entry[1] in current_app.view_functions],
        remarks=_remarks(),
        locales=[(locale, LANGUAGE_TAGS[locale]) for locale in LOCALES],
        themes=THEMES,
        here=here(request),
        zone=str(current_app.config[ZONE_KEY]),
        **context,
    )
    return Response(html, status, content_type="text/html; charset=utf-8")


def _remarks() -> list[tuple[str, str]]:
    """What was said for this page, once; a page that refreshes a part of itself leaves it for the next whole one."""
    if REFRESH_HEADER in request.headers:
        return []
    return cast("list[tuple[str, str]]", get_flashed_messages(with_categories=True))


def asset(name: str) -> str:
    """The address of a file in the folder static, which changes with the file."""
    return url_for("console.static", filename=name, v=asset_versions()[name])


@cache
def asset_versions() -> Mapping[str, str]:
    """A digest of each file in the folder static, by its name."""
    folder = files("app.web.console").joinpath("static")
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in folder.iterdir()}


def remark(text: str, tone: str = "ok") -> None:
    """Say something at the top of the next page. tone: ok, warn or bad."""
    flash(text, tone)


def back(otherwise: str) -> BaseResponse:
    """To the page that the form names in its field `next`, else to the address `otherwise`; with 303, so by GET."""
    wanted = request.form.get("next")
    return redirect(otherwise if wanted is None else safe_target(wanted), HTTPStatus.SEE_OTHER)


@dataclass(frozen=True, slots=True)
class Witness:
    """Writes down what the operator of this request does."""

    log: AuditLog
    proxies: Sequence[Network]

    def address(self) -> str:
        """Where the operator's browser is."""
        return caller(request, self.proxies)

    @contextmanager
    def watching(
        self, operation: Operation, *, account_id: int | None = None, request_id: str | None = None, detail: str = ""
    ) -> Iterator[None]:
        """Write a line when the block ends: `done`, or `failed` where it raises.

        To be written as `refused`, raise ActionRefused in it or let it pass through.
        """
        outcome = Outcome.FAILED
        try:
            yield
            outcome = Outcome.DONE
        except ActionRefused:
            outcome = Outcome.REFUSED
            raise
        finally:
            who = operator()
            self.log.write(
                AuditEntry(
                    int(time() * 1000),
                    who.operator if who else "",
                    self.address(),
                    operation,
                    outcome,
                    account_id,
                    request_id,
                    detail,
                )
            )


class ActionRefused(Exception):
    """What was asked for cannot be done as things stand. The message is the key of a text that says why."""
