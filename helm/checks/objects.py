"""What holds of the objects that the chart makes of any values, and no schema tells."""

import collections

from chart import AWAITED, NAMESPACE, settings


def of_kind(kind, objects):
    return [item for item in objects if item["kind"] == kind]


def server(objects):
    (deployment,) = of_kind("Deployment", objects)
    return deployment["spec"]["template"]


def pods(objects):
    """The specs of all pods."""
    owners = [item for item in objects if item["kind"] in ("Deployment", "Job")]
    return [item["spec"]["template"]["spec"] for item in owners] + [item["spec"] for item in of_kind("Pod", objects)]


def variables(objects):
    for config in of_kind("ConfigMap", objects):
        yield from config.get("data") or {}
    for pod in pods(objects):
        for container in pod["containers"]:
            yield from (variable["name"] for variable in container.get("env", []))


def every_variable_is_a_setting(name, objects):
    known = {"KEYWARD__" + setting.replace(".", "__").upper() for setting in AWAITED | {row[0] for row in settings()}}
    ours = {variable for variable in variables(objects) if variable.startswith("KEYWARD__")}
    return [f"{name}: {variable} is no setting" for variable in ours - known]


def every_setting_is_said_once(name, objects):
    counts = collections.Counter(variable for variable in variables(
        [item for item in objects if item["kind"] != "Job"]) if variable.startswith("KEYWARD__"))
    return [f"{name}: {variable} is said {count} times" for variable, count in counts.items() if count > 1]


def every_mount_has_its_volume(name, objects):
    problems = []
    for pod in pods(objects):
        volumes = [volume["name"] for volume in pod.get("volumes", [])]
        mounts = {mount["name"] for container in pod["containers"] + pod.get("initContainers", [])
                  for mount in container.get("volumeMounts", [])}
        problems += [f"{name}: volume {volume} is not mounted, or twice there, or not there"
                     for volume in mounts ^ set(volumes) | {v for v in volumes if volumes.count(v) > 1}]
    return problems


def every_pod_is_restricted(name, objects):
    """As the standard `restricted` has it, and a root that is read-only, and no token."""
    problems = []
    for pod in pods(objects):
        security = pod["securityContext"]
        fine = security["runAsNonRoot"] and security["seccompProfile"]["type"] == "RuntimeDefault"
        if not fine or pod["automountServiceAccountToken"]:
            problems.append(f"{name}: a pod may too much")
        for container in pod["containers"] + pod.get("initContainers", []):
            wanted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
            if container["securityContext"] != wanted:
                problems.append(f"{name}: {container['name']} may too much")
    return problems


def selects(selector, labels):
    """Whether a selector of Kubernetes, of `matchLabels` and of `In` alone, takes what has these labels."""
    listed = all(labels.get(item["key"]) in item["values"] for item in selector.get("matchExpressions", []))
    return listed and selector["matchLabels"].items() <= labels.items()


def every_selector_takes_its_own(name, objects):
    """Of the pods: services, budget and monitor those that serve, the network policy also migrations; and the
    monitor of services the headless one."""
    found = {item["metadata"]["name"]: item["metadata"]["labels"] for item in of_kind("Pod", objects)}
    owners = [item for item in objects if item["kind"] in ("Deployment", "Job")]
    found |= {item["kind"]: item["spec"]["template"]["metadata"]["labels"] for item in owners}
    services = {item["spec"].get("clusterIP", "usual"): item["metadata"]["labels"] for item in of_kind("Service", objects)}
    both = {item["kind"] for item in owners}
    wanted = {"Service": {"Deployment"}, "PodDisruptionBudget": {"Deployment"}, "PodMonitor": {"Deployment"},
              "NetworkPolicy": both, "ServiceMonitor": {"None"}}
    problems = []
    for item in objects:
        if item["kind"] not in wanted:
            continue
        spec = item["spec"]
        selector = {"matchLabels": spec["selector"]} if item["kind"] == "Service" else spec.get("selector") or spec["podSelector"]
        candidates = services if item["kind"] == "ServiceMonitor" else found
        taken = {candidate for candidate, labels in candidates.items() if selects(selector, labels)}
        if taken != wanted[item["kind"]]:
            problems.append(f"{name}: {item['kind']} {item['metadata']['name']} selects {taken}")
    return problems


def every_port_has_its_name(name, objects):
    """What services, monitors and the network policy call by name is a port of the server, or of the service."""
    ports = {port["name"] for port in server(objects)["spec"]["containers"][0]["ports"]}
    of_services = {port["name"] for service in of_kind("Service", objects) for port in service["spec"]["ports"]}
    called = [port["targetPort"] for service in of_kind("Service", objects) for port in service["spec"]["ports"]]
    called += [end["port"] for monitor in of_kind("PodMonitor", objects) for end in monitor["spec"]["podMetricsEndpoints"]]
    called += [port["port"] for policy in of_kind("NetworkPolicy", objects) for rule in policy["spec"]["ingress"] for port in rule["ports"]]
    missing = set(called) - ports
    missing |= {end["port"] for monitor in of_kind("ServiceMonitor", objects) for end in monitor["spec"]["endpoints"]} - of_services
    return [f"{name}: there is no port {port}" for port in missing]


def every_file_is_mounted(name, objects):
    """Each path in a setting is one where a volume is, and a file of the secret where that is one."""
    problems = []
    configs = {config["metadata"]["name"]: config.get("data") or {} for config in of_kind("ConfigMap", objects)}
    for pod in pods(objects):
        container = pod["containers"][0]
        values = [variable.get("value", "") for variable in container.get("env", [])]
        values += [value for source in container.get("envFrom", []) for value in configs[source["configMapRef"]["name"]].values()]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container.get("volumeMounts", [])}
        for path in filter(lambda value: value.startswith("/"), values):
            directory, _, file = path.rpartition("/")
            volume = mounts.get(directory)
            held = volume and [item["path"] for item in volume.get("secret", {}).get("items", [{"path": file}])]
            if not held or file not in held:
                problems.append(f"{name}: nothing is at {path}")
    return problems


def every_name_is_short_enough(name, objects):
    """Those of services, and of Jobs and pods, which become labels and names of hosts."""
    ours = [item["metadata"]["name"] for item in objects if item["kind"] in ("Job", "Pod", "Service")]
    return [f"{name}: {long} has {len(long)} characters" for long in ours if len(long) > 63]


def only_who_is_named_asks_for_health(name, objects):
    """The port that is never encrypted, and takes few connections."""
    rules = [rule for policy in of_kind("NetworkPolicy", objects) for rule in policy["spec"]["ingress"]
             if {"port": "health"} in rule["ports"]]
    return [f"{name}: everybody may ask for health"] if any(len(rule["ports"]) > 1 or not rule.get("from") for rule in rules) else []


def the_server_is_probed(name, objects):
    missing = {"startupProbe", "readinessProbe", "livenessProbe"} - server(objects)["spec"]["containers"][0].keys()
    return [f"{name}: there is no {probe}" for probe in missing]


def every_object_is_of_the_release(name, objects):
    ours = [item for item in objects if "app.kubernetes.io/name" in item["metadata"].get("labels", {})]
    few = [] if len(ours) > 4 else [f"{name}: the objects have no labels"]
    return few + [f"{name}: {item['kind']} is in no namespace" for item in ours if item["metadata"].get("namespace") != NAMESPACE]


EACH = (every_variable_is_a_setting, every_setting_is_said_once, every_mount_has_its_volume,
        every_name_is_short_enough, only_who_is_named_asks_for_health, every_pod_is_restricted, the_server_is_probed, every_selector_takes_its_own,
        every_port_has_its_name, every_file_is_mounted, every_object_is_of_the_release)
