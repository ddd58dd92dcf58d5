"""The checkers find what they are there to find, and accept good code."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENING = "/*\n * A file of a test.\n */\n"
GOOD = OPENING + '#include "base/error.h"\n\nstatic int\nadd(int a, int b)\n{\n\treturn a + b;\n}\n'

BAD = {
    "goto": "int\nf(void)\n{\n\tgoto end;\nend:\n\treturn 0;\n}\n",
    "unsafe": "void\nf(char *a)\n{\n\tstrcpy(a, \"x\");\n}\n",
    "g_error": "void\nf(void)\n{\n\tg_error(\"x\");\n}\n",
    "error-message": "void\nf(GError **error)\n{\n\tuse((*error)->message);\n}\n",
    "boolean": "int\nf(bool a)\n{\n\treturn a == TRUE;\n}\n",
    "line-comment": "int a; // no\n",
    "printf": "void\nf(void)\n{\n\tprintf(\"x\");\n}\n",
    "static": "static int counter = 0;\n",
    "length": "void\nf(void)\n{\n" + "\tg();\n" * 61 + "}\n",
    "parameters": "void\nf(int a, int b, int c, int d, int e, int g, int h)\n{\n}\n",
    "file": "int a;\n" * 800,
    "nesting": "void\nf(int a)\n{\n" + "".join("\t" * depth + "if (a) {\n" for depth in range(1, 6)) + "\t" * 6 + "g();\n"
               + "".join("\t" * depth + "}\n" for depth in range(5, 0, -1)) + "}\n",
}


def source(tmp_path, text):
    path = tmp_path / "file.c"
    path.write_text(text, encoding="utf-8")
    return subprocess.run([ROOT / "tools/check-source", path], capture_output=True, text=True, check=False)


def layers(tmp_path, folder, text):
    path = tmp_path / folder / "file.c"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return subprocess.run([ROOT / "tools/check-layers", tmp_path], capture_output=True, text=True, check=False)


def test_good_code_passes(tmp_path):
    result = source(tmp_path, GOOD)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("rule", sorted(BAD))
def test_each_rule_finds_its_fault(tmp_path, rule):
    result = source(tmp_path, OPENING + BAD[rule])
    assert result.returncode == 1
    assert f" {rule}: " in result.stdout


def test_a_missing_opening_is_found(tmp_path):
    assert " opening: " in source(tmp_path, "int a;\n").stdout


def test_words_in_comments_and_texts_are_no_code(tmp_path):
    assert source(tmp_path, OPENING + 'const char *a = "goto // strcpy(";\n/* goto */\n').returncode == 0


def test_an_exception_needs_a_reason(tmp_path):
    assert source(tmp_path, OPENING + "/* nocheck:static: the table of a test */\nstatic int a;\n").returncode == 0
    assert source(tmp_path, OPENING + "/* nocheck:static: */\nstatic int a;\n").returncode == 1


@pytest.mark.parametrize("folder,include", [
    ("base", '"core/store.h"'), ("core", '"swarm/docker.h"'), ("api", '"swarm/docker.h"'), ("cli", '"core/rack.h"'),
    ("install", '"swarm/provider.h"'), ("core", "<microhttpd.h>"), ("swarm", "<curl/curl.h>"), ("cli", "<sqlite3.h>"),
])
def test_includes_against_the_layers_are_found(tmp_path, folder, include):
    result = layers(tmp_path, folder, f"#include {include}\n")
    assert result.returncode == 1
    assert f"{folder}/file.c:1:" in result.stdout


def test_includes_within_the_layers_pass(tmp_path):
    assert layers(tmp_path, "swarm", '#include "core/store.h"\n#include "base/json.h"\n#include <string.h>\n').returncode == 0
