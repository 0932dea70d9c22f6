"""Nobody is led off the site: by no form of ``next``, on no page (OWASP ASVS 3.7.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import copy
from html import unescape
from itertools import chain
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import transaction
from django.test import RequestFactory
from django.utils import timezone

from sessions_plus.models import Authenticator
from sessions_plus.redirects import safe_target
from tests.security.addresses import Address, addresses
from tests.security.conftest import Person
from tests.support.authenticators import App, enrol
from tests.support.targets import HOST, HOSTILE, carried, leaves

ADMIN = {"admin:index", "admin:login", "admin:logout", "admin:password_change"}
WAYS = ("get query", "post body", "post query", "post referer")
MARK = "/shown-again/"
LINKS = re.compile(r"""(?:href|action|src|formaction|value)=["']([^"']*)["']""")


@pytest.mark.parametrize("target", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("secure", [True, False], ids=["HTTPS", "HTTP"])
def test_a_target_is_a_path_of_this_site(target: str, secure: bool) -> None:
    """Whatever is made of a target is "" or a path from the root, as browsers read it."""
    made = safe_target(RequestFactory().get("/account/challenge/", secure=secure), target)

    assert not leaves(made)
    assert made == "" or made.startswith("/")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/a/b/", "/a/b/", id="path"),
        pytest.param("/a?b=//c&d=https://e#f", "/a?b=//c&d=https://e#f", id="query and fragment"),
        pytest.param("/a//b/", "/a//b/", id="slashes inside"),
        pytest.param(f"https://{HOST}/a/?b#c", "/a/?b#c", id="address"),
        pytest.param(f"https://{HOST}", "/", id="host alone"),
        pytest.param(f"https://{HOST}?a", "/?a", id="host and query"),
        pytest.param(f"//{HOST}/a/", "", id="perhaps not over HTTPS"),
        pytest.param(" /a/ ", "/a/", id="spaces around"),
        pytest.param("/ä/😀/", "/ä/😀/", id="beyond ASCII"),
        pytest.param(f"http://{HOST}/a/", "", id="not over HTTPS"),
        pytest.param("", "", id="nothing"),
        pytest.param("a/", "", id="relative to a page that is left"),
        pytest.param("?next=%3F", "", id="the page itself"),
        pytest.param("#a", "", id="a place on the page itself"),
    ],
)
def test_a_target_on_this_site(target: str, expected: str) -> None:
    """An address of this site is taken without its host; what depends on a page is none."""
    request = RequestFactory().get("/account/challenge/?next=x", secure=True)

    assert safe_target(request, target) == expected


def pages() -> list[Address]:
    """Each page of ours, and those of the admin through which people come and go."""
    return [
        address
        for address in addresses(("sessions_plus", "admin"))
        if address.name.startswith("sessions_plus:") or address.name in ADMIN
    ]


class Visitor:
    """Somebody in a certain state, and what they would type right into any form."""

    def __init__(self, person: Person, typed: dict[str, str]) -> None:
        self.person = person
        self.typed = typed

    def ask(self, way: str, path: str, target: str) -> Any:
        """Return the answer to a request that gives ``target``, undone before the next."""
        method, place = way.split()
        given = {"next": target}
        data = dict(self.typed) if method == "post" and place != "referer" else {}
        options: dict[str, Any] = {}
        if place == "query":
            options["query_params"] = given
        elif place == "body":
            data |= given
        else:
            options["headers"] = {"referer": target}
        jar = copy(self.person.client.cookies)
        point = transaction.savepoint()
        try:
            return self.person.ask(method, path, data, **options)
        finally:
            transaction.savepoint_rollback(point)
            self.person.client.cookies = jar


def stranger(user: User, password: str) -> Visitor:
    return Visitor(Person(), {"username": "ann", "password": password})


def signed_in(user: User, password: str) -> Visitor:
    typed = {"password": password, "old_password": password}
    return Visitor(Person().sign_in(user, password), typed)


def waiting(user: User, password: str) -> Visitor:
    app = enrol(user)
    return Visitor(Person().sign_in(user, password), {"code": app.code()})


def sure(user: User, password: str) -> Visitor:
    """Signed in with both factors."""
    app = enrol(user)
    person = Person().sign_in(user, password)
    assert (
        person.ask("post", "/account/challenge/", {"code": app.code(steps=-1)}).status_code == 302
    )
    return Visitor(person, {"password": password, "code": app.code()})


def enrolling(user: User, password: str) -> Visitor:
    person = Person().sign_in(user, password)
    assert person.ask("post", "/account/security/totp/begin/").status_code == 302
    page = person.ask("get", "/account/security/totp/").content.decode()
    found = re.search(r"secret=([A-Z2-7]+)", page)
    assert found is not None
    return Visitor(person, {"code": App.typed(found.group(1)).code(), "name": ""})


TAKERS: dict[Callable[..., Visitor], set[str]] = {
    stranger: {"sessions_plus:login", "admin:login"},
    signed_in: {
        "sessions_plus:challenge",
        "sessions_plus:login",
        "sessions_plus:logout",
        "sessions_plus:reauthenticate",
        "sessions_plus:totp_begin",
        "sessions_plus:totp_enrol",
    },
    waiting: {"sessions_plus:challenge", "sessions_plus:login", "admin:login"},
    sure: {"sessions_plus:reauthenticate", "sessions_plus:totp_enrol"},
    enrolling: {"sessions_plus:totp_enrol"},
}
"""Who visits, and some of the pages that take ``next`` from them: the walk finds them."""


@pytest.fixture
def standing_clock() -> Iterator[None]:
    """The walk takes longer on a busy machine than a code is taken for."""
    with time_machine.travel(timezone.now(), tick=False):
        yield


@pytest.mark.django_db
@pytest.mark.parametrize("state", TAKERS, ids=lambda state: state.__name__)
def test_no_page_leads_off_the_site(
    https_site: None,
    standing_clock: None,
    user: User,
    password: str,
    state: Callable[..., Visitor],
) -> None:
    """Every page that takes ``next``, found from the URLs, leads and links to this site alone."""
    visitor = state(user, password)
    session = Authenticator.objects.first()
    facts = {
        "public_id": str(session.public_id if session else "0192f0c1-9a7e-7b3c-8d21-5f0e6a4b7c98"),
        "token": "x",
        "uidb64": "x",
    }

    takers = set()
    for address in pages():
        path = address.path(**facts)
        for way in WAYS:
            usual = leads_to(visitor.ask(way, path, MARK))
            if MARK not in usual:
                continue
            takers.add(address.name)
            for name, target in HOSTILE.items():
                answer = visitor.ask(way, path, target)
                assert answer.status_code < 500, (path, way, name)
                found = [one for one in leads_to(answer) if leaves(one) and one not in usual]
                assert not found, (path, way, name)

    assert takers >= TAKERS[state]


def text_of(answer: Any) -> str:
    """Return a page, or what a download holds, which stays open until it is read."""
    parts = answer.streaming_content if answer.streaming else [answer.content]
    return b"".join(parts).decode(errors="replace")


def leads_to(answer: Any) -> list[str]:
    """
    Return where an answer leads, at once or from the page of ours that is next.

    Django's own pages take what they are given, and look at it when they use it.
    """
    found = [unescape(link) for link in LINKS.findall(text_of(answer))]
    found += [answer.headers["Location"]] if answer.has_header("Location") else []
    ours = [address for address in found if address.startswith(("/account/", "?"))]
    return [*found, *chain.from_iterable(map(carried, ours))]
