# session.py - starts and ends every process of a benchmark
# SPDX-License-Identifier: MIT
"""A session owns a temporary folder, one broker, and every process started for a measurement. Leaving it ends them all,
even after an error."""

import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "bench", "peers")


class BenchError(Exception):
    """Something could not run; the message says what and what to do."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def say(text):
    print(text, file=sys.stderr, flush=True)


def shown(command):
    """A command line for the report, without this machine's folders."""
    return shlex.join([re.sub(r".*/(?=freshet-|peer$)", "", str(a)).replace(ROOT + os.sep, "") for a in command])


class Server:
    """A running peer."""

    def __init__(self, name, url, publish_args, pids, workdir):
        self.name, self.url, self.publish_args, self.pids, self.workdir = name, url, publish_args, pids, workdir

    def admin_port(self):
        with open(os.path.join(self.workdir, "admin-port"), encoding="ascii") as f:
            return int(f.read())


class Load:
    """One freshet-load under our control. Its commands go to its stdin, one line each, and it answers with a line."""

    def __init__(self, session, server, name, **options):
        self.session = session
        self.json = os.path.join(session.workdir, f"load-{name}.json")
        arguments = {"url": server.url, "server-pid": server.pids, "json": self.json, **options}
        self.command_line = [session.tool("freshet-load"), "--control"]
        for key, value in arguments.items():
            if value is True:
                self.command_line.append(f"--{key}")
            elif value is not None and value is not False:
                self.command_line += [f"--{key}", str(value)]
        self.log = os.path.join(session.workdir, f"load-{name}.log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = session.spawn(self.command_line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.unread = b""

    def line(self, timeout):
        deadline = time.monotonic() + timeout
        while b"\n" not in self.unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise BenchError(f"freshet-load did not answer within {timeout:.0f} s")
            chunk = os.read(self.process.stdout.fileno(), 65536)
            if not chunk:
                raise BenchError("freshet-load ended: " + self.complaint())
            self.unread += chunk
        line, self.unread = self.unread.split(b"\n", 1)
        return line.decode()

    def complaint(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return " ".join(f.read().split())[-400:] or "without a word"

    def ready(self, timeout=130):
        return int(self.line(timeout).split()[1])

    def order(self, command, timeout=60):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.line(timeout)

    def finish(self):
        """Ends the run; returns the figures, with its warnings."""
        try:
            self.process.stdin.write(b"stop\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.stdout.read()
        self.session.reap(self.process, 60)
        if self.process.returncode not in (0, 3):
            raise BenchError("freshet-load failed: " + self.complaint())
        with open(self.json, encoding="utf-8") as f:
            figures = json.load(f)
        if self.process.returncode == 3:
            figures["complaint"] = self.complaint()
        return figures


class Session:
    def __init__(self, bin_dir, keep=False):
        self.bin = os.path.abspath(bin_dir)
        self.keep = keep
        self.workdir = None
        self.nats_url = None
        self.processes = []
        self.servers = []
        self.commands = []  # every distinct command line, for results.json

    def __enter__(self):
        self.workdir = tempfile.mkdtemp(prefix="freshet-bench-")
        try:
            self.make_certificate()
            self.start_broker()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        # A second ctrl-C must not stop the cleaning up.
        previous = [signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]
        for server in list(self.servers):
            self.stop_peer(server)
        # In reverse order: a publisher can't finish without the broker.
        for process in reversed(self.processes[:]):
            if process.poll() is None:
                process.terminate()
            self.reap(process, 5)
        if not self.keep:
            shutil.rmtree(self.workdir, ignore_errors=True)
        signal.signal(signal.SIGINT, previous[0])
        signal.signal(signal.SIGTERM, previous[1])

    def tool(self, name):
        path = os.path.join(self.bin, name)
        if not os.access(path, os.X_OK):
            raise BenchError(f"{path} is not built")
        return path

    def spawn(self, command, **options):
        # A session of its own: ctrl-C reaches us alone, and we end things in order.
        process = subprocess.Popen(command, start_new_session=True, **options)
        self.processes.append(process)
        line = re.sub(r"(?<=127\.0\.0\.1:)\d+|(?<=-p )\d+|(?<=--server-pid )[\d,]+|\S*freshet-bench-\w+(?=/)", "…",
                      shown(command))
        if line not in self.commands:
            self.commands.append(line)
        return process

    def reap(self, process, timeout):
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process in self.processes:
            self.processes.remove(process)

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", os.path.join(self.workdir, "server.key"), "-out", os.path.join(self.workdir, "server.crt")],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_broker(self):
        port = free_port()
        self.nats_url = f"nats://127.0.0.1:{port}"
        log = open(os.path.join(self.workdir, "nats.log"), "w", encoding="utf-8")
        process = self.spawn(["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js",
                              "-sd", os.path.join(self.workdir, "jetstream")], stdout=log, stderr=log)
        log.close()
        wait_for_port(port, process, "nats-server")

    def peer(self, name, *arguments, **environment):
        script = os.path.join(PEERS, name, "peer")
        if not os.access(script, os.X_OK):
            raise BenchError(f"there is no peer '{name}' (a folder of bench/peers with an executable 'peer')")
        return subprocess.run([script, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True, check=False,
                              env={**os.environ, "BENCH_BIN": self.bin, **{k: str(v) for k, v in environment.items()}})

    def peer_version(self, name):
        """(version, None), or (None, why it can't run here)."""
        result = self.peer(name, "check")
        if result.returncode != 0:
            self.peer(name, "install")
            result = self.peer(name, "check")
        if result.returncode == 0:
            return result.stdout.strip(), None
        return None, result.stderr.strip()

    @contextmanager
    def server(self, name, workers=1, streams=1000, publish=""):
        port = free_port()
        workdir = tempfile.mkdtemp(prefix=name + "-", dir=self.workdir)
        for file in ("server.crt", "server.key"):
            shutil.copy(os.path.join(self.workdir, file), workdir)
        server = Server(name, None, None, None, workdir)
        self.servers.append(server)
        try:
            result = self.peer(name, "start", port, workdir, self.nats_url, BENCH_WORKERS=workers, BENCH_STREAMS=streams,
                               BENCH_PUBLISH=publish)
            if result.returncode != 0:
                raise BenchError(f"{name} does not start: {result.stderr.strip()}")
            server.pids = result.stdout.strip()
            server.url = self.peer(name, "subscribe-url", port).stdout.strip()
            server.publish_args = self.peer(name, "publish-args", port, workdir, self.nats_url).stdout.split()
            yield server
        finally:
            self.stop_peer(server)

    def stop_peer(self, server):
        if server in self.servers:
            self.peer(server.name, "stop", server.workdir)
            self.servers.remove(server)
            if not self.keep:
                shutil.rmtree(server.workdir, ignore_errors=True)

    def load(self, server, name="main", **options):
        return Load(self, server, name, **options)

    def start_publisher(self, server, name="main", **options):
        path = os.path.join(self.workdir, f"publish-{name}.json")
        command = [self.tool("freshet-publish"), *server.publish_args, "--json", path]
        for key, value in options.items():
            if value is True:
                command.append(f"--{key}")
            elif value is not None:
                command += [f"--{key}", str(value)]
        if os.path.exists(path):
            os.remove(path)
        process = self.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        process.figures_path = path
        return process

    def end_publisher(self, process, timeout):
        """Its figures; None when it could not send its messages in time."""
        try:
            _, complaint = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            self.reap(process, 5)
            return None
        self.reap(process, 5)
        if not os.path.exists(process.figures_path):
            raise BenchError("freshet-publish failed: " + complaint.decode(errors="replace").strip())
        with open(process.figures_path, encoding="utf-8") as f:
            return json.load(f)

    def publish(self, server, timeout=60, **options):
        figures = self.end_publisher(self.start_publisher(server, **options), timeout)
        if figures is None:
            raise BenchError("freshet-publish did not end in time")
        return figures


def wait_for_port(port, process, what, timeout=10):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise BenchError(f"{what} does not listen on port {port}")
