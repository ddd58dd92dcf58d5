"""A page with two halves: Markdown on the left, what it looks like on the right.

GET  /          the page
POST /preview   Markdown in the body -> HTML
GET  /health    ok
"""

import os

from flask import Flask, render_template, request
from markdown_it import MarkdownIt

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 256 * 1024

# Without HTML in the Markdown, so that nobody's scripts come back out of it.
markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@app.get("/")
def page():
    title = os.environ.get("TITLE", "Markdown preview")
    return render_template("page.html", title=title, release=os.environ.get("RELEASE", "-"))


@app.post("/preview")
def preview():
    text = request.get_data(as_text=True)
    return markdown.render(text), 200, {"Content-Type": "text/html; charset=utf-8"}


@app.get("/health")
def health():
    return "ok\n"
