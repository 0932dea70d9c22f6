"""The devices page: what it shows, what its buttons do, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone

from sessions_plus.keys import read_token
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from sessions_plus.moments import in_local
from tests.views.conftest import SAFARI, SignIn, same_browser

LIST = "/account/devices/"
CountQueries = Callable[[int], AbstractContextManager[Any]]


def session_of(client: Client) -> Session:
    """The row of the session that a browser holds."""
    public_id = read_token(client.cookies["sessionid"].value)
    return Session.objects.select_related("device").get(public_id=public_id)  # type: ignore[misc]


def revoke_url(session: Session) -> str:
    return f"{LIST}sessions/{session.public_id}/revoke/"


def device_url(session: Session, act: str) -> str:
    assert session.device is not None
    return f"{LIST}{session.device.public_id}/{act}/"


def is_signed_in(client: Client) -> bool:
    return client.get(LIST).status_code == 200


def told(response: Any) -> list[str]:
    """What the next page will say."""
    return [str(message) for message in get_messages(response.wsgi_request)]


pytestmark = pytest.mark.usefixtures("engine")


def test_both_browsers_are_shown(user: User, sign_in: SignIn) -> None:
    """Somebody who is signed in twice sees both browsers, and which is the one in hand."""
    sign_in(user, SAFARI, "198.51.100.24")
    client = sign_in(user)

    html = client.get(LIST).content.decode()

    assert html.index("Firefox on Linux") < html.index("Safari on iOS")
    assert html.count("This device") == 1
    assert "198.51.100.24" in html


def test_nothing_secret_is_shown(user: User, sign_in: SignIn) -> None:
    """The page has neither key, digest nor device token in it."""
    client = sign_in(user)
    session = session_of(client)
    assert session.device is not None

    html = client.get(LIST).content.decode()

    secrets = {client.cookies["sessionid"].value, session.key_hash, session.device.token_hash}
    secrets.add(client.cookies["device"].value)
    assert not [secret for secret in secrets if secret and secret in html]


def test_other_peoples_sessions_are_not_shown(
    user: User, other_user: User, sign_in: SignIn
) -> None:
    """The page shows one's own devices alone."""
    sign_in(other_user, SAFARI, "198.51.100.24")

    html = sign_in(user).get(LIST).content.decode()

    assert "Safari" not in html
    assert "198.51.100.24" not in html


def test_what_people_chose_is_escaped(user: User, sign_in: SignIn) -> None:
    """A device's name is shown as text, on the page and in the message about it."""
    client = sign_in(user)
    name = "<script>alert(1)</script>"

    html = client.post(
        device_url(session_of(client), "rename"), {"name": name}, follow=True
    ).content.decode()

    assert name not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2


@pytest.mark.parametrize("count", [1, 8], ids=["one device", "eight devices"])
def test_queries_do_not_grow(
    user: User, sign_in: SignIn, count: int, django_assert_max_num_queries: CountQueries
) -> None:
    """The page costs four queries beside session and user, for any number of devices."""
    client = sign_in(user)
    for number in range(count):
        other = sign_in(user, SAFARI)
        if number % 2:
            other.post("/account/logout/")

    with django_assert_max_num_queries(6):
        assert client.get(LIST).status_code == 200


def test_ended_sessions_are_shown_with_their_reason(user: User, sign_in: SignIn) -> None:
    """Sessions that ended in the last weeks are listed with why; older ones are not."""
    client, other, long_ago = sign_in(user), sign_in(user, SAFARI), sign_in(user, SAFARI)
    other.post("/account/logout/")
    old = session_of(long_ago)
    then = timezone.now() - timedelta(weeks=5)
    Session.objects.filter(pk=old.pk).update(
        revoked_at=then, revoked_reason=Reason.REVOKED, location="Atlantis"
    )

    html = client.get(LIST).content.decode()

    assert "Recently ended" in html
    assert "Signed out" in html
    assert "Atlantis" not in html


def test_devices_without_session_are_shown_folded(user: User, sign_in: SignIn) -> None:
    """A device that is signed out is listed apart, and can be removed."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    url = device_url(session_of(other), "revoke")
    other.post("/account/logout/")

    html = client.get(LIST).content.decode()

    assert "One device that is signed out" in html
    assert url in html


def test_revoked_session_is_over_at_its_next_request(user: User, sign_in: SignIn) -> None:
    """Ending the other browser's session signs it out at its next click, and says so."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    session = session_of(other)

    response = client.post(revoke_url(session))

    assert response.headers["Location"] == LIST
    assert told(response) == ["Safari on iOS is signed out."]
    assert not is_signed_in(other)
    assert is_signed_in(client)
    session.refresh_from_db()
    assert session.revoked_reason == Reason.REVOKED
    event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
    assert (event.session_public_id, event.ip_address) == (session.public_id, "203.0.113.7")


def test_revoking_twice_is_calm(user: User, sign_in: SignIn) -> None:
    """A second click on a button that has done its work changes nothing and says so."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    url = revoke_url(session_of(other))
    client.post(url)
    client.get(LIST)

    response = client.post(url)

    assert told(response) == ["Safari on iOS was signed out already."]
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 1


def test_revoking_the_own_session_leads_to_the_sign_in(user: User, sign_in: SignIn) -> None:
    """Who ends the session in hand is signed out and comes to the sign-in page."""
    client = sign_in(user)

    response = client.post(revoke_url(session_of(client)), follow=True)

    assert response.redirect_chain == [("/account/login/", 302)]
    assert "Firefox on Linux is signed out." in response.content.decode()
    assert not is_signed_in(client)


def test_all_others_are_revoked(user: User, other_user: User, sign_in: SignIn) -> None:
    """ "Sign out everywhere else" ends all sessions of one's own but the one in hand."""
    client, others = sign_in(user), [sign_in(user, SAFARI) for _ in range(2)]
    stranger = sign_in(other_user)

    response = client.post(f"{LIST}revoke-others/")

    assert told(response) == ["You are signed out of 2 other places, and still signed in here."]
    assert [is_signed_in(one) for one in (client, stranger, *others)] == [True, True, False, False]


def test_removed_device_is_signed_out_and_forgotten(user: User, sign_in: SignIn) -> None:
    """Removing a device ends its session, and the same browser is a new device next time."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    session = session_of(other)

    client.post(device_url(session, "revoke"))
    assert not is_signed_in(other)
    other.post("/account/login/", {"username": "ann", "password": "correct horse battery staple"})

    assert session_of(other).device_id != session.device_id


def test_removing_the_device_in_hand_leads_to_the_sign_in(user: User, sign_in: SignIn) -> None:
    """Who removes the device in hand is signed out without an error."""
    client = sign_in(user)

    response = client.post(device_url(session_of(client), "revoke"), follow=True)

    assert response.redirect_chain == [("/account/login/", 302)]
    assert not is_signed_in(client)


def test_device_is_renamed(user: User, sign_in: SignIn) -> None:
    """A device goes by the name that its user gives it, and by its browser without one."""
    client = sign_in(user)
    url = device_url(session_of(client), "rename")

    first = client.post(url, {"name": "  Kitchen\u202e tablet "})
    assert told(first) == ["The device is now called Kitchen tablet."]
    assert Device.objects.get().name == "Kitchen tablet"
    client.get(LIST)

    client.post(url, {"name": ""})
    assert Device.objects.get().label == "Firefox on Linux"


def test_a_name_that_is_too_long_is_refused(user: User, sign_in: SignIn) -> None:
    """A name of more than a hundred characters changes nothing, and the person is told."""
    client = sign_in(user)

    response = client.post(device_url(session_of(client), "rename"), {"name": "x" * 101})

    assert "100" in told(response)[0]
    assert Device.objects.get().name == ""


@pytest.mark.parametrize("act", ["session", "revoke", "rename"])
def test_another_persons_thing_answers_as_a_missing_one(
    user: User, other_user: User, sign_in: SignIn, act: str
) -> None:
    """Neither status, body nor headers tell whether somebody else has such a session or device."""
    client, stranger = sign_in(user), sign_in(other_user, SAFARI)
    session = session_of(stranger)
    assert session.device is not None
    name = str(session.public_id if act == "session" else session.device.public_id)
    url = revoke_url(session) if act == "session" else device_url(session, act)

    theirs = client.post(url, {"name": "mine"})
    missing = client.post(url.replace(name, str(uuid4())), {"name": "mine"})

    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert theirs.headers == missing.headers
    assert is_signed_in(stranger)
    assert not Device.objects.filter(name="mine").exists()


# Not a random one: what runs the tests in parallel wants the same names in each process.
MISSING = UUID(int=0)
ACTS = [
    "devices/revoke-others/",
    f"devices/sessions/{MISSING}/revoke/",
    f"devices/{MISSING}/revoke/",
    f"devices/{MISSING}/rename/",
    "logout/",
]


@pytest.mark.parametrize("path", ACTS)
def test_acts_are_posted_with_a_token(user: User, sign_in: SignIn, path: str) -> None:
    """No link and no foreign form sets anything off; a link leads to the page of the button."""
    client = sign_in(user)
    forged = same_browser(client, enforce_csrf_checks=True)

    looked = client.get(f"/account/{path}")
    if path == "devices/revoke-others/":
        assert "Sign out everywhere else?" in looked.content.decode()
    else:
        assert looked.headers["Location"] == LIST
    assert forged.post(f"/account/{path}").status_code == 403
    assert is_signed_in(client)


def test_acts_check_the_token_without_djangos_middleware(user: User, sign_in: SignIn) -> None:
    """A site that left out the CSRF middleware has its people's sessions protected all the same."""
    client = sign_in(user)
    forged = same_browser(client, enforce_csrf_checks=True)
    without = [path for path in settings.MIDDLEWARE if "csrf" not in path]

    with override_settings(MIDDLEWARE=without):
        response = forged.post(f"{LIST}revoke-others/")

    assert response.status_code == 403


@pytest.mark.parametrize("path", [path for path in ACTS if path != "logout/"])
def test_strangers_sign_in_and_come_to_a_page(db: None, path: str) -> None:
    """Whoever is not signed in comes, after that, to a page and not to an address for forms."""
    response = Client().post(f"/account/{path}")

    page = LIST if path != "devices/revoke-others/" else f"/account/{path}"
    assert response.headers["Location"] == f"/account/login/?next={page}"


@pytest.mark.parametrize("path", ["devices/", "activity/?page=2"])
def test_strangers_come_back_to_the_page(db: None, path: str) -> None:
    """Whoever is not signed in comes back to the page that was asked for."""
    response = Client().get(f"/account/{path}")

    assert response.status_code == 302
    assert response.headers["Location"].replace("%3F", "?").replace("%3D", "=") == (
        f"/account/login/?next=/account/{path}"
    )


def test_without_messages_the_acts_work(user: User, sign_in: SignIn) -> None:
    """A site without Django's messages loses the words and nothing else."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    session = session_of(other)
    without = [path for path in settings.MIDDLEWARE if "messages" not in path]

    with override_settings(MIDDLEWARE=without):
        response = same_browser(client).post(revoke_url(session))

    assert response.status_code == 302
    assert told(response) == []
    assert not is_signed_in(other)


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_the_acts_work(password: str) -> None:
    """Under ASGI, too, the other browser is signed out at its next request."""
    await User.objects.acreate_user("ann", password=password)
    client, other = AsyncClient(), AsyncClient()
    for browser in (client, other):
        await browser.post("/account/login/", {"username": "ann", "password": password})
    public_id = read_token(other.cookies["sessionid"].value)

    assert (await client.get(LIST)).status_code == 200
    await client.post(f"{LIST}sessions/{public_id}/revoke/")

    assert (await other.get(LIST)).status_code == 302
    assert (await client.get(LIST)).status_code == 200


def test_account_leads_to_the_devices(user: User, sign_in: SignIn) -> None:
    """The address that the pages are mounted at is one of a page."""
    assert sign_in(user).get("/account/").headers["Location"] == LIST


def detail(client: Client, session: Session) -> str:
    response = client.get(f"{LIST}sessions/{session.public_id}/")
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_session_has_a_page(user: User, sign_in: SignIn) -> None:
    """It tells browser and system with version, method, address and zone, and ends the session."""
    client, other = sign_in(user), sign_in(user, SAFARI, "198.51.100.24")
    session = session_of(other)
    assert f'href="{LIST}sessions/{session.public_id}/"' in client.get(LIST).content.decode()

    html = detail(client, session)

    zone = str(in_local(session.last_activity).tzname())
    for shown in ("Safari", "17", "iOS", "password", "198.51.100.24", zone, "First seen"):
        assert shown in html
    assert "Signed in on a new device" in html
    assert revoke_url(session) in html
    assert device_url(session, "rename") in html


def test_the_page_of_a_session_that_ended(user: User, sign_in: SignIn) -> None:
    """It says when and why, and offers nothing to end."""
    client, other = sign_in(user), sign_in(user, SAFARI)
    session = session_of(other)
    client.post(revoke_url(session))

    html = detail(client, session)

    assert "Ended by you from another device" in html
    assert revoke_url(session) not in html


def test_another_persons_session_has_no_page(user: User, other_user: User, sign_in: SignIn) -> None:
    """It answers as one that there is not."""
    theirs = session_of(sign_in(other_user))
    client = sign_in(user)

    assert client.get(f"{LIST}sessions/{theirs.public_id}/").status_code == 404
    assert client.get(f"{LIST}sessions/{uuid4()}/").status_code == 404


def test_where_an_actor_is_stays_theirs(user: User, staff: User, sign_in: SignIn) -> None:
    """The page of a session in which support acts as oneself does not tell where they are."""
    client, acting = sign_in(user), sign_in(user, SAFARI, "198.51.100.24")
    session = session_of(acting)
    Session.objects.filter(pk=session.pk).update(actor=staff, device=None, location="Basel")
    Device.objects.filter(system="iOS").update(revoked_at=timezone.now())
    began = SessionEvent.objects.filter(session_public_id=session.public_id)
    began.update(actor=staff, device=None)

    for html in (detail(client, session), client.get(LIST).content.decode()):
        assert "Support staff" in html
        for hidden in ("198.51.100.24", "Basel", "Safari"):
            assert hidden not in html


def test_what_is_strange_stands_out(user: User, sign_in: SignIn) -> None:
    """Another country than all others, and more failed attempts than a slip, are marked."""
    client, phone = sign_in(user), sign_in(user, SAFARI)
    stranger = sign_in(user, SAFARI, "198.51.100.24")
    for browser, place in ((client, "Bern, CH"), (phone, "Basel, CH"), (stranger, "Porto, BR")):
        Session.objects.filter(pk=session_of(browser).pk).update(location=place)
    for _ in range(2):
        stranger.post("/account/login/", {"username": "ann", "password": "a guess"})

    html = client.get(LIST).content.decode()

    assert html.count("A new place") == 1
    assert html.count("2 failed attempts") == 1
    assert html.index("A new place") < html.index("Porto, BR")
