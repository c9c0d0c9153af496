"""What a store's failure is to a person: which store, what was asked for, and what to do.

obstore, delta-rs and Hadoop's S3A each write in their own way what a store said; nothing of it but the address, the status and the
code is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from lib.errors import StoreError

# A store that has no answer for so long is gone; one that asks for patience gets it.
PATIENCE = timedelta(seconds=45)
# Waits grow slowly and by chance: the time is what ends them.
RETRIES = 1000
BACKOFF = timedelta(seconds=4)
CONNECT_S = 5
# For a whole object that is read at once; tables' files are read and written in parts, however long these take.
ANSWER_S = 20
# delta-rs draws a tree of causes, in colours.
_DRAWN = re.compile(r"(?:\x1b\[\d+m|↳|\s)+")
_JAVA_ADDRESS = re.compile(r"s3a?://[A-Za-z0-9._-]+(?:/[A-Za-z0-9._=+-]*[A-Za-z0-9_=+-])*")
_STATUS = re.compile(r"status code:? (\d{3}) |\(Service: [A-Za-z0-9]+, Status Code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|AWSS3IOException: .*?:(\w+): ")
_NO_CREDENTIALS = (
    "Unable to load credentials",
    "No AWS Credentials provided",
    "NoAuthWithAWSException",
)
_OF_A_STORE = re.compile(
    r"Generic (?:S3|GCS|MicrosoftAzure) error|Error performing [A-Z]+ http|necessary privileges|valid authentication credentials"
    r"|(?:software\.amazon\.awssdk|org\.apache\.hadoop\.fs\.s3a)[\w.]*\.\w+(?:Exception|Error)\b"
)
# Said once more, the request may succeed: it or its answer was cut off, and who sent it did not send it again.
_CUT_OFF = re.compile(
    r"HTTP error|error sending request|body error|error decoding response body|connection (?:closed|reset)",
    re.IGNORECASE,
)


def store_error(error: BaseException, where: str = "") -> StoreError | None:
    """The sentence on an error that a store brought about; None where it is another one. `where` is what was asked for."""
    for one in _chain(error):
        if isinstance(one, StoreError):
            return one
    text = _DRAWN.sub(" ", "\n".join(map(str, _chain(error))))
    if not _OF_A_STORE.search(text):
        return None
    found = _STATUS.search(text)
    status = next(filter(None, found.groups()), "") if found else ""
    code_found = _CODE.search(text)
    code = next(filter(None, code_found.groups()), "") if code_found else ""
    at = where or (named[0] if (named := _JAVA_ADDRESS.search(text)) else "the store")
    at = at.replace("s3a://", "s3://")
    said = " ".join(filter(None, (status, code)))
    store = "/".join(at.split("/")[:3])
    if any(sign in text for sign in _NO_CREDENTIALS):
        return no_credentials(at)
    if code == "NoSuchBucket" or (status == "404" and "list request" in text):
        return StoreError(
            f"{at}: the store has no {store} (404 NoSuchBucket); make it, or give another address with --lake"
        )
    if status in ("401", "403") or code in ("ExpiredToken", "InvalidToken"):
        return StoreError(
            f"{at}: the store refuses the credentials that are used ({said}); let them list, read, write and delete there, or use "
            "others, such as by AWS_PROFILE"
        )
    if status == "301":
        return StoreError(f"{at}: the bucket is in another region (301); name it by AWS_REGION or in the profile")
    why = said or "no answer, or its connection was cut off"
    return StoreError(
        f"{at}: the store failed ({why}) each time that it was asked; when it answers, run the same command again, or with "
        "--resume to go on with a run"
    )


def no_credentials(where: str) -> StoreError:
    """The sentence on a store to which nobody has given a key."""
    return StoreError(
        f"{where}: no credentials for this store are here; put them where its own tools find them, such as AWS_PROFILE, "
        "AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or a role of the machine"
    )


def is_cut_off(error: BaseException) -> bool:
    """Whether a request may succeed when it is sent again, and was not sent again until now."""
    text = _DRAWN.sub(" ", str(error))
    return bool(_CUT_OFF.search(text)) and not re.search(r"after [1-9]\d* retries", text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
