"""The parts of the chart's schema that follow from elsewhere: settings from the README's table, alerts
from their file; and whether all that there is is documented. Usage: derived.py [--write]"""

import json
import re
import sys

from chart import AWAITED, CHART, OWNED, ROOT, fail, settings, yaml

FILE = CHART / "values.schema.json"
WIDTH = 110
# Of these, values.yaml names none or some: the README of the server does, and Kubernetes.
NOT_LISTED = {"global", "settings", "probes", "tls.certManager.issuerRef"}


def number(text):
    return int(text.replace(",", ""))


def of_setting(default, bounds):
    if default in ("true", "false"):
        return {"type": "boolean"}
    if default.startswith('"'):
        return {"type": "string"}
    lowest, highest = bounds.split(" – ")
    return {"type": "number" if "." in default else "integer", "minimum": number(lowest), "maximum": number(highest)}


def of_settings():
    sections = {}
    for name, default, bounds in settings():
        if name not in OWNED | AWAITED:
            section, leaf = name.split(".")
            sections.setdefault(section, {})[leaf] = of_setting(default, bounds)
    return strict({section: strict(leaves) for section, leaves in sections.items()})


def strict(properties):
    return {"type": "object", "additionalProperties": False, "properties": properties}


def alerts():
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def undocumented(schema, values, path=""):
    """What the schema allows and values.yaml, which is the documentation, does not name."""
    for name, inner in schema.get("properties", {}).items():
        if path + name in NOT_LISTED:
            continue
        if name not in values:
            yield f"values.yaml lacks {path}{name}"
        elif isinstance(values[name], dict):
            yield from undocumented(inner, values[name], f"{path}{name}.")


def written(value, indent=0):
    """JSON, on one line where that is short enough to read."""
    short = json.dumps(value, ensure_ascii=False)
    if len(short) + indent <= WIDTH or not isinstance(value, (dict, list)):
        return short
    inner = " " * (indent + 2)
    if isinstance(value, list):
        items = [written(item, indent + 2) for item in value]
    else:
        items = [f"{json.dumps(key)}: {written(item, indent + 2)}" for key, item in value.items()]
    opening, closing = ("[", "]") if isinstance(value, list) else ("{", "}")
    return opening + "\n" + ",\n".join(inner + item for item in items) + "\n" + " " * indent + closing


def main():
    text = FILE.read_text()
    schema = json.loads(text)
    schema["properties"]["settings"] = of_settings()
    disabled = schema["properties"]["metrics"]["properties"]["prometheusRule"]["properties"]["disabled"]
    disabled["items"] = {"enum": alerts()}
    new = written(schema) + "\n"
    if "--write" in sys.argv:
        FILE.write_text(new)
        return
    problems = []
    if new != text:
        problems.append("values.schema.json is not what settings and alerts make of it: run `.ci/chart --write`")
    known = {name for name, _, _ in settings()}
    problems += [f"{name} is a setting by now: it is not AWAITED any more, but OWNED" for name in AWAITED & known]
    problems += [f"{name} is no setting any more" for name in OWNED - known]
    problems += undocumented(schema, yaml.safe_load((CHART / "values.yaml").read_text()))
    readme, tests = (CHART / "README.md").read_text(), (ROOT / "helm/checks/alerts.yaml").read_text()
    problems += [f"the README of the chart lacks the alert {name}" for name in alerts() if not re.search(rf"^\| [^|]*`{name}`[^|]* \|", readme, re.MULTILINE)]
    problems += [f"no test has the alert {name} fire" for name in alerts() if f'alertname="{name}"' not in tests]
    problems += [f"no description: {row}" for row in readme.splitlines() if row.endswith("|  |")]
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    if yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] != version:
        problems.append(f"the version of the application is {version}")
    fail(problems)


main()
