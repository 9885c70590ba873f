"""The files of values in ci/ try everything that values.yaml offers: each switch on and off, and each value that is
empty by default empty and not. Each is a release that the other checks look at."""

from chart import CHART, fail, yaml

EMPTY = ("", [], {}, None)
# What is never to be otherwise: objects.py asks for it.
FIXED = {"runAsNonRoot", "allowPrivilegeEscalation", "readOnlyRootFilesystem"}


def merged(default, given):
    """As Helm does."""
    if not (isinstance(default, dict) and isinstance(given, dict)):
        return given
    both = dict(default)
    for name, value in given.items():
        both[name] = merged(default[name], value) if name in default else value
    return both


def leaves(values, path=()):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def at(values, path):
    for name in path:
        values = values[name]
    return values


def main():
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    tried = [merged(defaults, yaml.safe_load(file.read_text()) or {}) for file in (CHART / "ci").glob("*.yaml")]
    problems = []
    for path, value in leaves(defaults):
        found = [at(values, path) for values in tried]
        if isinstance(value, bool) and path[-1] not in FIXED and len(set(found)) != 2:
            problems.append(f"ci/*.yaml: {'.'.join(path)} is never {not value}")
        if value in EMPTY and not any(other not in EMPTY for other in found):
            problems.append(f"ci/*.yaml: {'.'.join(path)} is never given")
    fail(problems)


main()
