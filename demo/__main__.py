"""`python -m demo`: serve the demo API until Ctrl-C or SIGTERM. Exit status 0; 2 for a bad option or a taken port."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from demo.server import ACCESS_LOG, DemoServer
from demo.settings import DemoSettings, Faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and give its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error(f"--port must be from 0 (any free port) to 65535, not {options.port}")
    try:
        settings = _settings(options)
    except ValueError as error:
        parser.error(str(error))
    if options.verbose:
        logging.basicConfig(format="%(asctime)s %(message)s")
        ACCESS_LOG.setLevel(logging.DEBUG)
    # SIGTERM takes the way of Ctrl-C, so that both end the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _serve(settings, options.host, options.port)
    except KeyboardInterrupt:
        print("Stopped.")
        return 0


def _serve(settings: DemoSettings, host: str, port: int) -> int:
    server = DemoServer(settings, host, port)
    try:
        server.start()
    except OSError as error:
        print(f"Cannot listen on {host}:{port}: {error}. Choose another with --port.", file=sys.stderr)
        return 2
    with server:
        counts = ", ".join(f"{len(rows)} {table}" for table, rows in server.catalog.rows.items())
        print(f"The demo API answers at {server.url} (day {settings.day}: {counts}).")
        print(f"Ingest from it:  ./spark-submit.sh full-ingest --source moovitamix --api-url {server.url}")
        print("Stop it with Ctrl-C.", flush=True)
        server.serve_forever()
    return 0


def _settings(options: argparse.Namespace) -> DemoSettings:
    faults = Faults(
        latency_ms=options.latency_ms,
        errors=options.errors,
        down=options.down,
        orphans=options.orphans,
        duplicates=options.duplicates,
        nulls=options.nulls,
        moving_total=options.moving_total,
        rate_limit_rps=options.rate_limit_rps,
    )
    return DemoSettings(
        seed=options.seed,
        day=options.day,
        tracks=options.tracks,
        users=options.users,
        sessions=options.sessions,
        blemishes=options.blemishes,
        faults=faults,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="A music API with made-up data: /tracks, /users and /listen_history, in pages of up to 100 rows.",
        epilog="The same options always give the same data. --day N is the data N days later: some sessions, tracks "
        "and users are new, some users changed, and each day one track is gone.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--verbose", action="store_true", help="log each request")
    data = parser.add_argument_group("data")
    data.add_argument("--seed", type=int, default=DemoSettings.seed, help="another seed gives other data")
    data.add_argument("--day", type=int, default=DemoSettings.day, help="how many days to age the data")
    data.add_argument("--tracks", type=int, default=DemoSettings.tracks, help="tracks on day 0")
    data.add_argument("--users", type=int, default=DemoSettings.users, help="users on day 0")
    data.add_argument("--sessions", type=int, default=DemoSettings.sessions, help="listening sessions on day 0")
    data.add_argument(
        "--blemishes",
        action=argparse.BooleanOptionalAction,
        default=DemoSettings.blemishes,
        help="a duplicate track, a track without name, a user without email, rows updated before they were created",
    )
    faults = parser.add_argument_group("faults")
    faults.add_argument("--latency-ms", type=float, default=Faults.latency_ms, help="milliseconds added to each answer")
    faults.add_argument(
        "--errors",
        type=float,
        default=Faults.errors,
        help="share (0 to 1) of pages whose first request gets a 500 or 503",
    )
    faults.add_argument("--down", action="store_true", help="every table answers 503")
    faults.add_argument(
        "--orphans", type=int, default=Faults.orphans, help="extra sessions of users, or with tracks, that do not exist"
    )
    faults.add_argument("--duplicates", type=int, default=Faults.duplicates, help="extra copies of tracks")
    faults.add_argument("--nulls", type=int, default=Faults.nulls, help="users without the email they must have")
    faults.add_argument(
        "--moving-total",
        type=int,
        default=Faults.moving_total,
        help="sessions that appear after the third request for them",
    )
    faults.add_argument(
        "--rate-limit-rps",
        type=float,
        default=Faults.rate_limit_rps,
        help="requests a second above which the answer is 429; None is no limit",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
