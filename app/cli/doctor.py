"""`bytegpt doctor`: is all well, and what to do where it is not."""

from collections.abc import Iterable, Iterator

import click

from app.cli.doctor_wiring import open_doctors
from app.cli.output import plain, print_json
from app.cli.problems import told
from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import AccountUnknown
from app.domain.checkup import Finding, State, failed, worst
from app.storage.account_record import RecordDamaged
from app.storage.sealing import NoKeyFits
from config.checkup import of_settings, of_wrong_settings
from config.settings import ConfigError

_WIDTH = max(len(state) for state in State)


@click.command()
@click.argument("account_id", metavar="[ACCOUNT]", required=False, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(account_id: int | None, as_json: bool) -> int:
    """Check settings, Redis, clocks, queue and workers; with ACCOUNT also what its turns need.

    One line for each: ok, warning or failed, and what to do. The check of an account asks Kommo for the account, and
    its assistant one short question, which no plan pays for. Exit code 1 where something failed.
    """
    seen = []
    with told():
        for finding in _findings(account_id):
            seen.append(finding)
            if not as_json:
                click.echo(_line(finding))
    if as_json:
        print_json({"state": worst(seen), "account_id": account_id, "checks": [_document(one) for one in seen]})
    return 1 if worst(seen) is State.FAILED else 0


def _findings(account_id: int | None) -> Iterator[Finding]:
    try:
        with open_doctors() as doctors:
            yield from of_settings(doctors.settings)
            yield from doctors.service.findings()
            if account_id is not None:
                yield from _of_account(account_id, doctors.account.findings(account_id))
    except ConfigError as error:
        yield from of_wrong_settings(error)


def _of_account(account_id: int, findings: Iterable[Finding]) -> Iterator[Finding]:
    try:
        yield from findings
    except AccountUnknown as error:
        yield failed("account", f"{error}.", "See `bytegpt account list`.")
    except StoreUnavailable as error:
        yield failed("account", f"cannot be looked at without Redis ({error}).", "Mend Redis first.")
    except (NoKeyFits, RecordDamaged) as error:
        remedy = f"Bring back the key in ENCRYPTION_KEYS, or save account {account_id} again."
        yield failed("account", f"{error}.", remedy)


def _line(finding: Finding) -> str:
    return plain(f"{finding.state:{_WIDTH}}  {finding.what}: {finding.found} {finding.remedy}".rstrip())


def _document(finding: Finding) -> dict[str, str | None]:
    found = finding.found.removesuffix(".")
    return {"check": finding.what, "state": finding.state, "found": found, "remedy": finding.remedy or None}
