"""The Flask application, built from what it is given."""

from flask import Flask

from app.web.deps import WebDeps
from app.web.errors import register_errors
from app.web.health import health_blueprint
from app.web.salesbot import salesbot_blueprint


def create_app(deps: WebDeps) -> Flask:
    """Build the application. Raises AddressInvalid where PUBLIC_URL is no address."""
    app = Flask("app.web", static_folder=None)
    register_errors(app)
    app.register_blueprint(salesbot_blueprint(deps))
    app.register_blueprint(health_blueprint(deps))
    return app
