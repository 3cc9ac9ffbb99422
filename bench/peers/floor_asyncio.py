"""The other floor: one event loop, aiohttp, the two calls.

python -m bench.peers.floor_asyncio TURNS_AT_ONCE
"""

import asyncio
import sys
import threading

import aiohttp

from bench.feeding import serve_myself
from bench.peers.turn import KOMMO_HEADERS, OPENAI, OPENAI_HEADERS, arguments, question, reply


async def answer(session: aiohttp.ClientSession, message: str, conversation: str, return_url: str) -> None:
    """What bench.peers.turn.answer does."""
    async with session.post(
        f"{OPENAI}/responses", json=question(message, conversation), headers=OPENAI_HEADERS
    ) as asked:
        asked.raise_for_status()
        stream = await asked.read()
    async with session.post(return_url, json=reply(stream), headers=KOMMO_HEADERS) as told:
        told.raise_for_status()
        await told.read()


async def _work(waiting: asyncio.Queue[int], session: aiohttp.ClientSession) -> None:
    while True:
        await answer(session, *arguments(await waiting.get()))


async def _main(at_once: int) -> None:
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue[int]()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector) as session:
        workers = [loop.create_task(_work(waiting, session)) for _ in range(at_once)]
        fed = loop.create_future()

        def feed() -> None:
            serve_myself(lambda number: loop.call_soon_threadsafe(waiting.put_nowait, number))
            loop.call_soon_threadsafe(fed.set_result, None)

        threading.Thread(target=feed, daemon=True).start()
        # A worker that ends has failed, and with it the benchmark.
        await asyncio.wait([fed, *workers], return_when=asyncio.FIRST_COMPLETED)
        for worker in workers:
            if worker.done():
                worker.result()
            worker.cancel()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
