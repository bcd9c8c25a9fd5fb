"""Network file systems are told from local ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.errors import StoreError
from smithers.store.mounts import file_system, refuse_network

TABLE = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:5 / /home rw shared:7 master:1 - nfs4 server:/home rw,vers=4.2
31 30 0:6 / /home/work/local rw - xfs /dev/vdb rw
32 22 0:7 / /mnt/my\040share rw - cifs //server/share rw
33 22 0:8 / /mnt/bucket rw - fuse.s3fs s3fs rw
34 22 0:9 / /data rw - ext4 /dev/vdc rw
35 34 0:10 / /data rw - fuse.sshfs host:/ rw
short line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/project", "ext4"),
        ("/home/work/project", "nfs4"),
        ("/homework", "ext4"),
        ("/home/work/local/project", "xfs"),
        ("/mnt/my share/p", "cifs"),
        ("/data/p", "fuse.sshfs"),
    ],
)
def test_the_nearest_and_newest_mount_decides(path: str, kind: str) -> None:
    assert file_system(Path(path), TABLE) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "ceph"])
def test_network_file_systems_are_refused_with_the_way_out(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:1 / / rw - {kind} server:/ rw\n")

    with pytest.raises(StoreError, match="SMITHERS_DATABASE_URL"):
        refuse_network(tmp_path, table)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "fuse.bindfs", "zfs"])
def test_local_file_systems_are_taken(tmp_path: Path, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:1 / / rw - {kind} /dev/x rw\n")

    refuse_network(tmp_path, table)


def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path) -> None:
    refuse_network(tmp_path, tmp_path / "missing")
