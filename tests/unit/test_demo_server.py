import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from demo import DemoServer, DemoSettings, Faults

SMALL = {"tracks": 250, "users": 30, "sessions": 40}
TABLES = ["tracks", "users", "listen_history"]

# `?page=0&size=1000`, as the real service answered it.
RECORDED_422 = (
    '{"detail":[{"type":"greater_than_equal","loc":["query","page"],"msg":"Input should be greater than or equal to 1",'
    '"input":"0","ctx":{"ge":1}},{"type":"less_than_equal","loc":["query","size"],"msg":"Input should be less than or '
    'equal to 100","input":"1000","ctx":{"le":100}}]}'
)


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(DemoSettings(**SMALL)) as running:
        yield running


def get(server: DemoServer, path: str, **options: object) -> requests.Response:
    return requests.get(server.url + path, timeout=10, **options)


def spoiled(**faults: object) -> DemoServer:
    return DemoServer(DemoSettings(**SMALL, faults=Faults(**faults)))


@pytest.mark.parametrize("table", TABLES)
def test_walking_the_pages_gives_every_row_in_order(server: DemoServer, table: str) -> None:
    first = get(server, f"/{table}").json()
    rows = [
        row for page in range(1, first["pages"] + 1) for row in get(server, f"/{table}?page={page}").json()["items"]
    ]
    assert rows == server.catalog.rows[table]
    assert first["total"] == len(rows)


def test_a_page_says_where_it_stands(server: DemoServer) -> None:
    # 250 tracks and a duplicate, by threes: 83 full pages and two rows.
    answer = get(server, "/tracks?page=84&size=3").json()
    assert list(answer) == ["items", "total", "page", "size", "pages"]
    assert (answer["total"], answer["page"], answer["size"], answer["pages"]) == (251, 84, 3, 84)
    assert answer["items"] == server.catalog.rows["tracks"][249:]


def test_page_1_of_100_rows_is_the_default(server: DemoServer) -> None:
    assert get(server, "/tracks").content == get(server, "/tracks?page=1&size=100").content


def test_a_page_past_the_end_has_no_items(server: DemoServer) -> None:
    # The recorded answer with this table's numbers: 40 rows fit on one page.
    assert get(server, "/listen_history?page=11").text == '{"items":[],"total":40,"page":11,"size":100,"pages":1}'
    assert get(server, f"/listen_history?page={10**30}").json()["items"] == []


def test_an_empty_table_has_no_pages() -> None:
    with DemoServer(DemoSettings(tracks=0, users=0, sessions=0)) as empty:
        assert get(empty, "/tracks").text == '{"items":[],"total":0,"page":1,"size":100,"pages":0}'


def test_answers_are_compact_utf_8_json(server: DemoServer) -> None:
    answer = get(server, "/users?size=1")
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == json.dumps(answer.json(), separators=(",", ":"), ensure_ascii=False).encode()


def test_a_page_and_size_out_of_range_get_the_recorded_422(server: DemoServer) -> None:
    answer = get(server, "/tracks?page=0&size=1000")
    assert answer.status_code == 422
    assert answer.text == RECORDED_422


@pytest.mark.parametrize("text", ["two", "", "1.5", "0x1", "9" * 5000])
def test_a_page_that_is_no_number_gets_a_422(server: DemoServer, text: str) -> None:
    answer = get(server, "/users", params={"page": text})
    message = "Input should be a valid integer, unable to parse string as an integer"
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": [{"type": "int_parsing", "loc": ["query", "page"], "msg": message, "input": text}]
    }


@pytest.mark.parametrize("text", ["3", " 3 ", "+3", "3.0", "03"])
def test_what_pydantic_takes_for_an_integer_is_one(server: DemoServer, text: str) -> None:
    assert get(server, "/tracks", params={"size": text}).json()["size"] == 3


def test_of_a_repeated_parameter_the_last_one_counts(server: DemoServer) -> None:
    assert get(server, "/tracks?size=3&size=4").json()["size"] == 4


def test_an_unknown_path_is_not_found(server: DemoServer) -> None:
    for path in ("/nothing", "/", "/tracks/1", "/nothing/"):
        answer = get(server, path)
        assert (answer.status_code, answer.text) == (404, '{"detail":"Not Found"}')


def test_a_trailing_slash_redirects_on_the_host_that_was_asked(server: DemoServer) -> None:
    headers = {"Host": "music.test:81"}
    answer = get(server, "/tracks/?page=2&size=5", headers=headers, allow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://music.test:81/tracks?page=2&size=5"
    assert get(server, "/tracks/?page=2&size=5").json()["page"] == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(server: DemoServer, method: str) -> None:
    answer = requests.request(method, f"{server.url}/tracks", timeout=10)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.text == ("" if method == "HEAD" else '{"detail":"Method Not Allowed"}')


def test_a_refused_body_does_not_spoil_the_next_request_on_the_connection(server: DemoServer) -> None:
    with requests.Session() as session:
        assert session.post(f"{server.url}/tracks", data=b"x" * 1000, timeout=10).status_code == 405
        assert session.get(f"{server.url}/health", timeout=10).json() == {"status": "ok"}


def test_a_connection_serves_many_requests(server: DemoServer) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":"), timeout=10) as connection:
        stream = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            head = iter(stream.readline, b"\r\n")
            assert next(head) == b"HTTP/1.1 200 OK\r\n"
            [length] = [int(line.split(b":")[1]) for line in head if line.startswith(b"content-length")]
            assert stream.read(length) == b'{"status":"ok"}'


def test_a_folded_host_header_cannot_add_headers_to_a_redirect(server: DemoServer) -> None:
    with socket.create_connection(server.url.removeprefix("http://").split(":"), timeout=10) as connection:
        connection.sendall(b"GET /tracks/ HTTP/1.1\r\nHost: x\r\n evil: 1\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").read().decode()
    assert f"location: {server.url}/tracks\r\n" in answer
    assert "evil" not in answer


def test_the_openapi_document_describes_the_rows_that_are_served(server: DemoServer) -> None:
    document = get(server, "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == ["/tracks", "/users", "/listen_history"]
    schemas = document["components"]["schemas"]
    for table, model in (("tracks", "TracksOut"), ("users", "UsersOut"), ("listen_history", "ListenHistoryOut")):
        assert list(schemas[model]["properties"]) == list(server.catalog.rows[table][0])
        ok = document["paths"][f"/{table}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        page = schemas[ok.rsplit("/", 1)[1]]
        assert page["properties"]["items"]["items"] == {"$ref": f"#/components/schemas/{model}"}


def test_table_requests_are_recorded_and_others_are_not() -> None:
    with spoiled() as server:
        for path in ("/tracks?page=2", "/tracks?page=2", "/users?size=7", "/users?size=0", "/health", "/nothing"):
            get(server, path)
        assert Counter(server.requests) == {("/tracks", 2, 100): 2, ("/users", 1, 7): 1}


def test_requests_side_by_side_are_all_recorded() -> None:
    with spoiled() as server:
        threads = [threading.Thread(target=lambda: [get(server, "/tracks") for _ in range(10)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.requests == [("/tracks", 1, 100)] * 80


def test_a_stopped_server_answers_nobody_not_even_on_an_open_connection() -> None:
    server = spoiled()
    with requests.Session() as session:
        with server:
            url = server.url
            assert session.get(f"{url}/health", timeout=10).status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(f"{url}/health", timeout=10)
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
