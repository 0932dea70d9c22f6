"""
Every message of our checks: its id, its level, what is wrong and what to write instead.

An id, once released, keeps its meaning. 0xx: settings; 1xx: installation; 2xx: deployment;
3xx: moving in; 4xx: beside packages of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.core.checks import ERROR, WARNING, CheckMessage
from django.core.checks import Error as DjangoError
from django.core.checks import Warning as DjangoWarning

TAG = "sessions_plus"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that can be wrong.

    ``text`` and ``hint`` have named places in braces, filled by ``about``.
    """

    id: str
    text: str
    hint: str

    @property
    def level(self) -> int:
        return ERROR if self.id[0] == "E" else WARNING

    @property
    def full_id(self) -> str:
        return f"{TAG}.{self.id}"

    def about(self, **facts: object) -> CheckMessage:
        """Return the message with its places filled."""
        kind = DjangoError if self.level == ERROR else DjangoWarning
        return kind(self.text.format(**facts), hint=self.hint.format(**facts), id=self.full_id)


UNKNOWN_SETTING = Finding(
    "E001",
    "{setting} is not a setting of django-sessions-plus.",
    "{suggestion}",
)
WRONG_TYPE = Finding(
    "E002",
    "{setting} is {shown}, which is not {expected}.",
    "{suggestion}",
)
NOT_A_CHOICE = Finding(
    "E003",
    "{setting} is {shown}, which is none of its choices.",
    "Write one of: {choices}.",
)
BAD_VALUE = Finding(
    "E004",
    "{setting} is {shown}: {problem}.",
    "Change it. It means: {meaning}",
)
BAD_ENCRYPTION_KEY = Finding(
    "E005",
    "SESSIONS_PLUS_ENCRYPTION_KEYS: entry number {number} is not base64 of at least 32 bytes.",
    'Make a key with: python -c "import base64, secrets; '
    'print(base64.b64encode(secrets.token_bytes(32)).decode())"',
)
BAD_NETWORK = Finding(
    "E006",
    "SESSIONS_PLUS_TRUSTED_PROXIES: {shown} is neither an address nor a network.",
    "Write an address (203.0.113.7), a network without host bits (10.0.0.0/8), or 'unix'.",
)
PROXIES_TWICE = Finding(
    "E007",
    "SESSIONS_PLUS_TRUSTED_PROXY_COUNT ({count}) and SESSIONS_PLUS_TRUSTED_PROXIES are both set.",
    "Keep the one that describes your proxies better, and remove the other.",
)
HEADER_OF_NOBODY = Finding(
    "E008",
    "SESSIONS_PLUS_IP_ADDRESS_HEADER is {header!r}, but SESSIONS_PLUS_TRUSTED_PROXIES is empty, so "
    "that it is never believed.",
    "Write the addresses of the proxies that set it into SESSIONS_PLUS_TRUSTED_PROXIES, or remove "
    "it.",
)
NOT_THERE = Finding(
    "E009",
    "{setting} is {shown}, which cannot be imported: {error}.",
    "Write the dotted path of a function that is called as {call}.",
)
CALLED_OTHERWISE = Finding(
    "E010",
    "{setting} is {shown}, which {problem}.",
    "It is called as {call}, without await.",
)
IDLE_TIMEOUT_TOO_LONG = Finding(
    "W001",
    "The idle timeout ({idle}, from {source}) is longer than SESSIONS_PLUS_ABSOLUTE_LIFETIME "
    "({absolute}), so it never applies.",
    "Lower the idle timeout, or raise the absolute lifetime.",
)

DJANGO_MIDDLEWARE = Finding(
    "E101",
    "MIDDLEWARE holds {middleware}, whose sessions are not tracked.",
    "Put 'sessions_plus.middleware.SessionMiddleware' in its place.",
)
NO_MIDDLEWARE = Finding(
    "E102",
    "MIDDLEWARE lacks 'sessions_plus.middleware.SessionMiddleware'.",
    "Put it where 'django.contrib.sessions.middleware.SessionMiddleware' stood: before "
    "'django.contrib.auth.middleware.AuthenticationMiddleware'. It is one of Django's too, so that "
    "admin.E410, which names Django's, is content with it.",
)
WRONG_ORDER = Finding(
    "E103",
    "In MIDDLEWARE, {later} comes before 'sessions_plus.middleware.SessionMiddleware', "
    "whose session it needs.",
    "Move 'sessions_plus.middleware.SessionMiddleware' up, to before it.",
)
TOO_EARLY = Finding(
    "E114",
    "In MIDDLEWARE, {early!r} comes before {auth!r}, and needs the request.user that this sets.",
    "Move {early!r} down, to after it.",
)
FOREIGN_ENGINE = Finding(
    "E104",
    "SESSION_ENGINE is {engine!r}, whose sessions are not tracked.",
    "Write SESSION_ENGINE = 'sessions_plus.backends.db' or 'sessions_plus.backends.cached_db'.",
)
PICKLE = Finding(
    "E105",
    "SESSION_SERIALIZER is {serializer!r}, which uses pickle: whoever can write to the cache or "
    "the database could run code.",
    "Remove it: Django's own default stores JSON.",
)
NO_CACHE = Finding(
    "E106",
    "SESSION_CACHE_ALIAS is {alias!r}, which CACHES does not define.",
    "Add it to CACHES, or write one of: {aliases}.",
)
DUMMY_CACHE = Finding(
    "E107",
    "The session cache {alias!r} is Django's dummy cache, which keeps nothing.",
    "Give CACHES[{alias!r}] a real backend, or do without: write "
    "SESSION_ENGINE = 'sessions_plus.backends.db' and no SESSION_CACHE_ALIAS.",
)
MISSING_EXTRA = Finding(
    "E108",
    "{used} needs {library!r}, which is not installed.",
    "Install it with: pip install 'django-sessions-plus[{extra}]'",
)
BROKEN_PREFIX = Finding(
    "E109",
    "{setting} is {name!r}, but {contradiction}: browsers refuse such a cookie.",
    "{suggestion}",
)
NOT_IMPORTABLE = Finding(
    "E110",
    "{setting} names {path!r}, which cannot be imported: {error}.",
    "Write the dotted path of a class that is there.",
)
BROKEN_CACHE = Finding(
    "E111",
    "The session cache {alias!r} cannot be made: {error}.",
    "Install what CACHES[{alias!r}]['BACKEND'] needs, or write another. Without a cache: "
    "SESSION_ENGINE = 'sessions_plus.backends.db'.",
)
KEYS_WRITTEN_ELSEWHERE = Finding(
    "E112",
    "{app!r} in INSTALLED_APPS writes session keys into {column}, which holds {length} characters: "
    "a key of ours has {needed}, and is a secret. Sign-ins fail on some databases, and leave it in "
    "clear on others.",
    "Remove {app!r} from INSTALLED_APPS, and its middleware. account/devices/, of "
    "sessions_plus.urls, shows people their sessions in its place.",
)
BINDING_WITHOUT_HTTPS = Finding(
    "E141",
    "SESSIONS_PLUS_DEVICE_BINDING is set, but SESSION_COOKIE_SECURE is not True: browsers bind "
    "sessions over HTTPS only.",
    "Write SESSION_COOKIE_SECURE = True, or SESSIONS_PLUS_DEVICE_BINDING = 'off'.",
)
BINDING_OF_MANY_HOSTS = Finding(
    "E142",
    "SESSIONS_PLUS_DEVICE_BINDING is set, but {setting} is {value!r}: browsers prove their key on "
    "one host and from its root, so the session would not open where the cookie goes else.",
    "Remove {setting}, or write SESSIONS_PLUS_DEVICE_BINDING = 'off'.",
)
BINDING_WITHOUT_ADDRESS = Finding(
    "E143",
    "SESSIONS_PLUS_DEVICE_BINDING is set, but no address leads to sessions_plus.urls: browsers "
    "have nowhere to bind a session.",
    "Add path('account/', include('sessions_plus.urls')) to your URLs.",
)
BINDING_REQUIRED_BUT_OFF = Finding(
    "E144",
    "SESSIONS_PLUS_DEVICE_BINDING_REQUIRED is set, but SESSIONS_PLUS_DEVICE_BINDING is 'off': no "
    "browser can bind its session, so whoever must is locked out.",
    "Write SESSIONS_PLUS_DEVICE_BINDING = 'enforce', or remove "
    "SESSIONS_PLUS_DEVICE_BINDING_REQUIRED.",
)
BINDING_WAITS_FOR_FILES = Finding(
    "W241",
    "SESSIONS_PLUS_DEVICE_BINDING is set, and {setting} is {value!r}: browsers wait for a proof "
    "before they ask for each file there.",
    "Serve the files below a path of their own, such as '/static/', or from another host.",
)
BINDING_IN_FRAMES = Finding(
    "W242",
    "SESSIONS_PLUS_DEVICE_BINDING is set, and SESSION_COOKIE_SAMESITE is 'None': in frames of "
    "other sites browsers prove no key, so people are signed out there.",
    "Write SESSION_COOKIE_SAMESITE = 'Lax', unless your site is not used in frames.",
)
BINDING_BY_LANGUAGE = Finding(
    "W243",
    "SESSIONS_PLUS_DEVICE_BINDING is set, and the address of sessions_plus.urls begins with a "
    "language: browsers keep the one that their user signed in with.",
    "Take include('sessions_plus.urls') out of i18n_patterns().",
)
NO_LOCATION_FILE = Finding(
    "W101",
    "SESSIONS_PLUS_LOCATION_DATABASE is {path!r}, where there is no file: places are not shown.",
    "Write the path of a MaxMind City or Country database, or None.",
)
GUESSES_NOT_COUNTED = Finding(
    "W102",
    "AUTHENTICATION_BACKENDS lacks 'sessions_plus.auth_backends.Backend': passwords are guessed "
    "without limit.",
    "Write AUTHENTICATION_BACKENDS = {suggestion}. Nobody is signed out.",
)
GUESSES_COUNTED_LATE = Finding(
    "W103",
    "In AUTHENTICATION_BACKENDS, {earlier} comes before 'sessions_plus.auth_backends.Backend': "
    "guesses that it looks at are not counted.",
    "Write AUTHENTICATION_BACKENDS = {suggestion}.",
)
RESET_LEADS_NOWHERE = Finding(
    "W106",
    "Whoever forgot their password gets no link to choose a new one: {problem}.",
    "{suggestion}",
)

SHORT_KEY_COLUMN = Finding(
    "W104",
    "{column} holds {length} characters: a session key of ours has {needed}, and is a secret.",
    "Keep request.session.public_id there, if it is to find a session again: a UUID that stays for "
    "as long as the session does.",
)
LIMITED_CHARACTERS = Finding(
    "W105",
    "The database {alias!r} stores text as {charset}: of names, browsers and places, characters "
    "that it does not have are kept as '?'.",
    "Make the database and its tables with {wanted}; on MySQL, let OPTIONS['charset'] say so, too.",
)
NO_TABLE_BESIDE_SESSIONS = Finding(
    "W107",
    "A router's allow_migrate() keeps {tables} out of the sessions' database {alias!r}, where "
    "pages, counts and clean-up look for it: they fail.",
    "Let allow_migrate() return True for each model of sessions_plus in {alias!r}, before you run "
    "migrate there; where that was run, make the table as docs/limits-known.md says (Data).",
)

COOKIE_NOT_SECURE = Finding(
    "W201",
    "SESSION_COOKIE_SECURE is not True: the session key also travels over plain HTTP.",
    "Write SESSION_COOKIE_SECURE = True.",
)
COOKIE_NOT_HTTP_ONLY = Finding(
    "W202",
    "SESSION_COOKIE_HTTPONLY is not True: a script in a page can read the session key.",
    "Remove the setting: True is Django's default.",
)
NO_SESSION_PREFIX = Finding(
    "W203",
    "SESSION_COOKIE_NAME is {name!r}: without a prefix a subdomain or plain HTTP can plant a "
    "session (OWASP ASVS 3.3.1).",
    "Write SESSION_COOKIE_NAME = {better!r}. Everybody is signed out once.",
)
NO_CSRF_PREFIX = Finding(
    "W204",
    "CSRF_COOKIE_NAME is {name!r}: without a prefix a subdomain or plain HTTP can replace it "
    "(OWASP ASVS 3.3.1).",
    "Write CSRF_COOKIE_NAME = {better!r}.",
)
NO_SAMESITE = Finding(
    "W205",
    "SESSION_COOKIE_SAMESITE is {shown}: other sites' requests carry the session.",
    "Write 'Lax' (Django's default) or 'Strict'.",
)
COOKIE_DOMAIN = Finding(
    "W206",
    "SESSION_COOKIE_DOMAIN is {domain!r}: every server below that domain sees the session key.",
    "Remove it, unless several hosts have to share the sessions.",
)
LOCAL_CACHE = Finding(
    "W207",
    "The session cache {alias!r} is local to each process: a session that one ends may go on in "
    "the others for as long as SESSIONS_PLUS_ACTIVITY_INTERVAL.",
    "Use a shared cache such as Redis, or write SESSION_ENGINE = 'sessions_plus.backends.db'.",
)
STATIC_TOKENS = Finding(
    "W208",
    "{used} gives out tokens that never end and that no session ends (OWASP ASVS 7.2.2).",
    "Let API clients sign in with sessions_plus.api instead.",
)
NO_ISSUER = Finding(
    "W209",
    "sessions_plus.api.urls is mounted, and SESSIONS_PLUS_TOKEN_ISSUER is {issuer!r}, its default: "
    "access tokens do not say which site issued them (RFC 9068 §4).",
    "Write SESSIONS_PLUS_TOKEN_ISSUER = 'https://' and your site's host. It is also the audience, "
    "unless SESSIONS_PLUS_TOKEN_AUDIENCE is set. Tokens of the old issuer are refused; programs "
    "get new ones with their refresh tokens.",
)
NO_SITE_URL = Finding(
    "W210",
    "SESSIONS_PLUS_SITE_URL is None and ALLOWED_HOSTS holds {host!r}: mails have no link where "
    "only this lets a host in, as whoever causes a mail could choose where it leads.",
    "Write SESSIONS_PLUS_SITE_URL = 'https://' and your site's host, or name each host in full in "
    "ALLOWED_HOSTS.",
)
REPORTS_SHOW_COOKIES = Finding(
    "W211",
    "DEFAULT_EXCEPTION_REPORTER_FILTER is {filter!r}: mails about errors show the cookies by which "
    "a browser is known and trusted.",
    "Write DEFAULT_EXCEPTION_REPORTER_FILTER = "
    "'sessions_plus.error_reports.ExceptionReporterFilter', or derive your own from it.",
)
UNPICKLING_CACHE = Finding(
    "W212",
    "The session cache {alias!r} is {backend!r}, which unpickles what it holds: whoever can write "
    "there runs code in the site's processes.",
    "Use Redis or Memcached, which are spoken to in plain bytes, or write "
    "SESSION_ENGINE = 'sessions_plus.backends.db'.",
)
PASSES_SECOND_FACTOR = Finding(
    "W220",
    "{used} gives out tokens for a password alone, at {path}: people with a second factor are "
    "not asked for it there.",
    "Let programs sign in with sessions_plus.api, or refuse such people where the token is made: "
    "docs/with/recipes.md has the lines for each package.",
)
PASSWORD_ALONE = Finding(
    "W221",
    "{count} views of REST framework, such as {path}, take a name and a password with each "
    "request (BasicAuthentication, one of its defaults): no second factor is asked for there.",
    "Write REST_FRAMEWORK = {{'DEFAULT_AUTHENTICATION_CLASSES': ["
    "'sessions_plus.api.authentication.BearerAuthentication', "
    "'sessions_plus.api.authentication.CookieAuthentication']}}, or add "
    "'sessions_plus.api.permissions.HasPassedSecondFactor' to the permission classes.",
)
FOREIGN_DOMAIN = Finding(
    "W222",
    "SESSIONS_PLUS_PASSKEY_RP_ID is {domain!r}, which {origin} is not part of: browsers use no "
    "passkey there.",
    "Write the host of the site, or a domain that it is below.",
)
PASSKEYS_WANTED_BUT_OFF = Finding(
    "E113",
    "SESSIONS_PLUS_MFA_PHISHING_RESISTANT asks people for passkeys, and there are none: {reason}. "
    "Whom it asks reaches nothing.",
    "{suggestion}",
)
PASSKEYS_WITHOUT_HTTPS = Finding(
    "W223",
    "Passkeys are taken from {origin}, where browsers use none, as it has no HTTPS.",
    "Write https:// in SESSIONS_PLUS_SITE_URL or SESSIONS_PLUS_PASSKEY_ORIGINS.",
)
RELATED_ORIGINS_UNTOLD = Finding(
    "W224",
    "SESSIONS_PLUS_PASSKEY_ORIGINS names {origin}, which is not on {domain}, and {path} leads "
    "nowhere: browsers use no passkey there.",
    "Add path('.well-known/', include('sessions_plus.well_known_urls')) at the root of your URLs.",
)

NO_END_OF_ADOPTION = Finding(
    "E301",
    "SESSIONS_PLUS_ADOPT_FROM is {engine!r}, but SESSIONS_PLUS_ADOPT_UNTIL is not set: nothing is "
    "taken over.",
    "Write SESSIONS_PLUS_ADOPT_UNTIL = datetime.date({year}, {month}, {day}), or how long you want "
    "to wait for people to come.",
)
NO_OLD_ENGINE = Finding(
    "E302",
    "SESSIONS_PLUS_ADOPT_FROM is {engine!r}, which cannot be used: {problem}",
    "Write what SESSION_ENGINE was before, and leave the package installed, and its app in "
    "INSTALLED_APPS, until SESSIONS_PLUS_ADOPT_UNTIL.",
)
ADOPTS_FROM_ITSELF = Finding(
    "E303",
    "SESSIONS_PLUS_ADOPT_FROM is {engine!r}, whose sessions are of django-sessions-plus already.",
    "Write what SESSION_ENGINE was before the move, or remove the setting.",
)
SAME_COOKIE_AS_OLD = Finding(
    "E304",
    "SESSIONS_PLUS_ADOPT_KEEP_OLD is on, and old and new code use one cookie, {name!r}: each "
    "removes what the other has set, so people are signed out.",
    "Write SESSION_COOKIE_NAME = {better!r} and SESSIONS_PLUS_ADOPT_COOKIE_NAME = {name!r}.",
)
LONG_ADOPTION = Finding(
    "W301",
    "SESSIONS_PLUS_ADOPT_UNTIL is {until}, in {days} days: until then a copy of an old cookie or "
    "of the old table opens sessions that nobody has come back to.",
    "Choose a day within {longest} days. Whoever comes later signs in again.",
)
ADOPTION_IS_OVER = Finding(
    "W302",
    "SESSIONS_PLUS_ADOPT_UNTIL was {until}: nothing is taken over any more.",
    "Remove the settings SESSIONS_PLUS_ADOPT_*, and drop what the old engine has left.",
)
ADOPTS_FROM_NOWHERE = Finding(
    "W303",
    "{setting} is set, and SESSIONS_PLUS_ADOPT_FROM is not: it means nothing.",
    "Write SESSIONS_PLUS_ADOPT_FROM, what SESSION_ENGINE was before, or remove it.",
)

NO_LOGIN_STAGE = Finding(
    "E401",
    "ACCOUNT_ADAPTER is {adapter!r}, which has no stage for a second factor of ours: who has a "
    "factor with django-allauth cannot sign in.",
    "Write ACCOUNT_ADAPTER = 'sessions_plus.integrations.allauth.adapter.AccountAdapter', or "
    "derive yours from SecondFactorMixin of that module, named before allauth's class.",
)
ASKS_NOWHERE = Finding(
    "E402",
    "LOGIN_URL is {url!r}, our page, which cannot ask for the factors that {package} keeps: "
    "these people cannot sign in.",
    "Write LOGIN_URL = {better!r}, or where your front end asks for them; or take them over with: "
    "manage.py import_factors --from {source}, and remove {integration!r} from INSTALLED_APPS.",
)
FACTORS_ELSEWHERE = Finding(
    "W401",
    "{package} keeps second factors, which are not asked for on our sign-in page, in the admin and "
    "at tokens/; and who has one there and one here is asked for both.",
    "Add {integration!r} to INSTALLED_APPS; or take them over with: manage.py import_factors "
    "--from {source}, and remove the app.",
)
FOREIGN_LOGIN = Finding(
    "W402",
    "django-allauth signs people in and does not know that a code may be due: who has a second "
    "factor of ours is led to it by an error of its view, and its API does not tell.",
    "Add 'sessions_plus.integrations.allauth.AllauthIntegration' to INSTALLED_APPS, and write "
    "ACCOUNT_ADAPTER = 'sessions_plus.integrations.allauth.adapter.AccountAdapter'.",
)
ACTS_UNTOLD = Finding(
    "W403",
    "{package} lets people act as others, and our sessions are not told: {happens}.",
    "Add {integration!r} to INSTALLED_APPS, after {package}.",
)
NO_SIGN_IN_PAGE = Finding(
    "W404",
    "LOGIN_URL is {url!r}, and no address has this name: whoever has to sign in gets an error.",
    "Write the name or the path of the page where people sign in; its whole address where a front "
    "end of its own does that, as with HEADLESS_ONLY of django-allauth.",
)
SOCKETS_UNTOLD = Finding(
    "W405",
    "Channels opens sockets, and none is told of the end of its session: they stay open for up to "
    "SESSIONS_PLUS_ACTIVITY_INTERVAL, or for good.",
    "Add 'sessions_plus.integrations.channels.ChannelsIntegration' to INSTALLED_APPS, and take "
    "AuthMiddlewareStack and ClosesWithSession from sessions_plus.integrations.channels.sockets.",
)


def findings() -> Iterator[Finding]:
    """Every message there is, in the order of this file."""
    return (value for value in globals().values() if isinstance(value, Finding))


LEVELS: Mapping[int, str] = {ERROR: "error", WARNING: "warning"}
