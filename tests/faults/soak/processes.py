"""Killing, stopping and reloading the processes of the service."""

import signal
import time
from random import Random

from tests.faults.soak.crew import STOP_SECONDS, signal_to
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import LEASE_SECONDS, Scene


def kill_worker(scene: Scene, dice: Random) -> None:
    hand = scene.crew.a_hand(dice)
    scene.mark()
    hand.process.kill_group()
    scene.crew.replace(hand)


def stop_worker(scene: Scene, dice: Random) -> None:
    """One SIGTERM, or two: then what it holds goes back to the queue."""
    hand = scene.crew.a_hand(dice)
    scene.mark()
    hand.process.send_signal(signal.SIGTERM)
    scene.crew.replace(hand)
    if dice.random() < 0.5:
        hand.process.wait(dice.random() * 0.3)
        hand.process.send_signal(signal.SIGTERM)


def freeze_worker(scene: Scene, dice: Random) -> None:
    """For longer than its lease: its turns go to others. Then it goes on, and believes that they are its own."""
    hand = scene.crew.a_hand(dice)
    scene.mark()
    hand.process.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * (1 + dice.random()))
    hand.process.send_signal(signal.SIGCONT)


def kill_web_child(scene: Scene, dice: Random) -> None:
    children = scene.crew.door_children()
    scene.mark()
    for child in dice.sample(children, min(1, len(children))):
        signal_to(child, signal.SIGKILL)


def stop_web_child(scene: Scene, dice: Random) -> None:
    children = scene.crew.door_children()
    scene.mark()
    for child in dice.sample(children, min(1, len(children))):
        signal_to(child, signal.SIGTERM)


def reload_web(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.crew.door.send_signal(signal.SIGHUP)


def kill_web(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.crew.door.kill_group()
    scene.crew.door.wait(STOP_SECONDS)
    scene.crew.open_door()
    scene.crew.wait_until_ready()


def stop_web(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.crew.door.send_signal(signal.SIGTERM)
    scene.crew.door.wait(STOP_SECONDS)
    scene.crew.open_door()
    scene.crew.wait_until_ready()


PROCESSES = (
    Kind("worker-kill", "SIGKILL of a worker", kill_worker, 380, batch=38, apart=0.6),
    Kind("worker-term", "SIGTERM of a worker, once or twice", stop_worker, 140, batch=35, apart=0.6),
    Kind("worker-freeze", "SIGSTOP of a worker, for longer than its lease", freeze_worker, 15, batch=5),
    Kind("web-child-kill", "SIGKILL of one of web's processes", kill_web_child, 120, batch=30),
    Kind("web-child-term", "SIGTERM of one of web's processes", stop_web_child, 60, batch=30),
    Kind("web-hup", "SIGHUP of web", reload_web, 40, batch=8, apart=2.0),
    Kind("web-kill", "SIGKILL of all of web", kill_web, 40, batch=8),
    Kind("web-term", "SIGTERM of web, and a new one", stop_web, 20, batch=4),
)
