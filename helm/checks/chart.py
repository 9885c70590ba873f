"""What the checks of the chart share."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/keyward"
TOOLS = ROOT / "target/tools"
OUTPUT = ROOT / "target/chart"
README = (ROOT / "README.md").read_text()

sys.path.insert(0, str(TOOLS / "chart"))
import yaml  # noqa: E402  (it is among the tools)

RELEASE, NAMESPACE = "k", "keys"
# What the chart sets by values of its own: nobody says it twice, in `settings`.
OWNED = {
    "server.listen", "metrics.enabled", "metrics.listen", "keyring.path",
    "database.path", "database.url", "database.host", "database.port", "database.name",
    "database.user", "database.password_file", "database.tls", "database.tls_ca_file", "database.url_file",
    "limits.redis_url", "limits.redis_url_file", "log.level",
    "tls.certificate_file", "tls.private_key_file", "tls.client_ca_file", "tls.callers_file", "health.listen",
    "log.level_file", "telemetry.otlp_headers_file", "telemetry.service_instance_id",
}
# Settings that the chart sets and that no server has yet.
AWAITED: set[str] = set()


def settings():
    """The rows of the README's table: name, default and bounds of each setting."""
    table = README.split("<!-- settings -->")[1].split("<!-- end of settings -->")[0]
    rows = re.findall(r"^\| `([^`]+)` \| `[^`]+` \| `([^`]+)` \| ([^|]*?) ?\|", table, re.MULTILINE)
    assert len(rows) > 30, "the README has a table of settings"
    return rows


def helm(verb, *arguments, values=None):
    """Runs Helm on the chart, with `values` as a file of values where they are given."""
    if values is not None:
        file = OUTPUT / "values.json"
        file.write_text(json.dumps(values))
        arguments += ("--values", str(file))
    command = [str(TOOLS / "bin/helm"), verb, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def render(*arguments, values=None):
    """The objects of the chart with these values."""
    result = helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *arguments, values=values)
    if result.returncode:
        sys.exit(f"{arguments} {values}\n{result.stderr}")
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def fail(problems):
    """Ends with what is wrong, if anything is."""
    if problems:
        sys.exit("\n".join(problems))
