"""Somebody with a passkey: their browser, and the authenticator that it plays (WebAuthn §11)."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import CDPSession, expect

from tests.journeys.visitor import Visitor

NO_AUTOFILL = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"


class Holder:
    """Somebody's browser, and the authenticator in their device."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor, self.page = visitor, visitor.page
        self.cdp: CDPSession = visitor.page.context.new_cdp_session(visitor.page)
        self.cdp.send("WebAuthn.enable")
        self.add_authenticator()

    def add_authenticator(self) -> None:
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            "defaultBackupEligibility": True,
            "defaultBackupState": True,
        }
        made = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator = made["authenticatorId"]

    @property
    def passkeys(self) -> list[dict[str, Any]]:
        """What the authenticator holds."""
        which = {"authenticatorId": self.authenticator}
        found: list[dict[str, Any]] = self.cdp.send("WebAuthn.getCredentials", which)["credentials"]
        return found

    def touches(self, *, at_once: bool) -> None:
        """Whether its owner answers whatever it asks."""
        which = {"authenticatorId": self.authenticator, "enabled": at_once}
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", which)

    def lose(self) -> None:
        self.cdp.send("WebAuthn.clearCredentials", {"authenticatorId": self.authenticator})

    def add(self, name: str) -> None:
        self.page.goto("/account/security/passkeys/")
        self.page.get_by_label("Name").fill(name)
        self.visitor.button("Add passkey").click()

    def keep_codes(self) -> list[str]:
        expect(self.visitor.heading("Keep your recovery codes")).to_be_visible()
        codes = self.page.locator(".codes li").all_inner_texts()
        with self.page.expect_navigation():
            self.page.get_by_role("link", name="Done", exact=True).click()
        return codes

    def expect_on_security_page(self) -> None:
        expect(self.page).to_have_url(re.compile(r"^[^?]*/account/security/$"))
