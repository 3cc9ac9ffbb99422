"""What the door is compared with, under the same gunicorn: Flask's hello world, and one bare round trip to Redis."""

from flask import Flask

from app.storage.connection import connect
from app.web.wsgi import CONNECTIONS
from config.settings import load_settings


def create() -> Flask:
    """Build the application from the environment of the web process."""
    redis = connect(load_settings(redis_required=True).redis_url or "", for_web=True, max_connections=CONNECTIONS)
    one = redis.register_script("return 1")
    app = Flask("hello")

    @app.get("/healthz")
    @app.get("/hello")
    def hello() -> str:
        return "Hello, World!"

    @app.get("/redis")
    def trip() -> str:
        return str(one())

    return app
