"""What the pages say is there: linked files, named verbs; and what they must not say is not.

The verbs are asked of the program: CARRACK_BINARY, else the newest one of a build folder here.
"""
import os
import pathlib
import re
import runpy
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.scd"],
    cwd=ROOT, capture_output=True, text=True, check=True).stdout.split() if (ROOT / path).exists())
MARKDOWN = [page for page in PAGES if page.endswith(".md")]
TEXTS = [*PAGES, *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "examples").rglob("*"))
                if path.is_file() and not path.name.startswith("Gemfile"))]  # a Gemfile must name its registry

# Places that a reader elsewhere does not have: package registries, mirrors, folders of one machine.
STRANGE = re.compile(
    r"registry\.npmjs\.org|registry\.yarnpkg\.com|files\.pythonhosted\.org|pypi\.org|proxy\.golang\.org|rubygems\.org|"
    r"/work/", re.IGNORECASE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def anchors_of(text):
    """The fragments of a page's headings, as they are made where it is shown."""
    headings = re.findall(r"^#+ +(.+)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", MARKDOWN)
def test_links_lead_somewhere(page):
    broken = []
    for link in LINK.findall(CODE.sub("", text_of(page))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        is_page = target.suffix == ".md" and target.exists()
        if not target.exists() or (fragment and is_page and fragment not in anchors_of(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def commands_of(text):
    """The lower-case words after «carrack» where it is code: in blocks as a command, in backquotes, in bold (scdoc)."""
    blocks = "\n".join(CODE.findall(text))
    named = re.findall(r"^[ \t]*(?:\$ )?carrack ([a-z][a-z ]*)", blocks, re.MULTILINE)
    rest = CODE.sub("", text)
    named += re.findall(r"`carrack ([a-z][a-z ]*)", rest)
    named += re.findall(r"\*carrack ([a-z][a-z ]*)\*", rest)
    return [" ".join(words.split()) for words in named]


@pytest.fixture(scope="session")
def verbs():
    own = os.environ.get("CARRACK_BINARY")
    found = [pathlib.Path(own)] if own else sorted(ROOT.glob("build*/src/cli/carrack"), key=lambda path: path.stat().st_mtime)
    assert found, "no carrack to ask: set CARRACK_BINARY or build one"
    is_old = not own and found[-1].stat().st_mtime < (ROOT / "src/cli/verbs.c").stat().st_mtime
    assert not is_old, f"{found[-1]} is older than src/cli/verbs.c: build it, or set CARRACK_BINARY"
    help_text = subprocess.run([found[-1], "help"], capture_output=True, text=True, check=True).stdout
    listed = help_text.split("Verbs:\n")[1].split("\n\n")[0]
    usages = [re.match(r"  ((?:[a-z]+ )*[a-z]+)( [\[<])?", line).groups() for line in listed.splitlines()]
    return {words: takes is not None for words, takes in usages}


def is_known(command, verbs):
    """True when the command begins with a verb, and has more words only where that takes arguments."""
    words = command.split()
    for count in range(len(words), 0, -1):
        verb = " ".join(words[:count])
        if verb in verbs:
            return verbs[verb] or count == len(words)
    return False


@pytest.mark.parametrize("page", PAGES)
def test_every_verb_that_is_named_exists(page, verbs):
    assert [command for command in commands_of(text_of(page)) if not is_known(command, verbs)] == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_place_that_only_one_machine_has(page):
    try:
        text = text_of(page)
    except UnicodeDecodeError:
        return
    assert STRANGE.findall(text) == []


def test_the_checks_find_what_they_look_for(verbs):
    assert is_known("releases rollback", verbs) and is_known("scale web", verbs) and is_known("env", verbs)
    assert not is_known("env sett", verbs) and not is_known("fly app", verbs)
    assert commands_of("`carrack fly app`\n```\n$ carrack env set A=1 # x\n  carrack login HOST\n```\n") == [
        "env set", "login", "fly app"]
    assert anchors_of("# Way in\n## Where *state* lives, now\n```\n# no\n```\n") == {"way-in", "where-state-lives-now"}
    assert STRANGE.search("see /work/x")


def test_the_differences_of_the_racks_are_told():
    names = runpy.run_path(str(ROOT / "tests/e2e/differences.py"))
    page = (ROOT / "docs/aws.md").read_text(encoding="utf-8")
    for test, reason in names["SWARM_ALONE"].items():
        words = test.rsplit("::", 1)[-1].removeprefix("test_").removesuffix(".py").replace("_", " ")
        assert re.search(rf"^\| {re.escape(reason)} \|.*{re.escape(words)}", page, re.MULTILINE), test
