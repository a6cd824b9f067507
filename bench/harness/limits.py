# limits.py - what the machine has to allow, checked before anything is started
# SPDX-License-Identifier: MIT
import os
import resource

GIB = 1 << 30


def meminfo(key):
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def file_limit():
    """The hard limit, which every process of ours then uses."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def problems(connections, memory_gib):
    """What keeps a scenario from running here: a list of sentences that say what to change."""
    found = []
    files = connections + 1000
    if file_limit() < files:
        found.append(f"needs {files} file descriptors in one process, the hard limit is {file_limit()}: "
                     f"raise it, for instance with 'ulimit -Hn {files}' as root")
    available = meminfo("MemAvailable")
    if available < memory_gib * GIB:
        found.append(f"needs {memory_gib} GiB of free memory, {available / GIB:.1f} GiB are available: "
                     "end other programs or leave the scenario out")
    for path, least, name in (("/proc/sys/net/core/somaxconn", min(connections, 1024), "net.core.somaxconn"),
                              ("/proc/sys/fs/file-max", 2 * connections + 10000, "fs.file-max")):
        try:
            with open(path, encoding="ascii") as f:
                value = int(f.read())
        except (OSError, ValueError):
            continue
        if value < least:
            found.append(f"{name} is {value}, needs {least}: sysctl -w {name}={least}")
    return found


def busy():
    """A sentence when something else uses the processors, else None."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    if load > 0.3 * cores:
        return f"the load average is {load:.1f} on {cores} processors: something else is running, figures will suffer"
    return None
