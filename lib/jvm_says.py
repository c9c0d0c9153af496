"""What the JVM says on stderr, on a terminal where a person looks on: above the progress bar, and errors alone."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from pyspark import SparkConf, SparkContext, java_gateway

from lib.logs import LOGGER, is_for_people

log = logging.getLogger(LOGGER)
# As conf/log4j2.properties writes a line. One that does not begin so belongs to the line before it.
_LINE = re.compile(r"\d\d:\d\d:\d\d ([A-Z]+) ")
_launch: Callable[[SparkConf, dict[str, Any]], Any] = java_gateway.launch_gateway
# So many lines are shown where the JVM does not start: they say why.
_LAST = 20


def start_jvm(options: dict[str, str]) -> None:
    """Start the JVM of a Spark session with these options, if a person looks on and there is none yet.

    Warnings, of which few can be acted on, are shown with --verbose. Elsewhere the JVM writes to stderr by itself.
    """
    if not is_for_people() or SparkContext._gateway is not None:
        return
    conf = SparkConf()
    for name, value in options.items():
        conf.set(name, value)
    ours, theirs = os.pipe()
    said: deque[str] = deque(maxlen=_LAST)
    reader = threading.Thread(target=_relay, args=(ours, said), name="what the JVM says", daemon=True)
    reader.start()
    is_there = False
    try:
        gateway = _launch(conf, {"stderr": theirs})
        is_there = True
    finally:
        os.close(theirs)
        if not is_there:
            reader.join(timeout=1)
            if said:
                log.error("%s", "\n".join(said))
    SparkContext._ensure_initialized(gateway=gateway, conf=conf)


def _relay(ours: int, said: deque[str]) -> None:
    level = logging.DEBUG
    with os.fdopen(ours, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line.rstrip()
            said.append(text)
            if found := _LINE.match(text):
                level = logging.ERROR if found[1] in ("ERROR", "FATAL") else logging.DEBUG
            log.log(level, "%s", text)
