/*
 * The trees (detect-trees.h). Files have what detection looks at and no more.
 */
#include "detect-trees.h"

#include <glib/gstdio.h>

#include <string.h>

#define LOCK "{\"lockfileVersion\": 3}"

const Tree trees[] = {
    {"node-plain", {"package.json", "{\"name\": \"a\"}", "server.js", "", NULL}},
    {"node-express",
	{"package.json",
	    "{\"scripts\": {\"start\": \"node web/main.js --quiet\"}, \"engines\": {\"node\": "
	    "\"20.x\"}, \"dependencies\": {\"express\": \"^4\"}}",
	    "package-lock.json", LOCK, ".npmrc", "", NULL}},
    {"node-next", {"package.json",
		      "{\"scripts\": {\"build\": \"next build\", \"start\": \"next start\"}, "
		      "\"dependencies\": "
		      "{\"next\": \"15\", \"express\": \"4\"}}",
		      "package-lock.json", LOCK, ".nvmrc", "v24.1.0\n", NULL}},
    {"node-yarn",
	{"package.json",
	    "{\"scripts\": {\"start\": \"node a.js && true\", \"build\": \"tsc\"}, \"engines\": "
	    "{\"node\": \">=18\"}}",
	    "yarn.lock", "", NULL}},
    {"node-pnpm",
	{"package.json", "{\"scripts\": {\"start\": \"node a.js\", \"postinstall\": \"x\"}}",
	    "pnpm-lock.yaml", "", NULL}},
    {"python-django",
	{"requirements.txt", "Django==5.1\ngunicorn\npsycopg2-binary\npsycopg2==2.9\n", "manage.py",
	    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
	    "shop/settings.py", "STATIC_ROOT = '/app/static'\n", NULL}},
    {"python-flask",
	{"requirements.txt", "# fastapi\nFlask>=3  # web\nflask-login\n", "tests.py",
	    "app = Flask(1)\n", "tests/a.py", "app = Flask(1)\n", "web/__init__.py",
	    "import flask\n\ndef create_app(settings=None):\n    app = flask.Flask('x')\n", NULL}},
    {"python-fastapi",
	{"pyproject.toml", "[project]\ndependencies = [\"fastapi>=0.110\", \"uvicorn\"]\n",
	    "poetry.lock", "", "main.py", "api: FastAPI = FastAPI(title='x')\n", ".python-version",
	    "3.12.4\n", NULL}},
    {"python-uv", {"pyproject.toml", "[project]\ndependencies = [\n  \"flask\",\n]\n", "uv.lock",
		      "", "src.py", "application = Flask(__name__)\n", NULL}},
    {"python-pipenv", {"Pipfile", "[packages]\nrequests = \"*\"\n", "Pipfile.lock", "{}", "app.py",
			  "print(1)\n", NULL}},
    {"python-project", {"pyproject.toml", "[project]\nname = \"x\"\n", "main.py", "", NULL}},
    {"python-plain", {"main.py", "print(1)\n", "runtime.txt", "python-3.11.9\n", NULL}},
    {"ruby-rails",
	{"Gemfile", "ruby \"3.3.4\"\ngem \"rails\", \"~> 8.0\"\n", "Gemfile.lock",
	    "GEM\n  specs:\n    pg (1.5.9)\n    rails (8.0.1)\n", "config.ru", "",
	    "app/assets/a.css", "", "package.json", "{\"scripts\": {\"build\": \"x\"}}", NULL}},
    {"ruby-sinatra", {"Gemfile", "gem 'sinatra'\ngem 'puma'\n", "Gemfile.lock",
			 "    puma (6.0)\n    sinatra (4.0.0)\n", "config.ru", "", NULL}},
    {"ruby-classic", {"Gemfile", "gem 'sinatra'\n", "app.rb", "require 'sinatra'\n", NULL}},
    {"ruby-rack", {"Gemfile", "gem 'rack'\ngem 'rackup'\n", ".ruby-version", "ruby-3.2.2\n",
		      "config.ru", "", NULL}},
    {"ruby-plain", {"server.rb", "", NULL}},
    {"go-root", {"go.mod", "module example.org/shop/v2\n\ngo 1.22.3\n", "go.sum", "", "main.go",
		    "// A shop.\npackage main\n", "templates/a.html", "", NULL}},
    {"go-command", {"go.mod", "module example.org/shop\n\ngo 1.26\n", "shop.go", "package shop\n",
		       "cmd/server/main.go", "package main\n", "cmd/notes/a.txt", "", NULL}},
    {"go-procfile",
	{"go.mod", "module shop\n", "cmd/web/main.go", "package main\n", "cmd/mail/main.go",
	    "package main\n", "Procfile", "web: bin/web\nmail: bin/mail\n", NULL}},
    {"php-plain", {"index.php", "<?php", NULL}},
    {"php-laravel",
	{"composer.json",
	    "{\"require\": {\"php\": \"^8.2\", \"laravel/framework\": \"^11\", \"ext-bcmath\": "
	    "\"*\", \"ext-json\": \"*\", \"ext-imagick\": \"*\"}}",
	    "composer.lock", "{}", "artisan", "", "public/index.php", "", "package.json",
	    "{\"scripts\": {\"dev\": \"vite\", \"build\": \"vite build\"}}", NULL}},
    {"php-composer",
	{"composer.json", "{\"require\": {\"php\": \"8.1.*\"}}", "web/index.php", "", NULL}},
    {"java-maven",
	{"pom.xml", "<project><maven.compiler.release>25</maven.compiler.release></project>",
	    "src/main/java/org/shop/Shop.java",
	    "package org.shop;\npublic class Shop { public static void main(String[] a) {} }\n",
	    NULL}},
    {"java-spring",
	{"pom.xml",
	    "<project><java.version>17</java.version><artifactId>spring-boot-maven-plugin"
	    "</artifactId></project>",
	    NULL}},
    {"java-gradle", {"build.gradle", "application {\n  mainClass = 'org.shop.Main'\n}\n", NULL}},
    {"java-gradle-spring",
	{"build.gradle.kts", "plugins { id(\"org.springframework.boot\") }\n", NULL}},
    {"java-jar", {"shop-1.0.jar", "", NULL}},
    {"static-here", {"index.html", "", "app.js", "", NULL}},
    {"static-public", {"public/index.html", "", "README.md", "", NULL}},
    {"procfile", {"package.json", "{\"scripts\": {\"start\": \"node a.js\"}}", "package-lock.json",
		     LOCK, "Procfile",
		     "# processes\nweb: node web.js --port ${PORT:-1} \"$HOME\"\n\nmail-out: node "
		     "mail.js\nrelease: node migrate.js\n",
		     NULL}},
    {NULL},
};

const Tree *
tree_named(const char *name)
{
	for (const Tree *tree = trees; tree->name; tree++) {
		if (strcmp(tree->name, name) == 0)
			return tree;
	}
	g_assert_not_reached();
}

void
tree_write(const Tree *tree, const char *folder)
{
	for (const char *const *file = tree->files; *file; file += 2) {
		g_autofree char *path = g_build_filename(folder, file[0], NULL);
		g_autofree char *parent = g_path_get_dirname(path);
		g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
		g_assert_true(g_file_set_contents(path, file[1], -1, NULL));
	}
}
