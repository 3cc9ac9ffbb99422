"""What one system does under a load: an even stream of turns, or more than it can take."""

import os
import time
from dataclasses import dataclass
from typing import Any

from bench.measuring import MIB, MachineTime, cpu_seconds, memory
from bench.moments import Moments, latency, milliseconds, moments_of, percentile
from bench.processes import last_line
from bench.replaying import TOTAL
from bench.stage import Stage
from bench.systems import Running, System

# Until as many turns are in flight as there will be.
RAMP = TOTAL + 0.5
SATURATION_RAMP = 2 * TOTAL + 2.0
# More turns than slots, so that no slot is ever idle.
SURPLUS = 1.5
# The slots are filled in the time of one answer.
BUILD_UP = SURPLUS * TOTAL
# More than any system brings to an end at saturation.
MOST_TURNS = 100_000
# What is left over from one load would be in the way of the next.
DRAIN_SECONDS = 45.0
WARM_UP_SECONDS = 90.0
WARM_UP_PACE = 0.1
WARM_UP_RATE = 500


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time in which a system was watched.

    cpu: seconds of its own, of OpenAI's and of Redis's process. others: the share of the machine that was used by
    processes without a part in this.
    """

    began: float
    ended: float
    cpu: float
    openai_cpu: float
    redis_cpu: float
    others: float

    def turns(self, moments: Moments) -> int:
        """The turns that were finished in it."""
        return sum(self.began <= moment < self.ended for moment in moments.continued.values())

    def in_flight(self, moments: Moments) -> float:
        """How many answers were awaited, on average."""
        awaited = sum(
            max(0.0, min(ended, self.ended) - max(began, self.began)) for began, ended in moments.asked.values()
        )
        return awaited / (self.ended - self.began)

    def fewest_open(self, moments: Moments) -> int:
        """How many turns were handed over and not finished, at the least of its two ends."""
        return min(
            sum(sent < end for sent in moments.sent.values()) - sum(told < end for told in moments.continued.values())
            for end in (self.began, self.ended)
        )


class Watch:
    """Begins to watch a system."""

    def __init__(self, stage: Stage, pid: int) -> None:
        self._pids = (pid, stage.openai.pid, stage.stack.server.pid, os.getpid())
        self._machine = MachineTime.now()
        self._cpu = cpu_seconds(*self._pids)
        self._began = time.monotonic()

    def stop(self) -> Window:
        """What was seen since."""
        ended, cpu = time.monotonic(), cpu_seconds(*self._pids)
        its, openai, redis, all_of_us = (later - earlier for earlier, later in zip(self._cpu, cpu, strict=True))
        others = MachineTime.now().others_share(self._machine, all_of_us)
        return Window(self._began, ended, its, openai, redis, others)


def warm_up(stage: Stage, system: System, running: Running) -> None:
    """Let everything be imported, connected and known; then wait until it is quiet. Raises TimeoutError."""
    stage.openai.set_pace(WARM_UP_PACE)
    running.feeder.order(first=stage.begin(system.warm_up), count=system.warm_up, rate=WARM_UP_RATE)
    running.feeder.sent()
    if not stage.wait_until_done(system.warm_up, WARM_UP_SECONDS):
        raise TimeoutError(
            f"{system.name} did not finish its first {system.warm_up} turns; it said last: {last_line(running.log)}"
        )
    stage.openai.set_pace(TOTAL)
    _wait_until_quiet(running.pid)


def paced(stage: Stage, running: Running, in_flight: int, seconds: float) -> dict[str, Any]:
    """Hand turns over evenly, so many that about `in_flight` are awaited at any time."""
    rate = in_flight / TOTAL
    count = round((RAMP + seconds) * rate)
    first = stage.begin(count)
    running.feeder.order(first=first, count=count, rate=rate)
    time.sleep(RAMP)
    watch = Watch(stage, running.pid)
    sent = running.feeder.sent()
    window = watch.stop()
    stage.wait_until_done(count, DRAIN_SECONDS)
    moments = moments_of(stage, dict(enumerate(sent, first)))
    return {
        "in_flight": round(window.in_flight(moments), 1),
        **latency(moments.added(window.began)),
        **_costs(window, moments),
        "turns": count,
        "unfinished": moments.unfinished,
    }


def saturated(stage: Stage, system: System, running: Running, seconds: float) -> dict[str, Any]:
    """Always have more turns waiting than the system can take."""
    first = stage.begin(MOST_TURNS)
    running.feeder.order(
        first=first,
        outstanding=round(system.slots * SURPLUS),
        build_up=BUILD_UP,
        seconds=SATURATION_RAMP + seconds + 1.0,
        done_url=stage.kommo.url,
    )
    time.sleep(SATURATION_RAMP)
    watch = Watch(stage, running.pid)
    time.sleep(seconds)
    window = watch.stop()
    held = memory(running.pid)
    sent = running.feeder.sent()
    time.sleep(TOTAL)  # every answer that was awaited in the window has ended then, and been noted
    moments = moments_of(stage, dict(enumerate(sent, first)))
    in_flight = window.in_flight(moments)
    return {
        "turns_per_second": round(window.turns(moments) / (window.ended - window.began), 1),
        "in_flight": round(in_flight, 1),
        # Fewer than slots: the system was not fed fast enough, and could have done more.
        "fewest_open": window.fewest_open(moments),
        "rss_mib": round(held.rss / MIB, 1),
        "pss_mib": round(held.pss / MIB, 1),
        "rss_mib_per_turn": round(held.rss / MIB / max(1.0, in_flight), 3),
        "pss_mib_per_turn": round(held.pss / MIB / max(1.0, in_flight), 3),
        **_costs(window, moments),
    }


def _costs(window: Window, moments: Moments) -> dict[str, Any]:
    turns = max(1, window.turns(moments))
    late = percentile([ended - began - TOTAL for began, ended in moments.asked.values()], 99)
    return {
        "cpu_ms_per_turn": round(window.cpu * 1000 / turns, 2),
        "openai_cpu_ms_per_turn": round(window.openai_cpu * 1000 / turns, 2),
        "redis_cpu_ms_per_turn": round(window.redis_cpu * 1000 / turns, 2),
        # By how much the simulated OpenAI was behind its own pace; it counts as its own time.
        "openai_late_p99_ms": milliseconds(late),
        "others_share": round(window.others, 3),
        "wrong": moments.wrong,
        "twice": moments.twice,
    }


def _wait_until_quiet(pid: int) -> None:
    deadline, (before,) = time.monotonic() + WARM_UP_SECONDS, cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        (now,) = cpu_seconds(pid)
        if now - before <= 0.05:
            return
        before = now
