"""Each row of refused.yaml is refused, in the words that it names."""

from chart import CHART, ROOT, fail, helm, yaml


def wrong(row):
    result = helm("template", "k", str(CHART), values=row["values"])
    if result.returncode == 0:
        return f"not refused: {row['values']}"
    missing = [words for words in row["says"] if words not in result.stderr]
    return missing and f"{row['values']}: the error lacks {missing}\n{result.stderr}"


def main():
    rows = yaml.safe_load((ROOT / "helm/checks/refused.yaml").read_text())
    fail([problem for problem in map(wrong, rows) if problem])
    print(f"{len(rows)} bad values are refused")


main()
