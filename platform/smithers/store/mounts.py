"""Tells network file systems, on which SQLite's locks and shared memory do not work, and a log would be lost."""

from __future__ import annotations

import re
from pathlib import Path

from smithers.errors import StoreError

NETWORK = re.compile(
    r"9p|afs|ceph|cifs|coda|davfs|gpfs|lustre|ncpfs|nfs4?|orangefs|pvfs2|smb[23]|smbfs"
    r"|fuse\.(blobfuse2|ceph|davfs2|gcsfuse|glusterfs|goofys|mount-s3|rclone|s3fs|sshfs)|glusterfs"
)
"""Types that the kernel knows, and those of FUSE that are on another machine."""
MOUNTINFO = Path("/proc/self/mountinfo")


def refuse_network(folder: Path, mountinfo: Path = MOUNTINFO) -> None:
    """Raises `StoreError` if the folder is on another machine. Where there is no `/proc`, nothing is known."""
    try:
        table = mountinfo.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = file_system(folder.resolve(), table)
    if NETWORK.fullmatch(kind):
        raise StoreError(
            f"{folder} is on a network file system ({kind}), where SQLite's locks do not hold and runs would be lost. "
            "Move the project to a local disk, or set SMITHERS_DATABASE_URL to a PostgreSQL database.",
            file_system=kind,
        )


def file_system(path: Path, table: str) -> str:
    """Type of the file system that holds an absolute path, from the text of `mountinfo`."""
    best, kind = -1, ""
    for line in table.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not rest:
            continue
        point = _unescape(fields[4])
        # A later line with the same mount point covers the one before.
        if len(point) >= best and path.is_relative_to(point):
            best, kind = len(point), rest.split(" ")[0]
    return kind


def _unescape(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text
