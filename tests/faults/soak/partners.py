"""OpenAI and Kommo away, silent, slow, cut off, talking nonsense, and telling us to wait."""

from collections.abc import Callable
from random import Random
from typing import Any

from sandbox import kommo_faults
from sandbox.kommo_faults import Fault, Route
from tests.faults.soak.books import Allowed
from tests.faults.soak.kind import Kind, Strike
from tests.faults.soak.scene import Scene

SHORTEST, LONGEST = 0.3, 2.0
# A client may be told that OpenAI failed, for it did; a call that Kommo holds up may come late.
OPENAI, KOMMO = Allowed(failures=True), Allowed(late=True)


def _for_a_while(scene: Scene, dice: Random, begin: Callable[[], Any], end: Callable[[], Any]) -> None:
    scene.mark()
    begin()
    scene.linger(dice, LONGEST, SHORTEST)
    end()


def openai_refuses(scene: Scene, dice: Random) -> None:
    _for_a_while(scene, dice, scene.stack.openai.shut, scene.stack.openai.open)


def kommo_refuses(scene: Scene, dice: Random) -> None:
    _for_a_while(scene, dice, scene.stack.kommo.shut, scene.stack.kommo.open)


def openai_does(name: str, **options: Any) -> Strike:
    """It does this to every question for a while."""

    def strike(scene: Scene, dice: Random) -> None:
        openai = scene.stack.openai
        _for_a_while(scene, dice, lambda: openai.fault(name, **options), openai.clear_faults)

    return strike


def kommo_does(*faults: Fault) -> Strike:
    """It does one of these to every continue call for a while."""

    def strike(scene: Scene, dice: Random) -> None:
        board, fault = scene.stack.kommo.faults, dice.choice(faults)
        _for_a_while(scene, dice, lambda: board.add(fault, Route.CONTINUE, times=None), board.clear)

    return strike


def _openai(name: str, what: str, strike: Strike) -> Kind:
    return Kind(f"openai-{name}", f"OpenAI {what}", strike, 8, batch=8, allowed=OPENAI)


def _kommo(name: str, what: str, strike: Strike) -> Kind:
    return Kind(f"kommo-{name}", f"Kommo {what}", strike, 8, batch=8, allowed=KOMMO)


PARTNERS = (
    _openai("refuses", "refuses connections", openai_refuses),
    _openai("hangs", "hangs", openai_does("hang")),
    _openai("hangs-midway", "hangs in mid answer", openai_does("hang_midway")),
    _openai("trickles", "trickles", openai_does("trickle")),
    _openai("cuts", "cuts answers off", openai_does("cut_midway", clean=False)),
    _openai("resets", "resets connections", openai_does("reset")),
    _openai("garbage", "answers garbage", openai_does("not_json")),
    _openai("502", "answers 502 in HTML", openai_does("bad_gateway_html_502")),
    _openai("429", "answers 429", openai_does("rate_limit", retry_after=1)),
    _kommo("refuses", "refuses connections", kommo_refuses),
    _kommo("hangs", "hangs", kommo_does(kommo_faults.hang(), kommo_faults.hang(after_effect=True))),
    _kommo("trickles", "trickles", kommo_does(kommo_faults.trickle())),
    _kommo("resets", "resets connections", kommo_does(kommo_faults.reset())),
    _kommo("lost-answer", "loses its answers", kommo_does(kommo_faults.reset(after_effect=True))),
    _kommo("garbage", "answers garbage", kommo_does(kommo_faults.garbage(), kommo_faults.garbage(after_effect=True))),
    _kommo("5xx", "answers 500, 502, 503", kommo_does(*map(kommo_faults.status, (500, 502, 503)))),
    _kommo("429", "answers 429", kommo_does(kommo_faults.status(429, retry_after=1), kommo_faults.status(429))),
)
