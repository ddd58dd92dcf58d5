"""Folders without a Dockerfile: what carrack makes of them is built and serves.

The base images stand in for the official ones, made of Debian's packages where no registry has those: the paths and
programs that generated Dockerfiles count on are as in the official images. Gems come with the Ruby image."""
import concurrent.futures
import html
import json
import shutil
import subprocess
import urllib.parse

import pytest
from helpers import ROOT, docker

EXAMPLES = ROOT / "examples"
ALONE = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir() and not (path / "Dockerfile").exists())
GENERATED = {"convox.yml", "Dockerfile", ".dockerignore"}

INSTALL = "RUN apt-get update -q && apt-get install -qy --no-install-recommends {} && rm -rf /var/lib/apt/lists/*\n"
APACHE = r"""ENV APACHE_RUN_USER=www-data APACHE_RUN_GROUP=www-data APACHE_PID_FILE=/var/run/apache2/apache2.pid \
  APACHE_RUN_DIR=/var/run/apache2 APACHE_LOCK_DIR=/var/lock/apache2 APACHE_LOG_DIR=/var/log/apache2
RUN mkdir -p /var/run/apache2 /var/lock/apache2 && chmod 1777 /var/run/apache2 /var/lock/apache2 /var/log/apache2 && \
  ln -sf /dev/stderr /var/log/apache2/error.log && ln -sf /dev/stdout /var/log/apache2/other_vhosts_access.log && \
  printf '#!/bin/sh\nexec apache2 -DFOREGROUND\n' >/usr/local/bin/apache2-foreground && chmod 755 /usr/local/bin/apache2-foreground
STOPSIGNAL SIGWINCH
"""
BUNDLER = """ENV GEM_HOME=/usr/local/bundle BUNDLE_APP_CONFIG=/usr/local/bundle BUNDLE_SILENCE_ROOT_WARNING=1
RUN mkdir -p /usr/local/bundle && chmod 1777 /usr/local/bundle
"""

# Name of the base image -> what it is made of; those that others are made from come first.
BASES = {
    "ruby": ("debian:bookworm-slim", INSTALL.format("ruby bundler ruby-sinatra puma") + BUNDLER),
    "go": ("debian:bookworm-slim", INSTALL.format("ca-certificates golang-go")),
    "php": ("debian:bookworm-slim", INSTALL.format("apache2 libapache2-mod-php") + APACHE),
    "static": ("debian:bookworm-slim", INSTALL.format("caddy")),
    "java": ("debian:bookworm-slim", "RUN mkdir -p /usr/share/man/man1\n" + INSTALL.format("openjdk-17-jre-headless")),
    "maven": ("carrack-test/java:bookworm", INSTALL.format("maven openjdk-17-jdk-headless")),
}
PULLED = {"python": "python:3.11-slim-bookworm", "node": "node:18-bookworm-slim"}


def make_base(name):
    parent, text = BASES[name]
    subprocess.run(["docker", "build", "-q", "-t", f"carrack-test/{name}:bookworm", "-"], input=f"FROM {parent}\n{text}",
                   text=True, check=True, capture_output=True, timeout=300, env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/bin:/bin"})


def make_pulled(image):
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode != 0:
        subprocess.run([ROOT / "tools/base-image", image], check=True, stdin=subprocess.DEVNULL, timeout=600)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The file that CARRACK_IMAGES names."""
    first = [name for name, (parent, _) in BASES.items() if parent.startswith("debian:")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(make_base, first))
    for name in BASES:
        if name not in first:
            make_base(name)
    for image in PULLED.values():
        make_pulled(image)
    lines = [f"{name} carrack-test/{name}:bookworm" for name in BASES]
    lines += [f"{name} {image}" for name, image in PULLED.items()]
    file = tmp_path_factory.mktemp("images") / "images"
    file.write_text("# for the tests\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return {"CARRACK_IMAGES": str(file)}


@pytest.fixture
def deployed(make_app, images):
    """Copies an example and deploys it as it is."""

    def deploy(name, *leave, **environment):
        app = make_app()
        shutil.copytree(EXAMPLES / name, app.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*leave))
        if name == "ruby":
            lock_gems(app.folder)
        if environment:
            app.env(**environment)
        app.told = app.run("deploy", str(app.folder), environment=images, timeout=300)
        assert not GENERATED & {path.name for path in app.folder.iterdir()}
        return app

    return deploy


def lock_gems(folder):
    """Debian's gems move with its security updates; the lock file in the example is of one day."""
    (folder / "Gemfile.lock").unlink()
    docker("run", "--rm", "-v", f"{folder}:/app", "-w", "/app", "carrack-test/ruby:bookworm", "bundle", "lock", "--local",
           "--add-platform", "ruby")


def users(app):
    return {docker("exec", container, "id", "-u") for container in app.containers()}


def form(app, path="/", **fields):
    return app.get(path, method="POST", body=urllib.parse.urlencode(fields),
                   headers={"Content-Type": "application/x-www-form-urlencoded"})


def check_told(app, title):
    assert f"no Dockerfile in {app.folder}: taken for {title}; carrack init writes one" in app.told.err
    assert users(app) == {"1000"}


def test_every_example_without_a_dockerfile_is_tried_here():
    assert ALONE == ["go", "java", "php", "ruby", "static"]


def test_a_sinatra_app_keeps_a_guest_book(deployed):
    app = deployed("ruby", GREETING="Hello & welcome")
    check_told(app, "Ruby (Sinatra)")
    assert "<h1>Hello &amp; welcome</h1>" in app.get("/").text
    assert form(app, text="<b>me</b>").status == 303
    assert "<li>&lt;b&gt;me&lt;/b&gt;</li>" in app.get("/").text
    assert form(app, text=" ").status == 422


def test_a_go_module_shortens_links(deployed):
    app = deployed("go", GREETING="Links <short>")
    check_told(app, "Go")
    assert "<h1>Links &lt;short&gt;</h1>" in app.get("/").text
    made = form(app, target="https://example.org/a?b=c")
    assert made.status == 201
    assert app.get(made.text.strip()).headers["location"] == "https://example.org/a?b=c"
    assert form(app, target="javascript:alert(1)").status == 422


def test_plain_php_shows_csv_as_a_table(deployed):
    app = deployed("php", GREETING="CSV, please")
    check_told(app, "PHP")
    assert "<h1>CSV, please</h1>" in app.get("/").text
    page = form(app, csv='a,"b\nc"\n<d>,e\n').text
    assert "<tr><td>a</td><td>b\nc</td></tr>" in page
    assert f"<td>{html.escape('<d>')}</td>" in page
    assert app.get("/table.php").status == 404
    assert app.get("/.dockerignore").status in (403, 404)


def test_a_maven_project_formats_json(deployed):
    app = deployed("java", GREETING="hello from Java")
    check_told(app, "Java (Maven)")
    assert json.loads(app.get("/").body) == {"greeting": "hello from Java"}
    assert app.get("/format", method="POST", body='{"b":[1,null]}').text == '{\n  "b": [\n    1,\n    null\n  ]\n}\n'
    assert app.get("/format", method="POST", body="{").status == 422


def test_static_files_are_served_and_nothing_else(deployed):
    app = deployed("static")
    check_told(app, "Static files")
    page = app.get("/")
    assert page.status == 200
    assert page.body == (EXAMPLES / "static/index.html").read_bytes()
    assert app.get("/style.css").headers["content-type"].startswith("text/css")
    missing = app.get("/nothing")
    assert (missing.status, missing.body) == (404, (EXAMPLES / "static/404.html").read_bytes())
    assert {app.get(f"/{name}").status for name in GENERATED} == {404}


def test_what_init_writes_is_deployed_as_it_is(make_app, images):
    app = make_app()
    shutil.copytree(EXAMPLES / "static", app.folder, dirs_exist_ok=True)
    app.rack.run("init", str(app.folder), environment=images)
    assert "carrack-test/static:bookworm" in (app.folder / "Dockerfile").read_text(encoding="utf-8")
    told = app.run("deploy", str(app.folder))
    assert f"(convox.yml in {app.folder})" in told.err
    assert app.get("/").status == 200


def test_express_without_its_dockerfile_installs_its_packages_once(deployed, images):
    app = deployed("node", "Dockerfile", "convox.yml", ".dockerignore")
    check_told(app, "Node (Express)")
    assert json.loads(app.get("/").body)["method"] == "GET"
    with (app.folder / "server.js").open("a", encoding="utf-8") as file:
        file.write('console.log("another one");\n')
    second = app.run("deploy", str(app.folder), environment=images, timeout=300)
    assert "Using cache" in (second.out + second.err).split("RUN npm ci")[1].split("Step ")[0]
    assert "another one" in app.logs()


def test_flask_without_its_dockerfile_and_a_procfile_with_a_worker(make_app, images):
    app = make_app()
    shutil.copytree(EXAMPLES / "python", app.folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("Dockerfile", "convox.yml", ".dockerignore"))
    (app.folder / "Procfile").write_text("web: gunicorn --bind 0.0.0.0:${PORT:-1} app:app\n"
                                         "worker: echo working as $(id -u) && exec sleep 1000\n", encoding="utf-8")
    told = app.run("deploy", str(app.folder), environment=images, timeout=300)
    assert "taken for Python (Flask)" in told.err
    assert app.get("/health").text == "ok\n"
    assert len(app.processes("worker")) == 1
    assert "working as 1000" in app.logs("-s", "worker")


def test_a_folder_that_is_nothing_says_what_was_looked_for(app):
    (app.folder / "notes.txt").write_text("nothing\n", encoding="utf-8")
    failed = app.fail("deploy", str(app.folder))
    assert f"no convox.yml, no docker-compose.yml and no Dockerfile in {app.folder}" in failed.err
    assert "ERROR:   go: go.mod\n" in failed.err
    assert app.run("builds", "--json").json() == []
