"""Errors that a command tells in one message on stderr, with exit code 1."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.domain.acceptance import StoreUnavailable
from app.domain.account_changes import InvalidFields
from app.domain.accounts import AccountExists, AccountUnknown, ChangedMeanwhile
from app.domain.boosts import BoostUnknown
from app.domain.forgetting import ContactBusy, RemovalBlocked
from app.domain.plans import PlanUnknown
from app.domain.replays import NotReplayable
from app.services.reporting import TurnUnknown
from app.storage.account_record import RecordDamaged
from app.storage.embedded import EmbeddedRedisError
from app.storage.sealing import NoKeyFits

_TOLD_AS_THEY_ARE = (
    AccountExists,
    AccountUnknown,
    BoostUnknown,
    ChangedMeanwhile,
    ContactBusy,
    EmbeddedRedisError,
    NoKeyFits,
    NotReplayable,
    PlanUnknown,
    RecordDamaged,
    RemovalBlocked,
    TurnUnknown,
)


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors that an operator can do something about into click's. ConfigError is told by app/cli/main.py."""
    try:
        yield
    except StoreUnavailable as error:
        raise click.ClickException(f"Redis is not available ({error}): see REDIS_URL.") from None
    except InvalidFields as error:
        lines = [f"  {name}: {' '.join(messages)}" for name, messages in sorted(error.fields.items())]
        raise click.ClickException("\n".join(["These fields are wrong:", *lines])) from None
    except _TOLD_AS_THEY_ARE as error:
        raise click.ClickException(str(error)) from None
