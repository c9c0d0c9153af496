"""The music service as a real FastAPI application with fastapi-pagination."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi_pagination import Page, add_pagination, paginate
from fastapi_pagination.utils import disable_installed_extensions_check

from tests.e2e.jobs_and_lakes import TABLES, Row


@dataclass
class Service:
    """A real FastAPI application with fastapi-pagination. What it serves may be changed between jobs.

    A table that is `busy` answers so many requests by 429.
    """

    rows: dict[str, list[Row]]
    url: str = ""
    down: set[str] = field(default_factory=set)
    busy: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        # The check tries to import each extension at each request. Two requests at once can meet in a half-made import, and the
        # warning that follows is an error here.
        disable_installed_extensions_check()
        app = FastAPI()

        def endpoint(table: str) -> None:
            @app.get(f"/{table}")
            def rows(request: Request) -> Page[dict[str, Any]]:
                self.requests.append(request.url.path)
                if self.busy.get(table):
                    self.busy[table] -= 1
                    raise HTTPException(429, "later", headers={"Retry-After": "0"})
                if table in self.down:
                    raise HTTPException(500, "out of order")
                page: Page[dict[str, Any]] = paginate(self.rows[table])
                return page

        for table in TABLES:
            endpoint(table)
        add_pagination(app)
        return app
