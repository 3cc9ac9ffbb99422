"""Working off batches of turns that are to be run again, in a thread beside whoever asks for them.

What is left to do and what was done stand in the store after every turn, so that another process goes on where one
has ended, and a page can show how far it is. Of all batches one is worked on at a time, with the few turns at once that
`replay_all` allows: other turns hardly wait for it.
"""

import secrets
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import structlog

from app.domain.acceptance import StoreUnavailable
from app.domain.batches import Batch
from app.services.ports import Batches
from app.services.replaying import Replaying

log = structlog.get_logger(__name__)

# How often somebody looks whether there is something to do.
EVERY_SECONDS = 1.0
# A process that is silent for so long has ended: another one goes on.
LEASE_SECONDS = 30.0
# A thread that is stopped lets go of its batch within so long, unless Redis hangs.
STOP_SECONDS = 2.0


class _Interrupted(Exception):
    """Nothing more is to be done here: this process ends, or another one works on the batch."""


class BatchWorker(threading.Thread):
    """The thread. Each web process has one."""

    def __init__(self, batches: Batches, replaying: Replaying, seconds: float = EVERY_SECONDS) -> None:
        """seconds: between two looks for something to do."""
        super().__init__(name="batches", daemon=True)
        self._batches = batches
        self._replaying = replace(replaying, sleep=self._pause)
        self._seconds = seconds
        self._ended = threading.Event()
        self._token = secrets.token_hex(8)
        self._batch: Batch | None = None
        self._looked_at = 0.0
        self._stopping = False

    def run(self) -> None:
        """Look, work, and begin again."""
        while not self._ended.wait(self._seconds):
            try:
                self.round()
            except StoreUnavailable as error:
                log.warning("store_unavailable", during=self.name, reason=str(error))
            except Exception as error:  # noqa: BLE001 - without this thread nobody would work on batches any more
                log.error("batches_broken_off", **_told(error))  # noqa: TRY400

    def stop(self) -> None:
        """End the thread; another process goes on with what it was doing."""
        self._ended.set()
        if self.is_alive():
            self.join(STOP_SECONDS)

    def round(self) -> None:
        """Work on the batch whose turn it is, to its end. Raises StoreUnavailable."""
        batch = self._batches.take(self._token, LEASE_SECONDS)
        if batch is None:
            return
        self._batch, self._looked_at, self._stopping = batch, time.monotonic(), batch.stopping
        try:
            self._work(batch)
        except _Interrupted:
            log.info("batch_interrupted", account_id=batch.account_id, batch=batch.batch_id)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told, and the batch ended
            # A fault of ours, which the next process would find as well. What is left has no result, and shows it.
            log.error("batch_failed", account_id=batch.account_id, batch=batch.batch_id, **_told(error))  # noqa: TRY400
            self._batches.end(batch)
        finally:
            self._batches.release(self._token)

    def _work(self, batch: Batch) -> None:
        left = self._batches.left(batch)
        begun = [request_id for request_id in left if self._was_begun(request_id, batch)] if batch.takings > 1 else []
        others = [request_id for request_id in left if request_id not in set(begun)]
        for outcome in self._replaying.replay_all(self._watched(others), f"console:{batch.by}", begun):
            self._batches.record(batch, outcome.request_id, outcome.became)
        self._batches.end(batch)
        log.info("batch_ended", account_id=batch.account_id, batch=batch.batch_id, turns=batch.total)

    def _was_begun(self, request_id: str, batch: Batch) -> bool:
        """Whether it was run again since the batch began, by a process that did not see what became of it."""
        turn = self._replaying.turns.read(request_id)
        return turn is not None and (turn.replayed_at or 0) >= batch.begun_at

    def _watched(self, request_ids: list[str]) -> Iterator[str]:
        """Those that are still to be begun: none any more where an operator has stopped the batch."""
        for request_id in request_ids:
            self._look()
            if self._stopping:
                return
            yield request_id

    def _pause(self, seconds: float) -> None:
        """What the flow sleeps with."""
        if self._ended.wait(seconds):
            raise _Interrupted
        self._look()

    def _look(self) -> None:
        """Once a second: say that we live, and see whether we are to stop."""
        now = time.monotonic()
        if self._batch is None or now - self._looked_at < 1.0:
            return
        self._looked_at = now
        if self._ended.is_set() or not self._batches.prolong(self._token, LEASE_SECONDS):
            raise _Interrupted
        found = self._batches.get(self._batch.account_id, self._batch.batch_id)
        if found is None:
            raise _Interrupted
        self._stopping = found.stopping


def _told(error: Exception) -> dict[str, Any]:
    """Where it happened, and not what it says: a text may stand in the message of an exception."""
    return {"kind": type(error).__name__, "frames": traceback.format_tb(error.__traceback__)}
