"""What a lake in S3 costs beside one in a folder: `python -m benchmarks.object_store`.

Runs the demo's first night and the next one into each, in turn. moto's server on loopback plays S3: it is written in Python and
takes its share of the machine, so the ratio is above that of a store elsewhere. Prints seconds, ratio, and requests to the store.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BUCKET = "lakes"
# Prints its address, and goes on until its input ends.
SERVER = f"""
import sys, boto3
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://%s:%d" % server.get_host_and_port()
boto3.client("s3", region_name="us-east-1", endpoint_url=address).create_bucket(Bucket={BUCKET!r})
print(address, flush=True)
sys.stdin.read()
server.stop()
"""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
ASKED = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) /')


def night(lake: str, day: int, env: dict[str, str]) -> float:
    """Seconds of one run, the whole process."""
    started = time.monotonic()
    command = [str(REPO / "spark-submit.sh"), "full-ingest", "--lake", lake, "--set", f"demo.day={day}"]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - started


def main() -> int:
    """Measure, and print a line for each night."""
    with tempfile.TemporaryDirectory() as work:
        log = Path(work) / "requests"
        with log.open("w") as out:
            server = subprocess.Popen(
                [sys.executable, "-c", SERVER],
                env={**os.environ, **CREDENTIALS},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, text=True,
            )  # fmt: skip
        assert server.stdout is not None
        env = {**CREDENTIALS, "AWS_ENDPOINT_URL": server.stdout.readline().strip()}
        before = 0
        for day in (0, 1):
            here, there = night(f"{work}/lake", day, env), night(f"s3://{BUCKET}/lake", day, env)
            lines = log.read_text("utf-8").splitlines()[before:]
            before += len(lines)
            asked = Counter(found[1] for line in lines if (found := ASKED.search(line)))
            said = ", ".join(f"{count:,} {method}" for method, count in asked.most_common())
            print(f"day {day}: folder {here:.1f} s, S3 {there:.1f} s, ratio {there / here:.2f}; {said}")
        server.communicate("")
    return 0


if __name__ == "__main__":
    sys.exit(main())
