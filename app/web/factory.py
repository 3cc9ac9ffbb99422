"""The Flask application, built from what it is given."""

from flask import Flask

from app.web.console.install import install_console
from app.web.deps import WebDeps
from app.web.errors import register_errors
from app.web.health import health_blueprint
from app.web.help import help_blueprint
from app.web.metrics import metrics_blueprint
from app.web.oauth import oauth_blueprint
from app.web.observing import observe_requests
from app.web.openapi.view import openapi_blueprint
from app.web.salesbot import open_door
from app.web.widget import widget_blueprint


def create_app(deps: WebDeps) -> Flask:
    """Build the application. Raises AddressInvalid where PUBLIC_URL is no address."""
    app = Flask("app.web", static_folder=None)
    # An address with two slashes in a row is another address: werkzeug would redirect it to the host that the sender
    # named, which a stranger chooses.
    app.url_map.merge_slashes = False
    # So would it an address that has the default of a route in it.
    app.url_map.redirect_defaults = False
    # Methods are those that the routes name.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    register_errors(app)
    observe_requests(app, deps.measuring.meter)
    open_door(app, deps)
    app.register_blueprint(health_blueprint(deps))
    app.register_blueprint(metrics_blueprint(deps.measuring))
    app.register_blueprint(oauth_blueprint(deps))
    app.register_blueprint(widget_blueprint(deps))
    app.register_blueprint(help_blueprint(deps.default_locale))
    app.register_blueprint(openapi_blueprint(deps.public_url))
    install_console(app, deps)
    return app
