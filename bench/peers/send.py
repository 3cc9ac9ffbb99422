"""Hands turns over to a peer's queue (bench/feeding.py).

python -m bench.peers.send rq_pool|celery_app|dramatiq_app
"""

import sys
from importlib import import_module

from bench.feeding import serve

if __name__ == "__main__":
    serve(import_module(f"bench.peers.{sys.argv[1]}").enqueue)
