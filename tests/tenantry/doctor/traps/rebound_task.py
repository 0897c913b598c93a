"""Planted: a Celery task that belongs to the app that was built last."""

from celery import Celery
from flask import Flask

celery = Celery(__name__)


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)

    @celery.task
    def send() -> str:  # trap
        return str(app.config["MAIL_DEFAULT_SENDER"])

    class ContextTask(celery.Task):
        """Works inside of the app."""

        def __call__(self, *arguments: object) -> object:
            """Do the work."""
            with app.app_context():
                return self.run(*arguments)

    celery.Task = ContextTask  # trap
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
