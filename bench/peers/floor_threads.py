"""The floor: bare threads that take turns from a queue and make the two calls.

python -m bench.peers.floor_threads THREADS
"""

import sys
import threading
from queue import SimpleQueue

from bench.feeding import serve_myself
from bench.peers.turn import answer, arguments


def main() -> None:
    """Work until stdin ends."""
    waiting: SimpleQueue[int] = SimpleQueue()

    def work() -> None:
        while True:
            answer(*arguments(waiting.get()))

    for _ in range(int(sys.argv[1])):
        threading.Thread(target=work, daemon=True).start()
    serve_myself(waiting.put)


if __name__ == "__main__":
    main()
