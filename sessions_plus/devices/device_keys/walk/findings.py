"""
What an answer says of the way between browsers and the site: rules of values.

Each finding is a sentence that names what is lost, what follows, and what to do, by what it is
about: the first one about a header is told, as whatever follows from it is no news.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sessions_plus.device_proof import headers
from sessions_plus.device_proof.self_check import is_answer
from sessions_plus.devices.device_keys.walk.asking import Answer, Site
from sessions_plus.named_types import Json, JsonObject

Findings = dict[str, str]
"""By their subject: a header, or what was asked for."""

LOST: Mapping[str, str] = {
    headers.OFFER: "browsers are never asked to bind a session. Pass it on in responses.",
    headers.CHALLENGE: (
        "browsers do not know what to sign, and end what is bound at their first refresh. Pass it "
        "on in responses, in those with status 403 too."
    ),
    headers.COME_AGAIN: (
        "whoever follows a link from a mail or another site sees an almost empty page. Pass it on "
        "in responses."
    ),
    headers.RESPONSE: (
        "no proof arrives, so nothing is bound or refreshed. Pass it on in requests; some proxies "
        "have a limit for the size of a header: it takes up to 2 kB."
    ),
    headers.IDENTIFIER: (
        "a refresh that comes without the session's cookie finds no session. Pass it on in "
        "requests."
    ),
    headers.SKIPPED: (
        "browsers that could not refresh lose their session's cookie to a stranger's. Pass it on "
        "in requests."
    ),
    "Sec-Fetch-Site": (
        "links from mails and other sites sign people out once their proof is over, and other "
        "sites are not told apart. Pass it on in requests."
    ),
    "Sec-Fetch-Mode": (
        "links from mails and other sites sign people out once their proof is over. Pass it on in "
        "requests."
    ),
}
"""What follows where a header does not get through, and what to do."""


def of_check(answer: Answer, question: str, sent: Mapping[str, str], site: Site) -> Findings:
    """Judge the answer to the doctor's question; ``sent`` are the headers that went with it."""
    if answer.status != 200:
        return {"check": wrong_status("check", answer)}
    told = told_by(answer)
    if not is_answer(told.get("answer"), question):
        return {
            "check": (
                f"What answers at {site.origin} is not this site, or has other keys, or its page "
                "was replaced on the way. Compare the address, and SECRET_KEY or "
                "SESSIONS_PLUS_ENCRYPTION_KEYS here and there."
            )
        }
    found = _of_origin(told.get("origin"), site)
    arrived: Json = told.get("arrived") or {}
    for name in headers.OF_REQUESTS:
        if arrived.get(name) != sent.get(name):
            found[name] = _lost(name)
    for name in headers.OF_RESPONSES:
        if name.lower() not in answer.headers:
            found[name] = _lost(name)
    return found


def _of_origin(seen: object, site: Site) -> Findings:
    if str(seen).lower() == site.origin:
        return {}
    return {
        "Origin": (
            f"The site takes itself for {seen}, and browsers know it as {site.origin}: they would "
            "refuse what it tells them, and it refuses them as another site's. Let the proxy send "
            "the Host of the request and X-Forwarded-Proto, and set SECURE_PROXY_SSL_HEADER (and "
            "USE_X_FORWARDED_HOST where it sends X-Forwarded-Host instead)."
        )
    }


def of_registration(answer: Answer, cookie: str, *, attributes: Mapping[str, object]) -> Findings:
    """Judge the answer to the registration of a key; ``cookie`` should come, so made."""
    if answer.status != 200:
        return {"registration": wrong_status("registration", answer)}
    if "session_identifier" not in told_by(answer):
        return {
            "registration": (
                "The page that answers the registration was replaced on the way: browsers end "
                "what they were binding. Let the proxy pass the answer on as it is."
            )
        }
    found = _of_cookie(answer, cookie, attributes)
    if "no-store" not in answer.headers.get("cache-control", ""):
        found["Cache-Control"] = (
            "The header Cache-Control: no-store of responses is lost or changed: what is kept on "
            "the way gives one person's proof to another. Let no cache keep or change these "
            "answers."
        )
    return found


def _of_cookie(answer: Answer, name: str, attributes: Mapping[str, object]) -> Findings:
    made = answer.cookies.get(name)
    if made is None:
        return {
            "Set-Cookie": (
                f"The header Set-Cookie of responses is lost: the cookie {name} of the proof does "
                "not come back, and browsers end what is bound. Pass it on; a cache in front must "
                "not answer for these addresses."
            )
        }
    wrong = sorted(key for key, value in attributes.items() if made[key] != value)
    if not wrong and not made["domain"]:
        return {}
    return {
        "Set-Cookie": (
            f"The cookie {name} of the proof was changed on the way "
            f"({', '.join(wrong or ['domain'])}): browsers do not take it, or not for what they "
            "were told. Let the proxy leave Set-Cookie as it is."
        )
    }


def of_first_refresh(answer: Answer) -> Findings:
    """Judge the answer to a refresh that proves nothing yet: 403, and what to sign."""
    if answer.status == 403 and headers.CHALLENGE.lower() in answer.headers:
        return {}
    if answer.status == 403:
        replaced = "its page, and its headers with it, were replaced" if answer.body else "lost"
        return {
            headers.CHALLENGE: (
                f"The header {headers.CHALLENGE} of a response with status 403 is lost "
                f"({replaced}): a browser that missed the one before ends what is bound. Let the "
                "proxy pass pages with status 403 on as they are (nginx: proxy_intercept_errors "
                "off; for the addresses below device-key/)."
            )
        }
    if answer.status == 200:
        return {
            "403": (
                "The status 403 of the first refresh was replaced by 200: the browser takes its "
                "key for proved, gets no cookie, and ends what is bound. Let the proxy pass "
                "pages with status 403 on as they are."
            )
        }
    return {"first refresh": wrong_status("first refresh", answer)}


def of_refresh(answer: Answer, cookie: str, *, attributes: Mapping[str, object]) -> Findings:
    """Judge the answer to a refresh with a proof."""
    if answer.status == 403:
        return {
            headers.RESPONSE: (
                f"The refresh was answered with 403 although it brought a proof: "
                f"{headers.RESPONSE} is lost at this address, or something in front of the site "
                "refuses it. Pass it on in requests, and exempt the address from such rules."
            )
        }
    if answer.status != 200:
        return {"refresh": wrong_status("refresh", answer)}
    found = _of_cookie(answer, cookie, attributes)
    if headers.CHALLENGE.lower() not in answer.headers:
        found[headers.CHALLENGE] = _lost(headers.CHALLENGE)
    return found


def of_end(answer: Answer) -> Findings:
    """Judge what a browser is told once its session is over."""
    if answer.status == 200 and told_by(answer).get("continue") is False:
        return {}
    if answer.status == 200:
        return {
            "end": (
                "After the session had ended, its refresh was answered as before: something on "
                "the way keeps answers. Let no cache answer for the addresses below device-key/."
            )
        }
    return {"end": wrong_status("end of the session", answer)}


def wrong_status(what: str, answer: Answer) -> str:
    """Return what an answer's status says that never comes from the site where all is well."""
    said = f"The {what} was answered with {answer.status}"
    if 300 <= answer.status < 400:
        return (
            f"{said}, to {answer.headers.get('location', 'nowhere')!r}: browsers end what is "
            "bound at a redirect. Let POST requests to the addresses below device-key/ through "
            "as they are, at the very address that people use."
        )
    return f"{said}: {_WHY.get(answer.status, _ANY)}"


_ANY = "something in front of the site answers for it. Pass these requests on."
_WHY: Mapping[int, str] = {
    400: (
        "the site does not take the host name that arrives. Let the proxy send the Host of the "
        "request, and name it in ALLOWED_HOSTS."
    ),
    401: (
        "something in front of the site wants a password, or changed what was signed. Exempt the "
        "addresses below device-key/."
    ),
    403: (
        "something in front of the site refuses it, or the session's cookie, the proof or the "
        "Host did not arrive. Exempt the addresses below device-key/ from such rules, and pass "
        "Cookie, Secure-Session-Response and Host on."
    ),
    404: (
        "the address leads elsewhere. Pass the path on as it is, and mount sessions_plus.urls on "
        "the server as here; the two must have the same keys, and clocks that agree to a minute."
    ),
    429: (
        "a limit counts it, and browsers end what is bound. Exempt the addresses below "
        "device-key/ from limits."
    ),
    503: "the site's database, or the site, is away. Try again when it is back.",
}


def _lost(name: str) -> str:
    kind = "requests" if name in headers.OF_REQUESTS else "responses"
    return f"The header {name} of {kind} is lost: {LOST[name]}"


def told_by(answer: Answer) -> JsonObject:
    """Return the JSON object of an answer; empty where it is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
