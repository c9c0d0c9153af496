"""The addresses of the Django site."""

from __future__ import annotations

import json

from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import generics, pagination, serializers
from rest_framework.authtoken.views import obtain_auth_token

from tests.e2e.servers.models import Order
from tests.e2e.servers.oauth import token


class OrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = "__all__"


class ByPage(pagination.PageNumberPagination):
    page_size_query_param = "page_size"


class ByOffset(pagination.LimitOffsetPagination):
    max_limit = 100


class ByCursor(pagination.CursorPagination):
    page_size_query_param = "page_size"
    ordering = "id"


class Orders(generics.ListAPIView):
    queryset = Order.objects.all()
    serializer_class = OrderSerializer


@csrf_exempt
def log_in(request: HttpRequest) -> HttpResponse:
    """Begin a session, and set its cookie."""
    asked = json.loads(request.body)
    user = authenticate(request, username=asked["username"], password=asked["password"])
    if user is None:
        return JsonResponse({"detail": "no such user"}, status=403)
    login(request, user)
    return HttpResponse(status=204)


urlpatterns = [
    path("login", log_in),
    path("token", obtain_auth_token),
    path("oauth/token", token),
    path("page", Orders.as_view(pagination_class=ByPage)),
    path("offset", Orders.as_view(pagination_class=ByOffset)),
    path("cursor", Orders.as_view(pagination_class=ByCursor)),
]
