"""What a request told of its sender, as columns that sessions and devices share."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from sessions_plus.models.text import FittedCharField


class AgentKind(models.TextChoices):
    DESKTOP = "desktop", _("Computer")
    MOBILE = "mobile", _("Phone")
    TABLET = "tablet", _("Tablet")
    BOT = "bot", _("Robot")
    PROGRAM = "program", _("Program")
    UNKNOWN = "unknown", _("Unknown kind")


class AgentColumns(models.Model):
    """
    Fields:

    ``user_agent``
        the header as sent, sanitised; at most 512 characters.
    ``browser``, ``browser_version``, ``system``
        parsed from it: ``Firefox``, ``128``, ``Windows``. Empty: not recognised.
    ``agent_kind``
        the kind of machine.
    """

    user_agent = FittedCharField(_("user agent"), max_length=512, blank=True)
    browser = FittedCharField(_("browser"), max_length=64, blank=True)
    browser_version = FittedCharField(_("browser version"), max_length=16, blank=True)
    system = FittedCharField(_("system"), max_length=64, blank=True)
    agent_kind = models.CharField(
        _("kind of device"), max_length=8, choices=AgentKind.choices, default=AgentKind.UNKNOWN
    )

    class Meta:
        abstract = True

    @property
    def agent_label(self) -> str:
        """``Firefox on Windows``, or as much of it as is known."""
        if self.browser and self.system:
            return _("%(browser)s on %(system)s") % {
                "browser": self.browser,
                "system": self.system,
            }
        return self.browser or self.system or str(_("Unknown browser"))
