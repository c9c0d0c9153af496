"""The files of `make notebook`: a notebook that is opened and saved stays as it was committed."""

from __future__ import annotations

from typing import Any

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

KERNEL = "python3"
_KEY = "language_info"


class NotebookFiles(AsyncLargeFileManager):
    """Files in which no notebook says which Python ran it last.

    JupyterLab writes that (`language_info`, with the patch version) into each notebook that it opens, which marks it as changed,
    saves it after two minutes, and gives a diff to whoever has another Python. It is told what it would write, and it is not kept.
    """

    async def get(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The file, with what the kernel will say of itself, so that JupyterLab finds nothing to change."""
        model: dict[str, Any] = await super().get(path, *args, **kwargs)
        metadata = _metadata(model)
        if metadata.get("kernelspec", {}).get("name") == KERNEL:
            metadata.setdefault(_KEY, dict(IPythonKernel.language_info))
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Save the file without it."""
        _metadata(model).pop(_KEY, None)
        saved: dict[str, Any] = await super().save(model, path)
        return saved


def _metadata(model: dict[str, Any]) -> dict[str, Any]:
    """That of a notebook; empty for anything else, and where the content was not asked for."""
    if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
        return {}
    metadata: dict[str, Any] = model["content"].get("metadata", {})
    return metadata
