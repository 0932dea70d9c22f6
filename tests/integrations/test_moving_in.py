"""
Sites of each kind move in: whoever was signed in there is signed in here.

Built with the packages' own pages, and moved by the steps of ``docs/migrating.md`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone

from sessions_plus.mfa.enrolment import remove_all
from sessions_plus.models import Authenticator, Device, RecoveryCode, Session
from sessions_plus.moving.old_factors import SOURCES, OldFactors
from tests.conftest import PASSWORD
from tests.integrations.settings import INSTALLED_APPS, OUR_MIDDLEWARE, middleware
from tests.integrations.sites import (
    SITES,
    Person,
    Site,
    come_again,
    sign_in_with_allauth,
    sign_in_with_otp,
)
from tests.security.test_error_reports import Secrets, every_frame_watched
from tests.support.authenticators import enrol
from tests.support.pauses import in_thread
from tests.support.services.process import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

BROWSERS = 300
SHIM = "sessions_plus.integrations.otp.OTPMiddleware"


@contextmanager
def moved_in(site: Site, engine: str = "sessions_plus.backends.cached_db") -> Iterator[None]:
    """Serve with our code, as the steps say."""
    with override_settings(
        SESSION_ENGINE=engine,
        MIDDLEWARE=middleware(OUR_MIDDLEWARE, otp=SHIM),
        LOGIN_URL="/ours/login/",
        OTP_LOGIN_URL="/ours/challenge/",
        SESSIONS_PLUS_ADOPT_FROM=site.engine,
        SESSIONS_PLUS_ADOPT_UNTIL=timezone.now() + timedelta(days=28),
    ):
        yield


@pytest.fixture(params=SITES, ids=str)
def site(request: pytest.FixtureRequest) -> Site:
    caches["default"].clear()
    found: Site = request.param
    return found


def import_factors(site: Site, *options: str) -> str:
    out = StringIO()
    call_command("import_factors", "--from", site.factors, *options, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("is_in_bulk", [False, True], ids=["when they come", "in bulk"])
def test_nobody_notices(site: Site, is_in_bulk: bool) -> None:
    """Each browser's next request: the same person, their cart, no mail, one device each."""
    if is_in_bulk and site.engine.endswith(("signed_cookies", ".cache")):
        pytest.skip("it has no table")
    with site.serving():
        people = [site.make_person(f"p{n}", has_factor=n % 2 == 0) for n in range(BROWSERS)]
        browsers = [site.sign_in(person) for person in people]
    with moved_in(site):
        import_factors(site)
        if is_in_bulk:
            call_command("adopt_sessions", stdout=StringIO())
        for person, browser in zip(people, browsers, strict=True):
            found = come_again(browser).get("/who/").json()
            assert found == {"user": person.user.username, "cart": [person.cart]}

    assert not mail.outbox
    assert Session.objects.active().exclude(user=None).count() == BROWSERS
    assert Device.objects.count() == BROWSERS
    for person in people:
        methods = Session.objects.get(user=person.user).auth_methods
        assert methods == ("pwd otp" if person.app is not None else "pwd")


TABS = 8


def test_tabs_that_open_together(site: Site) -> None:
    """Eight requests at once with one old cookie: the same person in each, in one session."""
    with site.serving():
        person = site.make_person("ann", has_factor=True)
        browser = site.sign_in(person)
    with moved_in(site):
        import_factors(site)
        tabs = [come_again(browser) for _ in range(TABS)]
        running = [in_thread(lambda tab=tab: tab.get("/who/").json()) for tab in tabs]  # type: ignore[misc]
        found = [each.result(PATIENCE_SECONDS) for each in running]

    assert found == [{"user": "ann", "cart": [person.cart]}] * TABS
    assert Session.objects.count() == Device.objects.count() == 1
    assert len({tab.cookies["sessionid"].value for tab in tabs}) == 1


def _disable(person: Person, browser: Client) -> None:
    User.objects.filter(pk=person.user.pk).update(is_active=False)


def _change_password(person: Person, browser: Client) -> None:
    person.user.set_password("another phrase of hers")
    person.user.save()


def _tamper(person: Person, browser: Client) -> None:
    cookie = browser.cookies["sessionid"]
    last = "b" if cookie.value.endswith("a") else "a"
    browser.cookies["sessionid"] = cookie.value[:-1] + last


def _wait(person: Person, browser: Client) -> None:
    """Nothing but time goes by, below."""


@pytest.mark.parametrize(
    ("change", "days"),
    [(_disable, 0), (_change_password, 0), (_tamper, 0), (_wait, 15)],
    ids=["disabled", "another password", "tampered", "expired"],
)
@pytest.mark.parametrize("has_factor", [False, True], ids=["without", "with a factor"])
def test_who_is_not_let_in(
    site: Site, change: Callable[[Person, Client], None], days: int, *, has_factor: bool
) -> None:
    """Whom the old code would not have let in any more is nobody, with nothing of theirs."""
    with site.serving():
        person = site.make_person("ann", has_factor=has_factor)
        browser = site.sign_in(person)
        change(person, browser)
    with time_machine.travel(timezone.now() + timedelta(days=days)), moved_in(site):
        import_factors(site)
        found = come_again(browser).get("/who/").json()

    assert found == {"user": "", "cart": None}
    assert not Session.objects.exclude(user=None).exists()


@pytest.mark.parametrize("has_factor", [False, True], ids=["without", "with a factor"])
def test_old_and_new_processes(site: Site, *, has_factor: bool) -> None:
    """One request by the old code, one by the new, as often as may be: the same person."""
    with site.serving():
        person = site.make_person("ann", has_factor=has_factor)
        browser = site.sign_in(person)
    import_factors(site)
    for _ in range(3):
        with both_cookies(), moved_in(site):
            browser = come_again(browser)
            assert browser.get("/who/").json()["user"] == "ann"
            browser.get("/fill/", {"what": "coffee"})
        with site.serving():
            browser = come_again(browser)
            assert browser.get("/who/").json()["user"] == "ann"
            browser.get("/fill/", {"what": "cake"})

    assert {"sessionid", "session"} <= set(browser.cookies)
    assert Session.objects.count() == Device.objects.count() == 1


def both_cookies() -> override_settings:
    """What the page says for old and new side by side."""
    return override_settings(
        SESSION_COOKIE_NAME="session",
        SESSIONS_PLUS_ADOPT_COOKIE_NAME="sessionid",
        SESSIONS_PLUS_ADOPT_KEEP_OLD=True,
    )


def integrated(kind: Site) -> override_settings:
    """Let the package go on keeping second factors, beside us."""
    name = {"otp": "otp.OtpIntegration", "allauth": "allauth.AllauthIntegration"}[kind.factors]
    return override_settings(INSTALLED_APPS=[*INSTALLED_APPS, f"sessions_plus.integrations.{name}"])


def sign_in_here(person: Person, code: str) -> Client:
    """Sign in on our page, with this code."""
    client = Client()
    client.post("/ours/login/", {"username": person.user.username, "password": PASSWORD})
    client.post("/ours/challenge/", {"code": code})
    return client


@pytest.fixture(params=[SITES[0], SITES[1]], ids=["allauth", "otp"])
def kind(request: pytest.FixtureRequest) -> Site:
    """One site for each package that keeps second factors."""
    caches["default"].clear()
    found: Site = request.param
    return found


@pytest.fixture
def ann(kind: Site) -> Person:
    return kind.make_person("ann", has_factor=True)


class TestFactors:
    def test_the_same_app(self, kind: Site, ann: Person) -> None:
        """Her phone's next code signs her in."""
        import_factors(kind)
        assert ann.app is not None

        with moved_in(kind):
            client = sign_in_here(ann, ann.app.code())
            assert client.get("/who/").json()["user"] == "ann"

    def test_the_same_codes_on_paper(self, kind: Site, ann: Person) -> None:
        """Each of her recovery codes signs her in, once."""
        import_factors(kind)

        with moved_in(kind):
            for code in ann.codes[:2]:
                assert sign_in_here(ann, code.upper()).get("/who/").json()["user"] == "ann"
            assert sign_in_here(ann, ann.codes[0]).get("/who/").json()["user"] == ""
            assert (
                "Make new ones"
                in sign_in_here(ann, ann.codes[2]).get("/ours/security/").content.decode()
            )

    def test_a_code_that_was_used_there(self, kind: Site, ann: Person) -> None:
        """What was used up there is used up here."""
        with kind.serving():
            kind.sign_in(ann)
        assert ann.app is not None
        import_factors(kind)

        with moved_in(kind):
            client = sign_in_here(ann, ann.app.code())
            assert client.get("/who/").json()["user"] == ""

    def test_run_twice(self, kind: Site, ann: Person) -> None:
        """It is the same as once."""
        first, second = import_factors(kind, "--json"), import_factors(kind, "--json")

        assert '"app": 1, "code": 10' in first
        assert '"factors": {"here": 2}' in second
        assert Authenticator.objects.count() == 1
        assert RecoveryCode.objects.count() == 10

    def test_a_dry_run(self, kind: Site, ann: Person) -> None:
        """It counts, and changes nothing."""
        assert '"app": 1, "code": 10' in import_factors(kind, "--json", "--dry-run")
        assert not Authenticator.objects.exists()
        assert not RecoveryCode.objects.exists()

    def test_it_prints_no_secret(self, kind: Site, ann: Person) -> None:
        """Counts only: no name, no code."""
        printed = import_factors(kind)

        lines = [line.strip() for line in printed.splitlines()]
        assert lines == [
            "1  authenticator apps came along",
            "10  recovery codes came along",
        ]

    @pytest.mark.parametrize("has_factor", [False, True], ids=["without", "with a factor"])
    def test_code_for_django_otp_goes_on(self, kind: Site, has_factor: bool) -> None:
        """``otp_required`` opens for who proved a factor, and for nobody else, in both worlds."""
        with kind.serving():
            browser = kind.sign_in(kind.make_person("ann", has_factor=has_factor))
        with moved_in(kind):
            import_factors(kind)
            browser = come_again(browser)
            response, told = browser.get("/vault/"), browser.get("/verified/").json()
            asked = async_to_sync(come_again(browser, AsyncClient).get)("/averified/").json()

        assert response.status_code == (200 if has_factor else 302)
        assert told == asked == ([True, "otp"] if has_factor else [False, None])

    @pytest.mark.parametrize("has_factor", [False, True], ids=["without", "with a factor"])
    def test_factors_that_stay_there(self, kind: Site, has_factor: bool) -> None:
        """Where their package is integrated, and nothing was imported, the old proof counts."""
        with kind.serving():
            browser = kind.sign_in(kind.make_person("ann", has_factor=has_factor))
        with moved_in(kind), integrated(kind):
            told = come_again(browser).get("/verified/").json()

        assert told == ([True, "otp"] if has_factor else [False, None])

    def test_factors_that_were_removed_there(self, kind: Site, ann: Person) -> None:
        """A proof by what is no more is none."""
        with kind.serving():
            browser = kind.sign_in(ann)
        there = SOURCES[kind.factors]
        there.delete(there.read([ann.user.pk])[ann.user.pk].names)
        with moved_in(kind), integrated(kind):
            told = come_again(browser).get("/verified/").json()

        assert told == [False, None]

    def test_nobody_is_verified_who_is_not_signed_in(self, kind: Site) -> None:
        """Who asks it of a stranger gets an answer, as from django-otp."""
        with moved_in(kind):
            assert Client().get("/verified/").json() == [False, None]
            assert async_to_sync(AsyncClient().get)("/averified/").json() == [False, None]

    def test_no_variable_shows_a_secret(self, kind: Site, ann: Person) -> None:
        """An error report of the commands would show neither app nor code."""
        assert ann.app is not None
        secrets = Secrets({ann.app.secret.hex(), *ann.codes, *(c.upper() for c in ann.codes)})
        told: dict[str, None] = {}
        with every_frame_watched(secrets, told):
            import_factors(kind)
            go_back(kind)
            import_factors(kind, "--delete-source")

        assert not [line for line in told if "sessions_plus" in line]


class TestDeletingTheSource:
    def test_after_it_was_compared(self, kind: Site, ann: Person) -> None:
        """Nothing is left of what came along."""
        import_factors(kind)

        assert import_factors(kind, "--delete-source", "--dry-run") == "2 would be deleted there.\n"
        assert import_factors(kind, "--delete-source") == "2 deleted there.\n"
        assert import_factors(kind) == "There are no factors there.\n"
        assert Authenticator.objects.count() == 1

    def test_not_before_all_of_it_is_here(self, kind: Site, ann: Person) -> None:
        """One that is not here keeps all of them there."""
        import_factors(kind)
        kind.make_person("ben", has_factor=True)

        with pytest.raises(CommandError, match="1 of what is there is not here"):
            import_factors(kind, "--delete-source")

        assert '"here": 2' in import_factors(kind, "--json")

    def test_not_what_is_another_here(self, kind: Site, ann: Person) -> None:
        """A row that says it came from there, with another secret, is none that did."""
        import_factors(kind)
        Authenticator.objects.update(digits=8)

        with pytest.raises(CommandError, match="1 of what is there is not here"):
            import_factors(kind, "--delete-source")


def there(kind: Site, person: Person, code: str) -> str:
    """Sign in with the code of before; return whom it let in."""
    sign_in = sign_in_with_otp if kind.factors == "otp" else sign_in_with_allauth
    with kind.serving():
        browser = Client()
        sign_in(browser, person, code)
        return str(browser.get("/who/").json()["user"])


def go_back(kind: Site) -> str:
    out = StringIO()
    call_command("export_factors", "--to", kind.factors, "--i-know", stdout=out)
    return out.getvalue()


class TestTheWayBack:
    def test_what_came_from_there(self, kind: Site, ann: Person) -> None:
        """The same app goes on; a code that was used here is used up there."""
        import_factors(kind)
        assert ann.app is not None
        with moved_in(kind):
            sign_in_here(ann, ann.codes[0])
        assert "1  recovery codes that are void there" in go_back(kind)

        assert there(kind, ann, ann.codes[0]) == ""
        assert there(kind, ann, ann.app.code()) == "ann"

    def test_what_was_set_up_here(self, kind: Site) -> None:
        """It goes along, once, however often the command runs."""
        ann = Person(User.objects.create_user("ann", password=PASSWORD))
        ann.app = enrol(ann.user)

        assert "1  authenticator apps went back" in go_back(kind)
        assert go_back(kind) == (
            "         1  there already; what was used up here is used up there\n"
        )
        assert there(kind, ann, ann.app.code()) == "ann"

    def test_what_was_removed_here(self, kind: Site, ann: Person) -> None:
        """A telephone that was stolen lets nobody in there, nor do its codes on paper."""
        import_factors(kind)
        remove_all(ann.user, actor=None, client=None, now=timezone.now())

        printed = go_back(kind)

        assert "1  removed there" in printed
        assert "10  recovery codes that are void there" in printed
        left = SOURCES[kind.factors].read([ann.user.pk]).get(ann.user.pk, OldFactors())
        assert left.names == []

    def test_somebody_has_to_know(self, kind: Site) -> None:
        """Secrets will lie open there, so it is asked for by name."""
        with pytest.raises(CommandError, match="--i-know"):
            call_command("export_factors", "--to", kind.factors)


def test_what_was_removed_here_does_not_come_again(kind: Site, ann: Person) -> None:
    """Whoever removed a factor here gets none back by a second run."""
    import_factors(kind)
    remove_all(ann.user, actor=None, client=None, now=timezone.now())

    assert "2  left: their owner had a factor removed here" in import_factors(kind)
    assert not Authenticator.objects.exists()
