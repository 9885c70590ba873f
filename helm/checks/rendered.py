"""What no schema tells of the objects that the chart makes: of any values, and of some."""

import json
import re

from chart import CHART, NAMESPACE, OUTPUT, RELEASE, fail, helm, render, yaml
from objects import EACH, of_kind, server

POSTGRESQL = CHART / "ci/postgresql.yaml"


def each_kind_is_there_and_is_not(matrix):
    """All but what a release cannot be without."""
    always = {"ConfigMap", "Deployment", "Pod", "Service"}
    made = set()
    for template in (CHART / "templates").rglob("*.yaml"):
        made |= set(re.findall(r"^kind: (\w+)", template.read_text(), re.MULTILINE))
    problems = []
    for kind in sorted(made):
        there = [name for name, objects in matrix.items() if of_kind(kind, objects)]
        if not there or (kind not in always and len(there) == len(matrix)):
            problems.append(f"{kind} is made with {there}")
    return problems


def job(*arguments):
    (migration,) = of_kind("Job", render("--values", str(POSTGRESQL), *arguments))
    return migration["metadata"]["name"]


def the_migration_is_named_after_what_it_depends_on():
    name = job()
    same = [("logLevel=debug",), ("settings.log.format=text",), ("replicas=5",), ("migration.annotations.a=b",), ("tls.clusterDomain=x",)]
    other = [("image.tag=v9",), ("database.postgresql.host=x",), ("migration.user=x",), ("database.postgresql.tls=off",), ("migration.back.enabled=true",)]
    problems = [f"another migration with {values}" for values in same if job("--set", *values) != name]
    return problems + [f"no other migration with {values}" for values in other if job("--set", *values) == name]


def a_setting_replaces_the_pods():
    """And what the server looks at again and again does not."""
    url = ("--values", str(CHART / "ci/postgresql-url.yaml"))
    pod = lambda *arguments: server(render(*url, *arguments))  # noqa: E731
    problems = [] if pod() != pod("--set", "settings.log.format=text") else ["a setting changes no pod"]
    for value in "logLevel=debug", "tls.callers[0].identity=dns:another", "tls.callers[0].scopes[0]=*":
        if render(*url) == render(*url, "--set", value) or pod() != pod("--set", value):
            problems.append(f"{value} changes a pod, or nothing")
    return problems


def the_schema_goes_back_alone(matrix):
    objects = matrix["postgresql-back"]
    (migration,) = of_kind("Job", objects)
    arguments = migration["spec"]["template"]["spec"]["containers"][0]["args"]
    replicas = of_kind("Deployment", objects)[0]["spec"]["replicas"]
    wanted = ["migrate", "--down", "--to", "m20261122_000004_add_usage", "--force"]
    return [] if (arguments, replicas) == (wanted, 0) else [f"{replicas} pods serve beside {arguments}"]


def numbers(matrix):
    """Of values that are computed or written in another form."""
    of = lambda name: server(matrix[name])["spec"]  # noqa: E731
    settings_of = {name: value for config in of_kind("ConfigMap", matrix["sqlite"]) for name, value in config["data"].items()}
    wanted = [
        ("the grace period is pause, drain and ten seconds", of("default")["terminationGracePeriodSeconds"], 30),
        ("and no pause, and a drain in whole seconds", of("sqlite")["terminationGracePeriodSeconds"], 12),
        ("a large number stays whole", settings_of["KEYWARD__CACHE__MAX_BYTES"], "1099511627776"),
        ("one process at a time with SQLite", of_kind("Deployment", matrix["default"])[0]["spec"]["strategy"]["type"], "Recreate"),
        ("no number of pods beside the autoscaler", "replicas" in of_kind("Deployment", matrix["postgresql-url"])[0]["spec"], False),
    ]
    return [f"{what}: {found} instead of {want}" for what, found, want in wanted if found != want]


def the_migration_is_another_user():
    objects = render("--values", str(POSTGRESQL))
    found = {}
    for kind in ("Deployment", "Job"):
        (owner,) = of_kind(kind, objects)
        pod = owner["spec"]["template"]["spec"]
        env = {variable["name"]: variable.get("value") for variable in pod["containers"][0]["env"]}
        secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
        item, = secrets["database"]["items"]
        found[kind] = (env["KEYWARD__DATABASE__USER"], secrets["database"]["secretName"], item["key"])
    wanted = {"Deployment": ("keyward", "keyward-database", "password"), "Job": ("keyward-owner", "keyward-owner", "owner-password")}
    return [] if found == wanted else [f"the users are {found}"]


def the_age_of_checkpoints_is_that_of_the_settings(matrix):
    """Twice the interval, as given or by default."""
    problems = []
    for name, interval in ("everything", 86400), ("postgresql", 3600):
        (item,) = of_kind("PrometheusRule", matrix[name])
        found = [rule["expr"] for group in item["spec"]["groups"] for rule in group["rules"] if rule["alert"] == "KeywardCheckpointsOld"]
        problems += [f"{name}: {rule}" for rule in found if not rule.endswith(f"> 2 * {interval}")] + ([] if found else [f"{name}: no alert"])
    return problems


def notes():
    """What is told after the installation; the pod in it becomes an object to be checked."""
    problems = []
    for arguments, words in ([], ["deployment/k-keyward --replicas=0", "-plaintext"]), (["--values", str(POSTGRESQL)], [job(), "keyward bootstrap"]):
        result = helm("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client", *arguments)
        text = result.stdout.split("NOTES:")[-1]
        problems += [f"the notes lack {word}: {text}{result.stderr}" for word in words if word not in text]
        pod = re.search(r"^\{.*\}$", text, re.MULTILINE)
        if pod:
            (OUTPUT / "notes.yaml").write_text(pod[0])
            if json.loads(pod[0])["spec"]["containers"][0]["args"] != ["bootstrap"]:
                problems.append("the pod of the notes does something else")
    return problems


def main():
    matrix = {file.stem: list(filter(None, yaml.safe_load_all(file.read_text()))) for file in (OUTPUT / "rendered").glob("*.yaml")}
    problems = [problem for name, objects in matrix.items() for check in EACH for problem in check(name, objects)]
    problems += each_kind_is_there_and_is_not(matrix) + numbers(matrix) + notes()
    problems += the_migration_is_named_after_what_it_depends_on() + a_setting_replaces_the_pods()
    problems += the_migration_is_another_user() + the_schema_goes_back_alone(matrix)
    problems += the_age_of_checkpoints_is_that_of_the_settings(matrix)
    fail(problems)
    for name, objects in matrix.items():
        for rule in of_kind("PrometheusRule", objects):
            (OUTPUT / f"rules-{name}.yaml").write_text(yaml.safe_dump(rule["spec"]))


main()
