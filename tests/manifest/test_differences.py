"""Where the two generations of Convox disagree, or Carrack differs from both: one table in docs/manifest.md, and it is true.

cases.json holds small manifests, each with one place of the result (`at`): what either generation makes of it, and what Carrack
does. With `--generation` Carrack does what that generation did, but for the cases that say `deliberate`. The table has a row for
each case that is not the same everywhere; this file prints it: python3 tests/manifest/test_differences.py

With CARRACK_MANIFEST_PROBES, a folder with recorded answers of the original parsers (probe-cases.jsonl, observed.jsonl and the files
that it names), all of those are compared too: every difference must be a row of the table.
"""
import json
import os
import pathlib
import subprocess
import tempfile

import originals
import pytest

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parent.parent / "docs" / "manifest.md"
CARRACK = os.environ.get("CARRACK_BINARY", "carrack")
PROBES = os.environ.get("CARRACK_MANIFEST_PROBES")
CASES = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
REFUSED = "error"

# A recorded case → the row of the table that it is an instance of.
ROW_OF_PROBE = {
    "port-grpc": "port-grpc",
    "v3:grpc": "port-grpc",
    "port-80:3000 unquoted sexagesimal?": "port-any-scheme",
    "scale-count-minonly": "count-minimum-alone",
    "scale-cpu-string": "size-in-quotes",
    "scale-null": "scale-empty",
    "scale-neg": "scale-negative",
    "health-grace-str": "health-in-quotes",
    "cmd-list": "command-list",
    "v3:cmd-list": "command-list",
    "domain-listint": "domain-number",
    "env-default-then-required": "bare-beside-default",
    "interp-multi": "variable-with-structure",
    "interp-dollar-noBraces": "domain-dollar",
    "deployment-invalid": "deployment-negative",
    "drain-str": "number-in-quotes",
    "svc-name-dash-end": "name-with-dash-at-end",
    "dup-service": "key-twice",
    "timer-underscore-name": "timer-name",
    "merge-anchor": "merged-image",
    "v3:timer-empty": "timer-without-schedule",
    "v3:timeout-neg": "timeout-negative",
    "v3:vpa-bad": "vertical-mode",
}


def show(yaml, env, generation=None):
    """The resolved manifest, or None when it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "convox.yml").write_text(yaml, encoding="utf-8")
        lines = [f"{name}={json.dumps(value)}\n" for name, value in env.items()]
        (place / "env").write_text("".join(lines), encoding="utf-8")
        words = [CARRACK, "manifest", "show", place / "convox.yml", "--json", "--env-file", place / "env"]
        if generation:
            words += ["--generation", str(generation)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else None


def value_at(shown, path):
    if shown is None:
        return REFUSED
    for step in path.split("."):
        shown = shown[int(step)] if isinstance(shown, list) else shown[step]
    return shown


def is_same_everywhere(case):
    return case["2"] == case["3"] == case["carrack"]


def cell(value):
    if value == REFUSED:
        return "refused"
    return "`" + json.dumps(value, ensure_ascii=False).replace("|", "\\|") + "`"


def written(case):
    """The manifest in one line, without the service around it."""
    text = case["yaml"].removeprefix("services:\n  w:\n    ").strip()
    return "`" + " ⏎ ".join(line.strip() for line in text.split("\n")).replace("|", "\\|") + "`"


def table():
    rows = ["| case | manifest | where | generation 2 | generation 3 | Carrack | why |", "|---|---|---|---|---|---|---|"]
    for case in CASES:
        if not is_same_everywhere(case):
            where = case["at"].removeprefix("services.0.")
            cells = [case["name"], written(case), f"`{where}`", cell(case["2"]), cell(case["3"]), cell(case["carrack"])]
            rows.append("| " + " | ".join([*cells, case.get("why", "")]) + " |")
    return "\n".join(rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_what_the_table_says(case):
    env = case.get("env", {})
    assert value_at(show(case["yaml"], env), case["at"]) == case["carrack"]
    for generation in (2, 3):
        expected = case["carrack"] if case.get("deliberate") else case[str(generation)]
        if generation == 3 and case["name"] in ("agent-not-enabled",):
            expected = case["3"]  # no map at all there
        if generation == 2 and case["name"] in ("timeout-negative", "vertical-mode"):
            expected = case["2"]  # no such key there
        assert value_at(show(case["yaml"], env, generation), case["at"]) == expected, f"generation {generation}"


def test_the_page_holds_the_table():
    assert table() in PAGE.read_text(encoding="utf-8")


def differences(expected, shown, path=""):
    if isinstance(expected, dict) and isinstance(shown, dict):
        return [text for name in expected for text in differences(expected[name], shown.get(name), f"{path}.{name}")]
    if isinstance(expected, list) and isinstance(shown, list) and len(expected) == len(shown):
        pairs = zip(expected, shown, strict=True)
        return [text for i, (one, other) in enumerate(pairs) for text in differences(one, other, f"{path}[{i}]")]
    return [] if expected == shown else [f"{path}: {expected!r}, here {shown!r}"]


def compare(yaml, env, generation, answer):
    expected = originals.resolved(answer, generation)
    shown = show(yaml, env or {}, generation)
    if expected is None or shown is None:
        return [] if expected == shown else [f"refused by {'the original' if expected is None else 'Carrack'} only"]
    return differences(expected, shown)


def recorded():
    """(name, yaml, env, generation, answer) of everything that was recorded."""
    folder = pathlib.Path(PROBES or "/nonexistent")
    for line in (folder / "probe-cases.jsonl").read_text(encoding="utf-8").splitlines() if PROBES else []:
        case = json.loads(line)
        for generation in (2, 3):
            yield case["name"], case["yaml"], case["env"], generation, case[f"v{generation}"]
    for line in (folder / "observed.jsonl").read_text(encoding="utf-8").splitlines() if PROBES else []:
        case = json.loads(line)
        if (folder / case["file"]).exists():
            yaml = (folder / case["file"]).read_text(encoding="utf-8")
            yield case["file"], yaml, case["env"], int(case["own"][1:]), case["result"]


def test_all_that_differs_from_recorded_answers_is_in_the_table():
    rows = {case["name"] for case in CASES if not is_same_everywhere(case)}
    unexplained = []
    for name, yaml, env, generation, answer in recorded():
        found = compare(yaml, env, generation, answer)
        if found and ROW_OF_PROBE.get(name) not in rows:
            unexplained.append(f"{name} (generation {generation}): {'; '.join(found)}")
    assert not unexplained, "\n".join(unexplained)


if __name__ == "__main__":
    print(table())
