"""The pages of the second factor."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_plus.mfa.totp import open_secret
from sessions_plus.models import Authenticator, Challenge, Reason, RecoveryCode, Session, Throttle
from tests.support.authenticators import App, enrol, only

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def pass_challenge(user: User, typed: str) -> Client:
    client = Client()
    client.force_login(user)
    client.post("/account/challenge/", {"code": typed})
    return client


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_looking_changes_nothing(user: User) -> None:
    """No GET makes a secret, codes or an authenticator (OWASP ASVS 3.5.3)."""
    app = enrol(user)
    client = pass_challenge(user, app.code())
    counts = [model.objects.count() for model in (Authenticator, RecoveryCode, Challenge, Throttle)]

    for path in ("security/", "security/totp/", f"security/{only(user).public_id}/remove/",
                 "reauthenticate/", "challenge/"):  # fmt: skip
        client.get(f"/account/{path}")
        client.head(f"/account/{path}")

    after = [model.objects.count() for model in (Authenticator, RecoveryCode, Challenge, Throttle)]
    assert counts == after


@pytest.mark.parametrize(
    "path",
    [
        "/account/security/totp/begin/",
        "/account/security/recovery-codes/make/",
        "/account/security/recovery-codes/download/",
        "/account/challenge/cancel/",
    ],
)
def test_what_changes_something_is_posted(owner: Client, path: str) -> None:
    """These take POST only, and only with the CSRF token; a GET leads to a page."""
    assert owner.get(path).headers["Location"] in ("/account/security/", "/account/challenge/")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    assert strict.post(path).status_code == 403


def test_pages_are_kept_by_nobody(owner: Client) -> None:
    """The page with the secret is stored in no cache and framed by no one."""
    owner.post("/account/security/totp/begin/")

    response = owner.get("/account/security/totp/")

    assert "no-store" in response["Cache-Control"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_page_reads_well_without_seeing(owner: Client) -> None:
    """The QR code has a name, the key is text, the field says what it is for."""
    owner.post("/account/security/totp/begin/")

    page = text_of(owner, "/account/security/totp/")

    assert re.search(r'<svg role="img" aria-label="QR code[^"]+"', page)
    assert 'autocomplete="one-time-code"' in page
    assert 'inputmode="numeric"' in page
    assert 'href="otpauth://totp/testserver:ann?' in page
    assert "style=" not in page
    assert "<script" not in page


def test_the_same_secret_until_it_is_confirmed(owner: Client) -> None:
    """Reloading the page, or a wrong code, keeps the secret that was scanned."""
    owner.post("/account/security/totp/begin/")
    first = re.findall(r'class="secret"[^>]*>([^<]+)<', text_of(owner, "/account/security/totp/"))

    page = owner.post("/account/security/totp/", {"code": "000000"}).content.decode()

    assert re.findall(r'class="secret"[^>]*>([^<]+)<', page) == first
    assert 'aria-invalid="true"' in page


def test_enrolling_needs_a_fresh_password(owner: Client) -> None:
    """A session that somebody left open cannot be given a second factor (OWASP ASVS 7.5.1)."""
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))

    response = owner.post("/account/security/totp/begin/")

    assert response["Location"].startswith("/account/reauthenticate/")
    assert not Authenticator.objects.exists()


def test_removing_ends_the_others_on_wish(user: User) -> None:
    """Removing an authenticator offers to end the other sessions."""
    app = enrol(user)
    here, there = (pass_challenge(user, app.recovery_codes[number]) for number in range(2))
    url = f"/account/security/{only(user).public_id}/remove/"
    assert "checked" in text_of(here, url)

    here.post(url, {"others": "1"})

    assert not Authenticator.objects.exists()
    assert there.get("/account/devices/").status_code == 302
    assert here.get("/account/devices/").status_code == 200
    assert Session.objects.filter(revoked_reason=Reason.FACTOR_CHANGED).count() == 1


def test_removing_keeps_the_others_on_wish(user: User) -> None:
    """Who unticks the box keeps them."""
    app = enrol(user)
    here, there = (pass_challenge(user, app.recovery_codes[number]) for number in range(2))

    here.post(f"/account/security/{only(user).public_id}/remove/")

    assert there.get("/account/devices/").status_code == 200


@pytest.mark.parametrize(("form", "status"), [({"others": "on"}, 302), ({}, 200)])
def test_adding_another_ends_the_others_on_wish(
    user: User, form: dict[str, str], status: int
) -> None:
    """Adding a further authenticator offers to end the other sessions, and else keeps them."""
    app = enrol(user)
    here, there = (pass_challenge(user, app.recovery_codes[number]) for number in range(2))
    Session.objects.update(reauthenticated_at=timezone.now(), reauth_methods="pwd otp")
    here.post("/account/security/totp/begin/")
    page = text_of(here, "/account/security/totp/")
    assert 'name="others"' in page
    assert "checked" not in page

    here.post("/account/security/totp/", {"code": waiting(user).code(), **form})

    assert Authenticator.objects.confirmed().count() == 2
    assert there.get("/account/devices/").status_code == status
    assert here.get("/account/devices/").status_code == 200


def test_the_first_is_followed_by_the_offer(owner: Client, user: User) -> None:
    """With the first come the recovery codes, and a button that signs out everywhere else."""
    owner.post("/account/security/totp/begin/")
    assert 'name="others"' not in text_of(owner, "/account/security/totp/")

    page = owner.post("/account/security/totp/", {"code": waiting(user).code()}).content.decode()

    assert 'action="/account/devices/revoke-others/"' in page


def waiting(user: User) -> App:
    """The app of somebody who scanned the code, and did not confirm it yet."""
    return App(open_secret(Authenticator.objects.get(user=user, confirmed_at=None)))


def test_password_is_changed_from_here(owner: Client) -> None:
    """The security page leads to the page of the password, whose box is ticked to begin with."""
    assert 'href="/account/security/password/"' in text_of(owner, "/account/security/")

    page = text_of(owner, "/account/security/password/")

    assert re.search(r'<input type="checkbox" name="sign_out_others"[^>]* checked', page)
    assert "style=" not in page
    assert "<script>" not in page


def test_no_password_to_change(owner: Client, user: User) -> None:
    """Who signs in by another service alone is shown no page for a password."""
    User.objects.update(password="!")
    owner.force_login(User.objects.get())

    assert "/account/security/password/" not in text_of(owner, "/account/security/")
    assert owner.get("/account/security/password/")["Location"] == "/account/security/"


def test_new_password_needs_the_second_factor(user: User, password: str) -> None:
    """A password alone does not change the password of who has a second factor."""
    app = enrol(user)
    client = pass_challenge(user, app.code())
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))
    new = {"new_password1": "a-new-and-long-one", "new_password2": "a-new-and-long-one"}

    response = client.post("/account/security/password/", {"old_password": password, **new})

    assert response["Location"].startswith("/account/reauthenticate/")
    user.refresh_from_db()
    assert user.check_password(password)


def test_anothers_authenticator_does_not_exist(user: User, other_user: User) -> None:
    """Somebody else's answers as one that is not there."""
    enrol(user)
    app = enrol(other_user)
    client = pass_challenge(other_user, app.code())

    response = client.post(f"/account/security/{only(user).public_id}/remove/")

    assert response.status_code == 404
    assert Authenticator.objects.for_user(user).exists()


def test_asvs_6_4_5_few_codes_left_is_said(user: User) -> None:
    """With three recovery codes left the page says to make new ones, and so does a sign-in."""
    app = enrol(user)
    for code in app.recovery_codes[:6]:
        client = pass_challenge(user, code)
    assert "Make new ones before" not in text_of(client, "/account/security/")  # type: ignore[possibly-undefined]

    client = pass_challenge(user, app.recovery_codes[6])

    assert "You have 3 recovery codes left" in text_of(client, "/account/devices/")
    assert "Make new ones before you run out" in text_of(client, "/account/security/")


def test_a_download_holds_codes_only(owner: Client) -> None:
    """The file repeats codes, and nothing else that somebody could have posted."""
    url = "/account/security/recovery-codes/download/"
    code = "0123-4567-89AB-CDEF-GHJK-MNPQ"

    fine = owner.post(url, {"code": [code]})

    assert code in fine.content.decode()
    assert fine["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert fine["Content-Type"] == "text/plain; charset=utf-8"
    for codes in ([], ["=HYPERLINK(1)"], [code, "<script>"], [code] * 11):
        assert owner.post(url, {"code": codes}).status_code in (200, 400)
        assert "HYPERLINK" not in owner.post(url, {"code": codes}).content.decode()
    assert owner.post(url, {"code": [code, "<script>"]}).status_code == 400


def test_each_page_is_a_fixed_number_of_queries(user: User, django_assert_num_queries: Any) -> None:
    """The security page costs the same for one authenticator as for five."""
    app = enrol(user)
    client = pass_challenge(user, app.code())
    client.get("/account/security/")
    with django_assert_num_queries(4):
        client.get("/account/security/")
    for _ in range(4):
        enrol(user)

    with django_assert_num_queries(4):
        page = client.get("/account/security/").content.decode()
    assert "Add another app" not in page


def test_a_disabled_authenticator_is_shown_as_such(user: User) -> None:
    """Its owner sees that it was disabled, and what to do."""
    app = enrol(user)
    client = pass_challenge(user, app.code())
    Authenticator.objects.update(disabled_at=timezone.now())

    assert "After too many wrong codes" in text_of(client, "/account/security/")


def test_too_many_codes_say_when_to_go_on(user: User) -> None:
    """The page answers 429 with Retry-After, and tells the time in words."""
    app: App = enrol(user)
    client = Client()
    client.force_login(user)
    for _ in range(10):
        client.post("/account/challenge/", {"code": app.wrong_code()})

    response = client.post("/account/challenge/", {"code": app.code()})

    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 30
    assert re.search(r"try again in \d+ seconds?\.", response.content.decode())
