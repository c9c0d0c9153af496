"""Tokens of OAuth2 by authlib: client credentials, and a refresh token that is good once."""

from __future__ import annotations

from authlib.integrations.django_oauth2 import AuthorizationServer, BearerTokenValidator, ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tests.e2e.servers.models import Client, Token

METHODS = ["client_secret_basic", "client_secret_post"]


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Refreshed(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        return Token.objects.filter(refresh_token=refresh_token, revoked=False).first()

    def authenticate_user(self, refresh_token: Token) -> User:
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.revoked = True
        refresh_token.save()


server = AuthorizationServer(Client, Token)
server.register_grant(ClientCredentials)
server.register_grant(Refreshed)
protected = ResourceProtector()
protected.register_token_validator(BearerTokenValidator(Token))


@csrf_exempt
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    return server.create_token_response(request)


class OAuth2Authentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return None
        try:
            found = protected.acquire_token(request._request, "orders")
        except OAuth2Error as error:
            raise AuthenticationFailed(error.error) from error
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
