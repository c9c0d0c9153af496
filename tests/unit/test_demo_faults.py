import time

import requests

from demo import DemoServer, DemoSettings, Faults
from demo.faults import RateLimit

SMALL = {"tracks": 250, "users": 30, "sessions": 40}
TABLES = ["tracks", "users", "listen_history"]


def get(server: DemoServer, path: str, **options: object) -> requests.Response:
    return requests.get(server.url + path, timeout=10, **options)


def spoiled(**faults: object) -> DemoServer:
    return DemoServer(DemoSettings(**SMALL, faults=Faults(**faults)))


def test_an_error_strikes_each_page_once_and_a_repeat_heals_it() -> None:
    with spoiled(errors=1.0) as server:
        first = [get(server, f"/{table}?page={page}").status_code for table in TABLES for page in range(1, 11)]
        again = [get(server, f"/{table}?page={page}").status_code for table in TABLES for page in range(1, 11)]
    assert set(first) == {500, 503}
    assert set(again) == {200}


def test_the_same_share_of_pages_fails_in_every_run() -> None:
    def failing() -> list[int]:
        with spoiled(errors=0.2) as server:
            return [page for page in range(1, 201) if get(server, f"/tracks?page={page}").status_code != 200]

    first = failing()
    assert failing() == first
    # 40 of 200 are due; four standard deviations of sqrt(200 * 0.2 * 0.8) = 5.7 on either side.
    assert 17 <= len(first) <= 63


def test_a_server_that_is_down_answers_503_again_and_again_but_is_in_health() -> None:
    with spoiled(down=True) as server:
        answers = [get(server, "/tracks") for _ in range(3)]
        assert [(answer.status_code, answer.text) for answer in answers] == [
            (503, '{"detail":"Service Unavailable"}')
        ] * 3
        assert get(server, "/health").status_code == 200


def test_latency_is_added_to_each_answer() -> None:
    with spoiled(latency_ms=150) as server:
        begin = time.monotonic()
        get(server, "/tracks")
        get(server, "/tracks")
        assert time.monotonic() - begin >= 0.3


def test_a_moving_total_grows_after_the_third_request_for_listen_history() -> None:
    with spoiled(moving_total=2) as server:
        assert get(server, "/users").json()["total"] == 30
        answers = [get(server, "/listen_history").json() for _ in range(5)]
    assert [answer["total"] for answer in answers] == [40, 40, 40, 42, 42]
    assert [len(answer["items"]) for answer in answers] == [40, 40, 40, 42, 42]
    assert answers[4]["items"][:40] == answers[0]["items"]


def test_above_the_rate_limit_the_answer_says_when_to_come_back() -> None:
    # A request every 1,000 seconds: the second one is too many, however slow the machine.
    with spoiled(rate_limit_rps=0.001) as server:
        assert get(server, "/tracks").status_code == 200
        refused = get(server, "/tracks")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.text == '{"detail":"Too Many Requests"}'
        assert get(server, "/health").status_code == 200


def test_the_rate_limit_admits_so_many_requests_a_second() -> None:
    now = [100.0]
    limit = RateLimit(3, clock=lambda: now[0])
    assert [limit.admits() for _ in range(4)] == [True, True, True, False]
    now[0] += 1
    assert [limit.admits() for _ in range(4)] == [True, True, True, False]
    now[0] += 0.4  # 1.2 requests' worth
    assert [limit.admits() for _ in range(2)] == [True, False]
