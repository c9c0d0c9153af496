"""Starts the servers: FastAPI with fastapi-pagination, and below it Django and strawberry, all on one SQLite file.

python -m tests.e2e.servers DATABASE PORT
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi_pagination import LimitOffsetPage, Page, add_pagination
from fastapi_pagination.cursor import CursorPage
from fastapi_pagination.ext.sqlalchemy import paginate
from pydantic import BaseModel, ConfigDict, field_validator
from sqlalchemy import JSON, BigInteger, DateTime, Numeric, Text, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.e2e.servers.graph import graphql
from tests.e2e.servers.site import configure


class Base(DeclarativeBase):
    pass


class Order(Base):
    """The table that Django made."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal | None] = mapped_column(Numeric(15, 2))
    serial: Mapped[int | None] = mapped_column(BigInteger)
    placed_at: Mapped[datetime] = mapped_column(DateTime)
    details: Mapped[Any] = mapped_column(JSON)


class OrderOut(BaseModel):
    """An order as the API gives it."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    price: Decimal | None
    serial: int | None
    placed_at: datetime
    details: Any

    @field_validator("placed_at")
    @classmethod
    def _in_utc(cls, at: datetime) -> datetime:
        return at.replace(tzinfo=UTC)


def fastapi(database: Path) -> FastAPI:
    """The orders in three paginations."""
    engine = create_engine(f"sqlite:///{database}", connect_args={"timeout": 30})
    app = FastAPI()

    def session() -> Iterator[Session]:
        with Session(engine) as opened:
            yield opened

    Opened = Annotated[Session, Depends(session)]
    query = select(Order).order_by(Order.id)

    @app.get("/fastapi/page")
    def by_page(session: Opened) -> Page[OrderOut]:
        return paginate(session, query)

    @app.get("/fastapi/offset")
    def by_offset(session: Opened) -> LimitOffsetPage[OrderOut]:
        return paginate(session, query)

    @app.get("/fastapi/cursor")
    def by_cursor(session: Opened) -> CursorPage[OrderOut]:
        return paginate(session, query)

    add_pagination(app)
    app.add_route("/graphql", graphql(engine, query))
    return app


def main() -> None:
    database, port = Path(sys.argv[1]), int(sys.argv[2])
    configure(database)
    from django.core.asgi import get_asgi_application

    app = fastapi(database)
    app.mount("/django", get_asgi_application())
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
