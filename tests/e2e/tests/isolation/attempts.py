"""What a workload may try; `STATE` names the mesh's state directory.

`attempts()` tries what must fail, each by its name, and says what became of each.
"""

import ctypes, errno, os, socket, struct

libc = ctypes.CDLL(None, use_errno=True)

# From <linux/netlink.h>, <linux/rtnetlink.h>, <linux/netfilter/nf_tables.h>, <linux/sched.h>, <sys/mount.h>.
REQUEST, ACK, DUMP, CREATE = 1, 4, 0x300, 0x400
ROUTE, NETFILTER = 0, 12
NEWLINK, NEWADDR, NEWROUTE, DELROUTE, DELRULE = 16, 20, 24, 25, 33
BATCH_BEGIN, TABLES = 16, 10 << 8
GETTABLE, DELTABLE, GETRULE = TABLES | 1, TABLES | 2, TABLES | 7
CLONE_NEW = {
    "net": 0x40000000,
    "mnt": 0x20000,
    "pid": 0x20000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
    "user": 0x10000000,
}
MNT_DETACH, MS_BIND, MS_REC, MS_PRIVATE = 2, 0x1000, 0x4000, 0x40000


def named(error):
    return errno.errorcode.get(error.errno, str(error))


def syscall(name, *arguments):
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)


def option(family, level, number):
    with socket.socket(family) as s:
        s.setsockopt(level, number, 1)


def netlink(protocol, kind, flags, payload):
    """Sends one message and waits for the answer; an error is raised."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.settimeout(5)
        s.send(struct.pack("=IHHII", 16 + len(payload), kind, flags | REQUEST | ACK, 1, 0) + payload)
        answer = s.recv(65536)
        if struct.unpack_from("=H", answer, 4)[0] == 2:
            code = -struct.unpack_from("=i", answer, 16)[0]
            if code:
                raise OSError(code, os.strerror(code))


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


inet = struct.pack("=BBH", 1, 0, 0)
link = socket.if_nametoindex("eth0")
somewhere = socket.inet_aton("10.9.8.7")
address = struct.pack("=BBBBI", 2, 32, 0, 0, link) + attribute(2, somewhere)
route = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 254, 4, 253, 1, 0) + attribute(1, somewhere)
rule = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, 0, 0, 1, 0)


def enter(path, kind):
    fd = os.open(path, os.O_RDONLY)
    try:
        syscall("setns", fd, kind)
    finally:
        os.close(fd)


def enter_any():
    """Tries every namespace of every process that can be seen."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name, kind in CLONE_NEW.items():
            try:
                enter(f"/proc/{pid}/ns/{name}", kind)
            except OSError:
                continue
            return f"entered {name} of {pid}"
    raise PermissionError(errno.EPERM, "none")


ATTEMPTS = {
    "SO_MARK": lambda: option(socket.AF_INET, socket.SOL_SOCKET, 36),
    "IP_TRANSPARENT": lambda: option(socket.AF_INET, socket.SOL_IP, 19),
    "IPV6_TRANSPARENT": lambda: option(socket.AF_INET6, socket.IPPROTO_IPV6, 75),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    "read tables": lambda: netlink(NETFILTER, GETTABLE, DUMP, inet),
    "read rules": lambda: netlink(NETFILTER, GETRULE, DUMP, inet),
    "delete all tables": lambda: netlink(NETFILTER, DELTABLE, 0, inet),
    "begin a batch": lambda: netlink(NETFILTER, BATCH_BEGIN, 0, struct.pack(">BBH", 0, 0, 10)),
    "add an address": lambda: netlink(ROUTE, NEWADDR, CREATE, address),
    "add a route": lambda: netlink(ROUTE, NEWROUTE, CREATE, route + attribute(4, struct.pack("=I", link))),
    "delete a route": lambda: netlink(ROUTE, DELROUTE, 0, route),
    "delete a rule": lambda: netlink(ROUTE, DELRULE, 0, rule),
    "take the link down": lambda: netlink(ROUTE, NEWLINK, 0, struct.pack("=BxHiII", 0, 0, link, 0, 1)),
    "enter PID 1's network": lambda: enter("/proc/1/ns/net", CLONE_NEW["net"]),
    "enter any namespace": enter_any,
    "look into PID 1": lambda: os.listdir("/proc/1/root"),
    "uncover the state": lambda: syscall("umount2", STATE.encode(), MNT_DETACH),
    "uncover /etc/resolv.conf": lambda: syscall("umount2", b"/etc/resolv.conf", MNT_DETACH),
    "read keys": lambda: os.listdir(STATE + "/control"),
    "read secrets of its node": lambda: os.listdir(STATE + "/nodes"),
    "connect to the admin socket": lambda: socket.socket(socket.AF_UNIX).connect(STATE + "/admin.sock"),
    "turn a switch of the network": lambda: open("/proc/sys/net/ipv4/conf/all/rp_filter", "w").write("1"),
    "turn a switch of the machine": lambda: open("/proc/sys/kernel/core_pattern", "w").write("x"),
}


def outcome(attempts):
    found = {}
    for name, attempt in attempts.items():
        try:
            found[name] = f"done: {attempt()}"
        except OSError as error:
            found[name] = named(error)
    return found


def attempts():
    return outcome(ATTEMPTS)


def status():
    return dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())


def processes():
    """Names of all processes that it sees."""
    names = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            names.append(open(f"/proc/{pid}/comm").read().strip())
        except FileNotFoundError:
            pass
    return sorted(names)


def state():
    """What it sees in the state directory, by two ways."""
    return [os.listdir(way) for way in (STATE, "/proc/self/root" + STATE)]


def uncover():
    """What root of a user namespace can do about the cover in a mount namespace of its own."""
    syscall("unshare", CLONE_NEW["mnt"])
    syscall("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    below, name = os.path.split(STATE)

    def bind(flags):
        syscall("mount", below.encode(), b"/mnt", None, flags, None)

    found = outcome(
        {
            "unmount": lambda: syscall("umount2", STATE.encode(), MNT_DETACH),
            "bind what is below": lambda: bind(MS_BIND),
        }
    )
    bind(MS_BIND | MS_REC)
    found["bind all"] = os.listdir(f"/mnt/{name}")
    found["after all that"] = os.listdir(STATE)
    return found


def call():
    """What an echo in the mesh says first: the caller's address."""
    with socket.create_connection(("far.shop", 9000), 10) as s:
        return s.recv(100).decode()


def bind_low():
    """Takes a port that is root's elsewhere."""
    with socket.create_server(("0.0.0.0", 80)) as s:
        return s.getsockname()[1]
