"""GraphQL by strawberry: orders as a connection of Relay, and their count."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from sqlalchemy import Engine, Select
from sqlalchemy.orm import Session
from strawberry import relay
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

# GraphQL's own whole numbers have 32 bits.
BigInt = NewType("BigInt", int)


@strawberry.type
class Size:
    w: BigInt | None
    h: BigInt | None


@strawberry.type
class Details:
    tags: list[str | None]
    size: Size | None


@strawberry.type
class Order(relay.Node):
    id: relay.NodeID[int]
    number: BigInt
    name: str
    price: Decimal | None
    serial: BigInt | None
    placed_at: datetime
    details: Details | None


def details(held: dict[str, Any] | None) -> Details | None:
    return held and Details(tags=held["tags"], size=held["size"] and Size(**held["size"]))


@strawberry.type
class Orders(relay.ListConnection[Order]):
    total_count: int = 0

    @classmethod
    def resolve_connection(cls, nodes: Iterable[Order], **asked: Any) -> "Orders":
        found = list(nodes)
        one = super().resolve_connection(found, **asked)
        one.total_count = len(found)
        return one


def graphql(engine: Engine, query: Select[Any]) -> GraphQL:
    """The application, on the rows of this query."""

    @strawberry.type
    class Query:
        @relay.connection(Orders)
        def orders(self) -> Iterable[Order]:
            with Session(engine) as session:
                for row in session.scalars(query):
                    yield Order(
                        id=row.id,
                        number=row.id,
                        name=row.name,
                        price=row.price,
                        serial=row.serial,
                        placed_at=row.placed_at.replace(tzinfo=UTC),
                        details=details(row.details),
                    )

    whole = strawberry.scalar(name="BigInt", serialize=str, parse_value=int)
    config = StrawberryConfig(scalar_map={BigInt: whole}, relay_max_results=100)
    return GraphQL(strawberry.Schema(Query, config=config), graphql_ide=None)
