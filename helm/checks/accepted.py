"""The program takes the settings that the chart gives to its containers. Usage: accepted.py PROGRAM"""

import shutil
import subprocess
import sys

from chart import AWAITED, OUTPUT, fail, yaml

# What secrets hold that are read with the settings.
SECRETS = {
    "/run/secrets/database/url": "postgres://keyward:password@db.example/keyward",
    "/run/secrets/redis/url": "redis://redis.example",
}
ROOT = OUTPUT / "mounted"
UNKNOWN = {"KEYWARD__" + name.replace(".", "__").upper() for name in AWAITED}


def mounted(path, text):
    file = ROOT / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    # As Kubernetes mounts secrets, as far as the server cares: for nobody else to read.
    file.chmod(0o600)


def mount(objects):
    """Makes the files that pods find; the secrets' are the same with all values."""
    shutil.rmtree(ROOT, ignore_errors=True)
    for path, text in SECRETS.items():
        mounted(path, text)
    (deployment,) = (item for item in objects if item["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    places = {place["name"]: place["mountPath"] for place in pod["containers"][0]["volumeMounts"]}
    names = {volume["configMap"]["name"]: places[volume["name"]] for volume in pod["volumes"] if "configMap" in volume}
    for config in objects:
        if config["kind"] == "ConfigMap" and config["metadata"]["name"] in names:
            for name, text in config["data"].items():
                mounted(f"{names[config['metadata']['name']]}/{name}", text)


def environments(file):
    """Of each container of the chart's own, its variables."""
    objects = [item for item in yaml.safe_load_all(file.read_text()) if item]
    mount(objects)
    configs = {item["metadata"]["name"]: item.get("data") for item in objects if item["kind"] == "ConfigMap"}
    for owner in objects:
        if owner["kind"] in ("Deployment", "Job"):
            container = owner["spec"]["template"]["spec"]["containers"][0]
            given = {}
            for source in container.get("envFrom", []):
                given |= configs[source["configMapRef"]["name"]]
            given |= {item["name"]: item.get("value", "a-pod") for item in container["env"]}
            given = {name: str(ROOT) + value if value.startswith(("/run/secrets/", "/etc/")) else value for name, value in given.items()}
            yield owner["kind"], {name: value for name, value in given.items() if name not in UNKNOWN}


def main():
    problems = []
    count = 0
    for file in sorted((OUTPUT / "rendered").glob("*.yaml")):
        for kind, given in environments(file):
            result = subprocess.run([sys.argv[1], "serve", "--print-config"], env=given, capture_output=True, text=True, check=False)
            count += 1
            if result.returncode:
                problems.append(f"{file.stem}, {kind}: {result.stderr}")
    fail(problems)
    print(f"{count} containers' settings are taken by the program")


main()
