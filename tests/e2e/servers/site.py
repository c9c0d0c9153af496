"""Django with Django REST framework: orders, for whoever has a session, a token of the user or one of OAuth2."""

from __future__ import annotations

from pathlib import Path

import django
from django.conf import settings

from tests.e2e.servers.store import CLIENT_SECRET, PASSWORD, USER


def configure(database: Path) -> None:
    """Set Django up, and make its tables in this file, with a user and two clients of OAuth2."""
    settings.configure(
        SECRET_KEY="of a test",
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        ROOT_URLCONF="tests.e2e.servers.views",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database, "OPTIONS": {"timeout": 30}},
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "rest_framework",
            "rest_framework.authtoken",
            "tests.e2e.servers",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        # Of a password that is hashed on one slow core.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        AUTHLIB_OAUTH2_PROVIDER={"refresh_token_generator": True},
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [
                # The first one says whether a refusal is a 401.
                "tests.e2e.servers.oauth.OAuth2Authentication",
                "rest_framework.authentication.SessionAuthentication",
                "rest_framework.authentication.TokenAuthentication",
            ],
            "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
    )
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from tests.e2e.servers.models import Client

    call_command("migrate", run_syncdb=True, verbosity=0)
    user = User.objects.create_user(USER, password=PASSWORD)
    for client_id, method in (("by-header", "client_secret_basic"), ("by-form", "client_secret_post")):
        Client.objects.create(user=user, client_id=client_id, client_secret=CLIENT_SECRET, auth_method=method)
