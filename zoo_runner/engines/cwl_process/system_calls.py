"""Which system calls the kernel refuses to processes that run code of a package (seccomp); pure.

Four processes have a filter: that of JavaScript may only compute, that of quick-looks also reads at any place of files
that it has open, a step in a sandbox may do what programs do and nothing that administers a machine, and neither may an
isolated launcher, which has no network besides. libseccomp would have the numbers of more machines than these two; its
Python binding is no package of its own. On other machines there is no filter.
Sources: linux/seccomp.h, linux/filter.h, linux/audit.h, the tables of calls of x86-64 and ARM64 (asm-generic/unistd.h),
and, for steps, the default profile of podman and docker.
"""

import errno
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000  # with an error number
# load a word of the call, compare it, test its bits, return
_LOAD, _EQUALS, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# struct seccomp_data: where the call's number, its architecture and its arguments lie (the low words of these)
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PROT_EXEC = 4
_NAMESPACES = 0x7E020000  # CLONE_NEW…
_UNIX, _IPV4, _IPV6, _NETLINK = 1, 2, 10, 16
# put words into the input of a terminal
_TERMINAL_INPUT = (0x5412, 0x541C)
# of 6.12: what a later kernel has is unknown here
_FIRST_UNKNOWN = 463

_Instruction = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Machine:
    """Numbers of one kind of machine.

    `computing`: read, write, close, fstat, lseek, munmap, brk, rt_sigaction, rt_sigprocmask, rt_sigreturn, sched_yield,
    mremap, madvise, exit, gettimeofday, futex, clock_gettime, exit_group, getrandom. `mapping`: mmap, mprotect.
    `administering`: mounts, other roots, namespaces, modules, clocks, swap, host names, quotas, accounting, keys,
    parameters of the kernel, files by handle, memory and calls of other processes (ptrace among them), BPF, io_uring
    (which evades filters), userfaultfd, perf.
    """

    architecture: int
    computing: tuple[int, ...]
    mapping: tuple[int, ...]
    administering: tuple[int, ...]
    socket: int
    ioctl: int
    clone: int
    pread: int


# the same on both: io_uring, mounts by descriptors, pidfd_getfd, process_madvise, mount_setattr, quotactl_fd,
# memfd_secret, statmount and listmount
_SAME = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443, 447, 457, 458)
_CLONE3 = 435
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (0, 1, 3, 5, 8, 11, 12, 13, 14, 15, 24, 25, 28, 60, 96, 202, 228, 231, 318),
        (9, 10),
        (
            *(101, 103, 134, 136, 139, 153, 155, 156, 159, 161, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173),
            *(174, 175, 176, 177, 178, 179, 180, 212, 227, 246, 248, 249, 250, 256, 272, 279, 298, 300, 303, 304, 305),
            *(308, 310, 311, 312, 313, 320, 321, 323, *_SAME),
        ),
        socket=41,
        ioctl=16,
        clone=56,
        pread=17,
    ),
    "aarch64": _Machine(
        0xC00000B7,
        (63, 64, 57, 80, 62, 215, 214, 134, 135, 139, 124, 216, 233, 93, 169, 98, 113, 94, 278),
        (222, 226),
        (
            *(18, 39, 40, 41, 42, 51, 58, 60, 89, 97, 104, 105, 106, 112, 116, 117, 142, 161, 162, 170, 171, 217, 218),
            *(219, 224, 225, 238, 239, 241, 262, 264, 265, 266, 268, 270, 271, 272, 273, 280, 282, 294, *_SAME),
        ),
        socket=198,
        ioctl=29,
        clone=220,
        pread=67,
    ),
}


def filter_javascript(machine: str) -> bytes:
    """Build the filter of the process of JavaScript: it reads, writes and computes, and maps no memory as code."""
    return _build(machine, _list_for_javascript, _refuse(errno.EPERM))


def filter_reader(machine: str) -> bytes:
    """Build the filter of a process that reads a file which it has open, and draws: it computes, and opens nothing."""
    return _build(machine, _list_for_reader, _refuse(errno.EPERM))


def filter_step(machine: str) -> bytes:
    """Build the filter of a step in a sandbox."""
    return _build(machine, _list_for_step, _ALLOW)


def filter_launcher(machine: str) -> bytes:
    """Build the filter of an isolated launcher: no socket but those of the file system and the kernel's own."""
    return _build(machine, _list_for_launcher, _ALLOW)


def _list_for_javascript(numbers: _Machine) -> Iterable[list[_Instruction]]:
    yield from (_answer(number, _ALLOW) for number in numbers.computing)
    yield from (_refuse_bits(number, 2, _PROT_EXEC) for number in numbers.mapping)


def _list_for_reader(numbers: _Machine) -> Iterable[list[_Instruction]]:
    yield _answer(numbers.pread, _ALLOW)
    yield from _list_for_javascript(numbers)


def _list_for_step(numbers: _Machine) -> Iterable[list[_Instruction]]:
    yield [(_AT_LEAST, 0, 1, _FIRST_UNKNOWN), (_RETURN, 0, 0, _refuse(errno.ENOSYS))]
    yield _judge(numbers.socket, 0, (_UNIX, _IPV4, _IPV6, _NETLINK), _ALLOW, _refuse(errno.EAFNOSUPPORT))
    yield _judge(numbers.ioctl, 1, _TERMINAL_INPUT, _refuse(errno.EPERM), _ALLOW)
    yield from _list_for_programs(numbers)


def _list_for_launcher(numbers: _Machine) -> Iterable[list[_Instruction]]:
    yield _judge(numbers.socket, 0, (_UNIX, _NETLINK), _ALLOW, _refuse(errno.EPERM))
    yield from _list_for_programs(numbers)


def _list_for_programs(numbers: _Machine) -> Iterable[list[_Instruction]]:
    # its flags lie in memory, where a filter cannot read them; programs then take clone
    yield _answer(_CLONE3, _refuse(errno.ENOSYS))
    yield _refuse_bits(numbers.clone, 0, _NAMESPACES)
    yield from (_answer(number, _refuse(errno.EPERM)) for number in numbers.administering)


def _build(machine: str, list_blocks: Callable[[_Machine], Iterable[list[_Instruction]]], otherwise: int) -> bytes:
    """Build the program by which the kernel judges each call; empty where the machine's numbers are unknown."""
    numbers = _MACHINES.get(machine)
    if numbers is None:
        return b""
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUALS, 1, 0, numbers.architecture),
        (_RETURN, 0, 0, _refuse(errno.EPERM)),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for block in list_blocks(numbers):
        code += block
    code.append((_RETURN, 0, 0, otherwise))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _refuse(error: int) -> int:
    return _REFUSE | error


def _answer(number: int, answer: int) -> list[_Instruction]:
    return [(_EQUALS, 0, 1, number), (_RETURN, 0, 0, answer)]


def _refuse_bits(number: int, argument: int, bits: int) -> list[_Instruction]:
    """Refuse a call that has one of some bits in an argument, and allow it otherwise."""
    return [
        (_EQUALS, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        (_HAS_BITS, 0, 1, bits),
        (_RETURN, 0, 0, _refuse(errno.EPERM)),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _judge(number: int, argument: int, values: tuple[int, ...], answer: int, otherwise: int) -> list[_Instruction]:
    """Give a call with one of some values of an argument an answer, and all others another one."""
    found = [instruction for value in values for instruction in _answer(value, answer)]
    return [
        (_EQUALS, 0, len(found) + 2, number),
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        *found,
        (_RETURN, 0, 0, otherwise),
    ]
