"""One HTTP request to a sink: nothing of the environment in it, no redirect, no second try, and no secret in what failed."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from lib.errors import ExportError

MOST_BYTES = 65_536
"""An answer of a sink is short; more of it is not read."""


def request(method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> bytes:
    """Send the body; the start of the answer's.

    Raises:
        ExportError: no connection, no answer in time, or a status that is not 2xx.
    """
    with requests.Session() as session:
        session.trust_env = False  # no proxy, .netrc or certificates that the settings do not name
        try:
            response = session.request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            )
            answer = b""
            for part in response.iter_content(MOST_BYTES):
                answer += part
                if len(answer) >= MOST_BYTES:
                    break
        except requests.Timeout:
            raise ExportError("no answer in time; see that it runs and can be reached from here") from None
        except (requests.exceptions.InvalidHeader, UnicodeError):
            raise ExportError("a header cannot be sent as it is; see the value of its environment variable") from None
        except (requests.RequestException, OSError) as error:
            # Without the cause, whose text may hold a header.
            raise ExportError(f"{_reason(error)}; see that it runs and that the address is right") from None
    if 300 <= response.status_code < 400:
        raise ExportError(f"it answered {response.status_code}, and redirects are not followed; write the last address")
    if not 200 <= response.status_code < 300:
        hint = "see the credentials" if response.status_code in (401, 403) else "its own log says why"
        raise ExportError(f"it answered {response.status_code}; {hint}")
    return answer


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    return "no connection" if isinstance(error, requests.ConnectionError) else "the connection broke"
