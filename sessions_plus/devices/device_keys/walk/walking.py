"""The walk itself: each step asks once, and adds what its answer says."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from sessions_plus.cookies import proof_cookie_attributes
from sessions_plus.crypto import SoftwareKeyPair
from sessions_plus.device_proof import headers
from sessions_plus.device_proof.names import identifier_of
from sessions_plus.device_proof.nonces import new_nonce
from sessions_plus.device_proof.proof_cookie import name_of
from sessions_plus.device_proof.self_check import new_question
from sessions_plus.device_proof.signing import first_proof, later_proof
from sessions_plus.devices.device_keys.registration import offer_nonce
from sessions_plus.devices.device_keys.walk import findings
from sessions_plus.devices.device_keys.walk.asking import Answer, Site
from sessions_plus.devices.device_keys.walk.findings import Findings
from sessions_plus.devices.device_keys.walk.session import end, session_of_walk
from sessions_plus.rows.session_row import Row, fetch
from sessions_plus.store.session_store import SessionStore


@dataclass
class Walk:
    """
    What became of it.

    ``steps``: the status of each answer by what was asked, in their order. ``problems``: a
    sentence each, by the header or step that it is about.
    """

    url: str
    user: str
    steps: dict[str, int] = field(default_factory=dict)
    problems: Findings = field(default_factory=dict)

    def note(self, step: str, answer: Answer, found: Findings) -> None:
        self.steps[step] = answer.status
        for subject, text in found.items():
            self.problems.setdefault(subject, text)

    def facts(self) -> dict[str, object]:
        problems = [{"about": about, "text": text} for about, text in self.problems.items()]
        return {"url": self.url, "user": self.user, "steps": self.steps, "problems": problems}


def walk(site: Site, user: models.Model) -> Walk:
    """
    Bind a session of ``user`` to a key in software, and prove it, through whatever is before it.

    The session's key is sent to nobody who did not show before that they have the site's keys.

    Raises:
        NoReverseMatch: ``sessions_plus.urls`` is mounted nowhere.
    """
    done = Walk(site.origin + site.before, str(user))
    try:
        if _is_the_site(site, done):
            with session_of_walk(user) as store:
                _Browser(site, store, done).walk()
    except ssl.SSLCertVerificationError as error:
        done.problems["certificate"] = (
            f"The certificate of {site.host} is not trusted here ({error.verify_message}). "
            "Browsers bind no session over such a connection. Where an authority of your own "
            "signed it, name its certificate with --ca."
        )
    except (OSError, HTTPException) as error:
        done.problems["connection"] = (
            f"{site.origin} does not answer ({type(error).__name__}: {error}). Is it the address "
            "that browsers use, and can this machine reach it?"
        )
    return done


def _is_the_site(site: Site, done: Walk) -> bool:
    """Ask who is there; note what of the question and the answer was lost."""
    question = new_question(timezone.now())
    sent = dict.fromkeys((headers.RESPONSE, headers.IDENTIFIER, headers.SKIPPED), question)
    sent |= {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}
    answer = site.post(reverse("sessions_plus:device_key_check"), sent, {"question": question})
    found = findings.of_check(answer, question, sent, site)
    done.note("check", answer, found)
    return "check" not in found


class _Browser:
    """What a browser does with its device's key, step by step."""

    def __init__(self, site: Site, store: SessionStore, done: Walk) -> None:
        self.site, self.store, self.done = site, store, done
        self.pair = SoftwareKeyPair()
        self.cookies = {settings.SESSION_COOKIE_NAME: str(store.session_key)}

    def walk(self) -> None:
        row = self.store.row
        if row is None:
            return
        self._register(row)
        bound = fetch(row.public_id)
        if bound is not None and bound.device_key_id is not None:
            self._refresh(bound)

    def _register(self, row: Row) -> None:
        proof = first_proof(self.pair, offer_nonce(row, timezone.now()))
        answer = self._ask("device_key_register", {headers.RESPONSE: proof})
        bound = fetch(row.public_id)
        key = bound.device_key_id if bound is not None else None
        cookie = name_of(key.bytes) if key is not None else ""
        found = findings.of_registration(answer, cookie, attributes=proof_cookie_attributes())
        self.done.note("registration", answer, found)

    def _refresh(self, row: Row) -> None:
        if row.device_key_id is None:
            return
        named = {headers.IDENTIFIER: identifier_of(row.device_key_id)}
        first = self._ask("device_key_refresh", named)
        self.done.note("first refresh", first, findings.of_first_refresh(first))
        nonce = _nonce_in(first) or new_nonce(row.public_id, row.device_key_id, timezone.now())
        proof = {headers.RESPONSE: later_proof(self.pair, nonce)}
        answer = self._ask("device_key_refresh", named | proof)
        attributes = proof_cookie_attributes()
        found = findings.of_refresh(answer, name_of(row.device_key_id.bytes), attributes=attributes)
        self.done.note("refresh", answer, found)
        end(self.store)
        last = self._ask("device_key_refresh", named)
        self.done.note("end", last, findings.of_end(last))

    def _ask(self, name: str, more: Mapping[str, str]) -> Answer:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return self.site.post(reverse(f"sessions_plus:{name}"), {"Cookie": cookies, **more})


def _nonce_in(answer: Answer) -> str | None:
    parts = answer.headers.get(headers.CHALLENGE.lower(), "").split('"')
    return parts[1] if len(parts) > 1 else None
