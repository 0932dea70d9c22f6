"""
Robots, and the names by which they introduce themselves. Pure functions of a user agent.

Invariant for whoever edits this: a robot is one also where it calls itself a telephone, and
its name is a product's, never a part of an address.
"""

from __future__ import annotations

import re

# Expressions for a text in lower case, for in any case they take seven times as long.

# What robots call themselves. Of words that end in "bot" one is a telephone.
_WORDS = r"""
    (?<!cu)bot(?![a-z]) robot crawl spider scrape slurp archiver indexer fetcher transcoder
    validator checker checklink link.?check previewer preview\b health-?check site.?monitor uptime
    lighthouse survey (?<![a-z])scanner subscribers feed.?parser webthumb thumbnail
"""
_WORD = re.compile("|".join(_WORDS.split()))

# What says so without such a word: parts of expressions, a dot for a blank.
_NAMES = r"""
    [a-z]\w+-user\b addthis anthropic-ai appengine-google apis-google audisto barkrowler bazqux
    brandverity builtwith bubing catchpoint censysinspect cloudflare-alwaysonline
    cloudflare-?diagnostics cloudflareobservatory cohere-ai contextad datadog datanyze daum(?!apps)
    duckassist duplexweb dynatracesynthetic embedly evc-batch facebookcatalog facebookexternalhit
    feedburner feedly flipboardproxy flipboardrss freshrss functionize genieo ghost.inspector
    gomezagent google-(?!http)\w[\w-]* google.favicon google.page.?speed google.search.console
    googleadsense googleassociationservice googleimageproxy googlemessages googleother gtmetrix
    heritrix hubspot ia_archiver iframely inoreader internetmeasurement ips-agent jetslide masscan
    mastodon mediapartners-google meta-external\w+ meta-web\w+ netcraftsurveyagent netvibes nmap
    nutch oai-searchbot outbrain pandalytics pingdom pinterest/0 pleroma prtg ptst qwantify
    ruxitsynthetic scrapy seobility seznamemailproxy sistrix site24x7 siteimprove skypeuripreview
    snap.url.preview.service sparkler statuscake storebot-google synthetics taginspector
    theoldreader turnitin um-ln vkshare w3c[_-]\w+ wappalyzer wordpress woorankreview
    yahoomailproxy yahoo.link.preview yeti zgrab
"""
_KNOWN = re.compile(
    rf"\b(?:{'|'.join(_NAMES.split())})|^whatsapp/[\d.]+(?: \w)?$"  # the last fetches previews
)

# Where none of these is, no address is looked for, which takes longer.
_SIGNS_OF_ADDRESS = ("://", "www.", "mailto:", "+", "@", "at)", "at]")
_ADDRESS = re.compile(
    r"[+<(]*(?:https?://|www\.|mailto:)[^\s;,)>]*[)>]?"  # http://example.com/bot.html
    r"|\+[\w-]+(?:\.[\w-]+)+"  # +example.com
    r"|[\w.+-]+(?:@|\[at\]|\(at\))[\w-]+\.[a-z]\w*",  # bot@example.com
    re.IGNORECASE,
)
_BROWSER_BEGINS = "mozilla/"

# The name of somebody's telephone: there are some that are called "M bot".
_MODEL = re.compile(r"(Android [\d.]+;) (?!Mobile|Tablet)[^;()]*(?=[;)])")

# A browser says "compatible" of another one, a robot of itself.
_COMPATIBLE = re.compile(
    r"^Mozilla/5\.0 \(compatible;(?! ?(?:MSIE|Konqueror|U;|CE-HTML|\w*Galio|Windows|MSOffice))"
    r"|[;(] ?compatible; (?!MSIE|Konqueror|Mozilla)(?=[A-Z][\w.-]+/\d)",
)

# Between these stand the parts of a comment.
_ENDS = re.compile(r"[();,\[\]]")
_PRODUCT = re.compile(r"([A-Za-z][\w.!&'-]*)(?:/v?(\d*)[\w.+-]*)?")
_AFTER_NAME = re.compile(r"(?:/.*| v?\d[\w.]*| - .*| by .*)$")
_WORDS_END = re.compile(r"[\s();,]|$")
_COMMENT = re.compile(r"\([^()]*\)?")
_OF_BROWSERS = frozenset(
    """
    mozilla applewebkit chrome chromium gecko headlesschrome khtml like mobile safari version
    firefox edg crios
    """.split()  # noqa: SIM905 - prose, so that it can be read
)


def without_addresses(text: str) -> str:
    """Return the text without what leads somewhere: no name may be a part of that."""
    lower = text.lower()
    return _ADDRESS.sub(" ", text) if any(sign in lower for sign in _SIGNS_OF_ADDRESS) else text


def without_model(text: str) -> str:
    """Return the text without the name of the telephone that Android tells."""
    return _MODEL.sub(r"\1 ", text)


def is_bot(text: str, bare: str) -> bool:
    """
    Say whether a user agent is a robot's; ``bare`` is the text without addresses.

    Whoever calls itself a browser and leaves an address is one: people's browsers don't.
    """
    lower = text.lower()
    if _WORD.search(without_model(bare).lower()) or _KNOWN.search(bare.lower()):
        return True
    if not lower.startswith(_BROWSER_BEGINS):
        # A library's page is that of who wrote it, not of who calls.
        leaves_address = "+http" in lower and "github.com" not in lower
        return leaves_address or bool(_WORD.search(lower) and bare != text)
    return bare != text or bool(_COMPATIBLE.search(text))


def name_of_bot(bare: str) -> tuple[str, str]:
    """Return the robot's name and major version, each "" where it tells none."""
    lower = bare.lower()
    is_browsers = lower.startswith(_BROWSER_BEGINS)
    for pattern in (_KNOWN, _COMPATIBLE, *((_WORD,) if is_browsers else ())):
        if found := pattern.search(bare if pattern is _COMPATIBLE else lower):
            at = found.end() if pattern is _COMPATIBLE else found.start()
            name, version = _segment_at(bare, at)
            if name:
                return name, version
    return _last_product(bare) if is_browsers else _segment_at(bare, 0)


def _segment_at(bare: str, position: int) -> tuple[str, str]:
    """Return the name that stands there, with all of its words, and its version."""
    begin = max((end.end() for end in _ENDS.finditer(bare, 0, position)), default=0)
    close = _ENDS.search(bare, position)
    segment = bare[begin : close.start() if close else len(bare)].strip()
    first = _PRODUCT.match(segment)
    if first is not None and first[1].lower() in _OF_BROWSERS:
        # Products one after the other: only the one that stands at this very position.
        return _last_product(bare[begin : _end_of_word(bare, position)])
    version = re.search(r"[/ ]v?(\d+)", segment)
    name = _AFTER_NAME.sub("", segment).strip(" -+:")
    return name, version[1] if version is not None else ""


def _end_of_word(bare: str, position: int) -> int:
    end = _WORDS_END.search(bare, position)
    return end.start() if end is not None else len(bare)


def _last_product(text: str) -> tuple[str, str]:
    """Return the last product that is none of a browser's."""
    for found in reversed(list(_PRODUCT.finditer(_COMMENT.sub(" ", text)))):
        is_name = "/" in found[0] or len(found[1]) > 3
        if is_name and found[1].lower() not in _OF_BROWSERS:
            return found[1], found[2] or ""
    return "", ""
