"""Every metric that an alert or the dashboard names exists, with the labels it is asked for; and every
metric that exists is on the dashboard. Writes the queries of the dashboard as rules, to be parsed."""

import json
import re

from chart import CHART, OUTPUT, README, fail, yaml

# What Prometheus adds to every metric.
OF_TARGETS = {"namespace", "job", "pod", "instance"}
# How the names of metrics begin, those of OpenTelemetry's conventions included.
NAME = r"(?:keyward|rpc|process)_[a-z_]+"
# What a histogram is told as, and the label of its classes.
PARTS = re.compile("_(bucket|sum|count)$")
CLASS = "le"


def metrics():
    """The README's table: of each metric, its labels."""
    table = README.split("<!-- metrics -->")[1].split("<!-- end of metrics -->")[0]
    # Only the first of a row's cells.
    cells = " ".join(re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE))
    names = re.findall(rf"`({NAME})(?:\{{([a-z_,]+)\}})?`", cells)
    assert len(names) > 40, "the README has a table of metrics"
    return {name: set(labels.split(",")) - {""} for name, labels in names}


def whole(name, known):
    """The metric that this is, or is a part of."""
    return name if name in known else PARTS.sub("", name)


def wrong(query, known):
    problems = []
    of_any = set().union(*known.values())
    for name, matchers in re.findall(rf"\b({NAME})(?:\{{([^}}]*)\}})?", query):
        if name in of_any:
            continue
        name = whole(name, known)
        if name not in known:
            problems.append(f"there is no metric {name}: {query}")
            continue
        labels = set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)\"", matchers))
        problems += [f"{name} has no label {label}: {query}" for label in labels - known[name] - OF_TARGETS - {CLASS}]
        if "job" not in labels:
            problems.append(f"{name} is asked for without its job: {query}")
    return problems


def main():
    known = metrics()
    groups = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    asked = [rule["expr"] for group in groups for rule in group["rules"]]
    panels = json.loads((CHART / "files/dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    problems = [problem for query in asked + shown for problem in wrong(query, known)]
    seen = {whole(name, known) for name in re.findall(rf"\b{NAME}", " ".join(shown))}
    problems += [f"{name} is not on the dashboard" for name in known.keys() - seen]
    fail(problems)
    rules = [{"record": f"panel:{number}", "expr": query.replace("$__rate_interval", "5m")} for number, query in enumerate(shown)]
    (OUTPUT / "dashboard-rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))


main()
