"""Fill the demo with people and some weeks of their sessions."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from demo_project.shop.history.measures import measure_the_past
from demo_project.shop.history.people import CAREFUL, PASSWORD, PEOPLE, Person
from demo_project.shop.history.replay import Replay
from demo_project.shop.history.second_factor import address_of, find_app
from demo_project.shop.history.timeline import days
from sessions_plus.maintenance.counting import count_events

# As docs/help-desk.md has them; with the permission to view users.
HELP_DESK = (
    *("view_session", "view_device", "view_sessionevent", "view_authenticator"),
    *("revoke_any_session", "remove_any_authenticator"),
)


class Command(BaseCommand):
    help = "Make the demo's people and some weeks of their sessions, where they are missing."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--address", default="127.0.0.1:8000", help="where the demo will be served"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "seed_demo makes accounts whose password everybody knows, so it runs only "
                "where DEBUG is on."
            )
        with quiet(), transaction.atomic():
            made = seed()
        # What the overview in the admin shows.
        count_events(timezone.now())
        if made:
            measure_the_past(timezone.now())
        self.tell(options["address"])
        self.tell_of_second_factor(is_new=CAREFUL in made)

    def tell(self, address: str) -> None:
        write = self.stdout.write
        site = f"{'https' if settings.SESSION_COOKIE_SECURE else 'http'}://{address}"
        write(f"\nMarlow & Fig, a demo shop: {site}/   (admin: {site}/admin/)\n")
        write(f"Accounts, each with the password {self.style.SUCCESS(PASSWORD)}:\n\n")
        for person in PEOPLE:
            write(
                f"  {self.style.SUCCESS(f'{person.username:<7}')} {person.name:<15} {person.story}"
            )
        write("")

    def tell_of_second_factor(self, *, is_new: bool) -> None:
        """Show the secret when it was made, and never again: as the site itself does."""
        write, app = self.stdout.write, find_app(CAREFUL)
        if app is None:
            return
        write(
            f"The code for {CAREFUL}: `make demo-code` (`manage.py demo_code`) in another terminal"
        )
        if is_new:
            write("prints one. For an authenticator app of your own, shown this once:\n")
            write(f"  {address_of(app, CAREFUL)}")
        else:
            write("prints one.")
        write("")


def seed() -> Collection[str]:
    """
    Make whoever is missing, and the past of those who were; return their usernames.

    Twice does no more than once.
    """
    missing = [person for person in PEOPLE if not _exists(person)]
    now = timezone.now()
    people = {person.username: make(person, joined_at=now - days(60)) for person in missing}
    if people:
        staff = User.objects.get(username="sam")
        Replay(people, staff=staff, now=now).run()
    # They had no address until now, so that nobody is mailed about the past.
    for user in people.values():
        user.email = f"{user.username}@example.com"
    User.objects.bulk_update(people.values(), ["email"])
    return people.keys()


def make(person: Person, *, joined_at: datetime) -> User:
    first_name, _, last_name = person.name.partition(" ")
    user = User.objects.create_user(
        person.username,
        password=PASSWORD,
        date_joined=joined_at,
        first_name=first_name,
        last_name=last_name,
        is_staff=person.role != "customer",
        is_superuser=person.role == "owner",
    )
    if person.role == "support":
        user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="sessions_plus",
                codename__in=HELP_DESK,
            )
            | Permission.objects.filter(content_type__app_label="auth", codename="view_user")
        )
    return user


def _exists(person: Person) -> bool:
    return User.objects.filter(username=person.username).exists()


@contextmanager
def quiet() -> Iterator[None]:
    """Log nothing: what happened weeks ago is no news."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
