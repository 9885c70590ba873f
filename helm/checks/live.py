"""Two replicas on PostgreSQL and Redis, a Prometheus that scrapes them, and some calls: every query of the dashboard
returns data. Usage: live.py PROGRAM GRPCURL PROMETHEUS PROMTOOL POSTGRESQL_URL REDIS_URL"""

import contextlib
import json
import math
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from chart import CHART, RELEASE, NAMESPACE, fail

PROGRAM, GRPCURL, PROMETHEUS, PROMTOOL, POSTGRESQL, REDIS = sys.argv[1:]
PATIENCE_S = 120
JOB = f"{RELEASE}-keyward"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(what, seen):
    """Asks again and again; answers what was seen."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            found = seen()
            if found:
                return found
        time.sleep(0.2)
    sys.exit(f"waited in vain for {what}")


def get(address):
    with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
        return answer.read().decode()


def finite(result):
    return [row for row in result if math.isfinite(float(row["value"][1]))]


def encrypted(place):
    """Settings of TLS, with a certificate that signs itself."""
    certificate, key = place / "tls.crt", place / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                    "-subj", "/CN=keyward", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    key.chmod(0o600)
    return {"KEYWARD__TLS__CERTIFICATE_FILE": str(certificate), "KEYWARD__TLS__PRIVATE_KEY_FILE": str(key),
            "KEYWARD__HEALTH__LISTEN": f"127.0.0.1:{free_port()}"}


class Replica:
    def __init__(self, place, running, more=None):
        self.grpc, self.metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.settings = {
            "KEYWARD__SERVER__LISTEN": self.grpc, "KEYWARD__METRICS__LISTEN": self.metrics,
            "KEYWARD__KEYRING__PATH": str(place / "keyring"), "KEYWARD__DATABASE__URL": POSTGRESQL,
            "KEYWARD__LIMITS__REDIS_URL": REDIS,
            # Nobody takes spans there, which is told as well.
            "KEYWARD__TELEMETRY__OTLP_ENDPOINT": "http://127.0.0.1:1",
        }
        self.settings |= more or {}
        self.run("migrate")
        self.running = running

    def run(self, *command):
        return subprocess.run([PROGRAM, *command], env=self.settings, check=True, capture_output=True, text=True).stdout.strip()

    def serve(self):
        started(self.running, [PROGRAM, "serve"], env=self.settings)
        until("a replica that serves", lambda: subprocess.run([PROGRAM, "health"], env=self.settings, capture_output=True, check=False).returncode == 0)


def started(running, command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    running.callback(process.wait)
    running.callback(process.terminate)


def prometheus(place, running, replicas):
    targets = [{"targets": [replica.metrics], "labels": {"namespace": NAMESPACE, "job": JOB, "pod": f"pod-{number}"}}
               for number, replica in enumerate(replicas)]
    scrape = {"job_name": "replicas", "scrape_interval": "1s", "static_configs": targets}
    (place / "prometheus.yaml").write_text(json.dumps({"scrape_configs": [scrape]}))
    address = f"127.0.0.1:{free_port()}"
    started(running, [PROMETHEUS, f"--config.file={place}/prometheus.yaml", f"--storage.tsdb.path={place}/data", f"--web.listen-address={address}"])
    return address


def queries():
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    for panel in panels:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "30s").replace("$namespace", NAMESPACE).replace("$job", JOB)


def main():
    with contextlib.ExitStack() as running:
        place = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        replicas = [Replica(place, running) for _ in range(2)]
        caller = replicas[0].run("bootstrap")
        # One more that nobody calls, for its certificate.
        with_tls = Replica(place, running, encrypted(place))
        for replica in [*replicas, with_tls]:
            replica.serve()
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=get(f"{replicas[0].metrics}/metrics"), capture_output=True, text=True, check=False)
        fail([checked.stdout + checked.stderr] if checked.returncode else [])
        address = prometheus(place, running, [*replicas, with_tls])

        def ask(replica, method, request):
            command = [GRPCURL, "-plaintext", "-H", f"authorization: Bearer {caller}", "-d", json.dumps(request), replica.grpc, f"keyward.v1.{method}"]
            return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

        def call():
            """A question, and a change that waits for all replicas: of a key that they may know."""
            key = {"parent": "workspaces/system", "key": {"display_name": "load", "grants": [{"scope": "introspect"}]}}
            for replica in replicas:
                made = ask(replica, "KeyAdmin/CreateKey", key)
                ask(replica, "Introspect/Introspect", {"secret": made["secret"]})
                ask(replica, "KeyAdmin/RevokeKey", {"name": made["key"]["name"]})

        def answered(query):
            call()
            answer = json.loads(get(f"{address}/api/v1/query?" + urllib.parse.urlencode({"query": query})))
            return finite(answer["data"]["result"])

        count = 0
        for query in queries():
            until(query, lambda query=query: answered(query))
            count += 1
        print(f"{count} queries of the dashboard return data")


main()
