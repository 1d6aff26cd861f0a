"""The archives in which models travel: written so that the same model gives the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from racer.errors import UsageError
from racer.logs import locate_logs, visit_files

MAX_MEMBER_BYTES = 512 << 20


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """A `.tar.gz` of files by their names, without times or owners.

    Examples
    --------
    >>> packed = pack_files({"model_metadata.json": b"{}"})
    >>> packed == pack_files({"model_metadata.json": b"{}"})
    True
    """
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", compresslevel=6, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, part in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(part)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(part))
    return content.getvalue()


def unpack_files(path: Path) -> dict[str, bytes]:
    """The files in an archive by their names. Nothing is written. Raises UsageError."""
    location = locate_logs(path)
    files = {
        entry.name: entry.read(MAX_MEMBER_BYTES) for entry in visit_files(location, lambda _: True)
    }
    if location.notes:
        raise UsageError(f"{path}: {location.notes[0]}")
    return files
