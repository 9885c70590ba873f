"""Makes JSON schemas for kubeconform of what the tools hold: Kubernetes' own, and those of the
objects that other projects define. Usage: schemas.py "KUBERNETES_VERSION…" MODULE_DIRECTORY…"""

import json
import pathlib
import sys

from chart import TOOLS, fail, yaml

# What other projects define.
FOREIGN = ("certificates", "grpcroutes", "podmonitors", "prometheusrules", "servicemonitors")
TO = TOOLS / "schemas"


def of_kubernetes(version):
    source = TOOLS / f"chart/kubernetes_validate/kubernetes-json-schema/v{version}-local-strict"
    target = TO / f"v{version}-strict"
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.json"):
        schema = json.loads(file.read_text())
        # An address of the network, which references would be resolved against.
        schema.pop("$id", None)
        text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
        (target / file.name).write_text(text)


def closed(schema):
    """Refuses what the schema does not name, as the server of the API would drop it."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def of_definition(file):
    spec = yaml.safe_load(file.read_text())["spec"]
    group, kind = spec["group"], spec["names"]["kind"].lower()
    for version in spec["versions"]:
        schema = closed(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        (TO / f"{kind}-{group}-{version['name']}.json").write_text(json.dumps(schema))


def main():
    versions, *places = sys.argv[1:]
    for version in versions.split():
        of_kubernetes(version)
    for kind in FOREIGN:
        files = [file for place in places for file in pathlib.Path(place).glob(f"*_{kind}.yaml")]
        fail([f"{len(files)} definitions of {kind}"] if len(files) != 1 else [])
        of_definition(files[0])


main()
