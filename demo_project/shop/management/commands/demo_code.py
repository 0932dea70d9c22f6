"""Tell the code that the sign-in of one seeded person asks for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from demo_project.shop.history.people import CAREFUL
from demo_project.shop.history.second_factor import NoneLeft, code_of, find_app


class Command(BaseCommand):
    help = f"Print a code for signing in to the demo as {CAREFUL}, who has a second factor."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("demo_code gives a second factor away: only where DEBUG is on.")
        app = find_app(CAREFUL)
        if app is None:
            raise CommandError(
                f"{CAREFUL} has no second factor in this database. Seed it with seed_demo, or "
                "begin again with an empty one."
            )
        try:
            code = code_of(app, now=timezone.now())
        except NoneLeft as none:
            raise CommandError(
                f"Each code works once. The next is there in {none.seconds} seconds."
            ) from none
        self.stdout.write(
            f"{self.style.SUCCESS(code.text)}   for {CAREFUL}, within {code.seconds} seconds"
        )
