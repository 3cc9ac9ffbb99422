"""Dramatiq with Redis as its broker.

dramatiq bench.peers.dramatiq_app --processes 1 --threads TURNS_AT_ONCE
"""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import ConnectionPool, Redis

from bench.peers import turn

# redis-py allows 100 connections unless told otherwise, and every thread acknowledges over one.
MOST_CONNECTIONS = 2000

pool = ConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=MOST_CONNECTIONS)
dramatiq.set_broker(RedisBroker(client=Redis(connection_pool=pool)))
answer = dramatiq.actor(turn.answer)


def enqueue(number: int) -> None:
    """Hand over one turn."""
    answer.send(*turn.arguments(number))
