"""Whether a folder is on a disk of this machine."""

from __future__ import annotations

import os
from pathlib import Path

# What Linux, macOS and Windows call file systems on disks of their own. Of any other, the safe answer is no.
_LOCAL = frozenset({"apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fat", "fat32", "hfs", "hfs+", "jfs", "msdos",
                    "ntfs", "ntfs3", "overlay", "ramfs", "refs", "reiserfs", "rootfs", "tmpfs", "udf", "ufs", "vfat", "xfs", "zfs"})


def is_local(folder: Path) -> bool:
    """Return whether `folder` is known to be on a local disk; False for network disks and for whatever is not known."""
    import psutil

    path = os.path.realpath(folder)
    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return False
    inside = [mount for mount in mounts if path == mount.mountpoint or path.startswith(os.path.join(mount.mountpoint, ""))]
    if not inside:
        return False
    # Of two on one folder the later one lies on top.
    mount = max(enumerate(inside), key=lambda pair: (len(pair[1].mountpoint), pair[0]))[1]
    return mount.fstype.lower() in _LOCAL and "remote" not in mount.opts.split(",")
