"""What the kernel keeps a trial from: writing elsewhere, the network, other programs.

On Linux a process can give up rights for good (Landlock, seccomp). Then threads, ctypes and opens in
C are held like everything else. Elsewhere the audit hook of `racer.checker.sandbox` stands alone,
which holds Python code only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any

FORBIDDEN_CALLS = (
    # programs
    *("execve", "execveat", "fork", "vfork"),
    # other processes
    *("pidfd_open", "pidfd_send_signal", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("rt_sigqueueinfo", "rt_tgsigqueueinfo", "kcmp"),
    # the network
    *("socket", "connect", "bind", "listen", "accept", "accept4"),
    # what a file is, besides what is in it
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr"),
    *("removexattr", "lremovexattr", "fremovexattr"),
    # the machine
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "swapon", "swapoff"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "reboot", "bpf"),
    *("perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "quotactl", "acct"),
    *("settimeofday", "clock_settime", "clock_adjtime", "sethostname", "setdomainname"),
    # a second way to all of these
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
)
SIGNAL_CALLS = ("kill", "tgkill")
"""Allowed to the process itself: the watch over calls sends SIGINT."""
CLONE_THREAD = 0x10000
PR_SET_PDEATHSIG = 1


def kernel_gap() -> str:
    """Why the kernel does not hold a trial here, as the end of a sentence; empty where it does."""
    if sys.platform != "linux":
        return "only Linux can"
    try:
        import landlockpy
        import seccompy
    except ImportError:
        return "landlockpy and seccompy are not installed: pip install landlockpy seccompy"
    if not landlockpy.supported():
        return "this kernel has no Landlock"
    if not seccompy.supported():
        return "this kernel, or its container, allows no seccomp filter"
    return ""


def give_up_rights(folder: str) -> None:
    """Keep this process, for good, from all but computing, reading files, and writing in the folder.

    Nothing happens where the kernel cannot (`kernel_gap`).
    """
    if kernel_gap():
        return
    _stop_numba_from_saving()
    _restrict_files(folder)
    _filter_calls()


def _restrict_files(folder: str) -> None:
    from landlockpy import AccessFS, Ruleset, Scope

    # all rights that there are, but for reading
    handled = AccessFS(sum(AccessFS)) & ~(AccessFS.READ_FILE | AccessFS.READ_DIR)
    scopes = Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL
    with Ruleset(handled_fs=handled, scoped=scopes) as rules:
        rules.allow_path(folder, handled & ~AccessFS.EXECUTE)
        rules.allow_path(os.devnull, AccessFS.WRITE_FILE | AccessFS.TRUNCATE)
        rules.restrict()


def _filter_calls() -> None:
    from seccompy import ArgCmp, CmpOp, Filter

    calls = Filter()
    for name in FORBIDDEN_CALLS:
        with contextlib.suppress(ValueError):  # a call that this architecture does not have
            calls.errno(name, errno.EPERM)
    for name in SIGNAL_CALLS:
        calls.errno(name, errno.EPERM, args=[ArgCmp(0, CmpOp.NE, os.getpid())])
    # it goes on being killed when its parent ends
    calls.errno("prctl", errno.EPERM, args=[ArgCmp(0, CmpOp.EQ, PR_SET_PDEATHSIG)])
    no_thread = ArgCmp(0, CmpOp.MASKED_EQ, 0, mask=CLONE_THREAD)
    calls.errno("clone", errno.EPERM, args=[no_thread])
    calls.errno("clone3", errno.ENOSYS)  # its flags are in memory: libc goes on with clone
    calls.load()


def _stop_numba_from_saving() -> None:
    """Compiled code is not kept: its folder cannot be written any more."""
    if "numba" not in sys.modules:
        return
    from numba.core import caching

    cache_class: Any = caching.Cache
    cache_class.save_overload = lambda cache, signature, data: None
