"""Programs that run while something is measured."""

import os, pathlib, socket, sys, time


def wait_for(what, ask):
    for _ in range(600):
        if answer := ask():
            return answer
        time.sleep(0.05)
    sys.exit(f"waited too long for {what}")


def address(file):
    """What a program writes into a file once it listens."""
    return wait_for(file.name, lambda: file.exists() and file.read_text().strip())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(process):
    """What a process has used, with all its threads."""
    stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
