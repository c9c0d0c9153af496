"""The OpenAPI document of the three tables, in the shape that the service's own has."""

from typing import Any

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_TIME = {"type": "string", "format": "date-time"}
_LISTENED = {"anyOf": [{"type": "array", "items": _WHOLE}, {"type": "null"}]}

_TABLES: dict[str, dict[str, dict[str, Any]]] = {
    "tracks": {
        "id": _WHOLE, "name": _TEXT, "artist": _TEXT, "songwriters": _TEXT, "duration": _TEXT, "genres": _TEXT,
        "album": _TEXT, "created_at": _TIME, "updated_at": _TIME,
    },
    "users": {
        "id": _WHOLE, "first_name": _TEXT, "last_name": _TEXT, "email": _TEXT, "gender": _TEXT,
        "favorite_genres": _TEXT, "created_at": _TIME, "updated_at": _TIME,
    },
    "listen_history": {
        "user_id": {"anyOf": [_WHOLE, {"type": "null"}]}, "items": _LISTENED, "created_at": _TIME, "updated_at": _TIME,
    },
}  # fmt: skip
_MODELS = {"tracks": "TracksOut", "users": "UsersOut", "listen_history": "ListenHistoryOut"}
_PARAMETERS = [
    {"name": "page", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {
        "name": "size",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 100},
    },
]


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document; it states the contract, which a blemished row (`name` or `email` null) breaks."""
    schemas: dict[str, Any] = {"HTTPValidationError": _validation_error()}
    for table, columns in _TABLES.items():
        model = _MODELS[table]
        schemas[model] = {"type": "object", "title": model, "properties": columns, "required": list(columns)}
        schemas[f"PageCustomized_{model}_"] = _page_of(model)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pagelake demo API", "description": "Made-up music data, with faults.", "version": "1.0"},
        "paths": {f"/{table}": {"get": _operation(table, model)} for table, model in _MODELS.items()},
        "components": {"schemas": schemas},
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(table: str, model: str) -> dict[str, Any]:
    def answer(description: str, schema: str) -> dict[str, Any]:
        return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}

    return {
        "summary": f"Get {table}",
        "operationId": f"get_{table}",
        "parameters": _PARAMETERS,
        "responses": {
            "200": answer("Successful Response", f"PageCustomized_{model}_"),
            "422": answer("Validation Error", "HTTPValidationError"),
        },
    }


def _page_of(model: str) -> dict[str, Any]:
    return {
        "type": "object",
        "title": f"PageCustomized[{model}]",
        "properties": {
            "items": {"type": "array", "items": _ref(model)},
            "total": {"type": "integer", "minimum": 0},
            "page": {"type": "integer", "minimum": 1},
            "size": {"type": "integer", "minimum": 1},
            "pages": {"type": "integer", "minimum": 0},
        },
        "required": ["items", "total", "page", "size", "pages"],
    }


def _validation_error() -> dict[str, Any]:
    mistake = {"type": _TEXT, "loc": {"type": "array", "items": _TEXT}, "msg": _TEXT, "input": _TEXT, "ctx": {}}
    item = {"type": "object", "properties": mistake, "required": ["type", "loc", "msg", "input"]}
    return {
        "type": "object",
        "title": "HTTPValidationError",
        "properties": {"detail": {"type": "array", "items": item}},
    }
