"""
What browsers, apps and systems are called by people, where the parser's own data does not know it.

Tables and the functions that look things up in them. Names come from product tokens
(``name/version``), an app's before the browser's that it is built on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Product tokens of apps and browsers, in lower case. Of several in one text the first of this
# table counts.
PRODUCTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "linkedinapp": "LinkedIn",
        "wxwork": "WeCom",
        "micromessenger": "WeChat",
        "windowswechat": "WeChat",
        "barcelona": "Threads",
        "musical_ly": "TikTok",
        "trill": "TikTok",
        "tiktok": "TikTok",
        "bytedancewebview": "TikTok",
        "snapchat": "Snapchat",
        "reddit": "Reddit",
        "redditios": "Reddit",
        "telegram-android": "Telegram",
        "telegramios": "Telegram",
        "kakaotalk": "KakaoTalk",
        "naver": "NAVER",
        "daumapps": "Daum",
        "line": "LINE",
        "zalo": "Zalo",
        "zaloios": "Zalo",
        "dingtalk": "DingTalk",
        "alipayclient": "Alipay",
        "alipay": "Alipay",
        "weibo": "Weibo",
        "qq": "QQ",
        "qqmusic": "QQ Music",
        "baiduboxapp": "Baidu",
        "quark": "Quark",
        "bingsapphire": "Bing",
        "bingweb": "Bing",
        "googleapp": "Google app",
        "newssapphire": "MSN",
        "outlook-ios": "Outlook",
        "outlook-android": "Outlook",
        "teams": "Microsoft Teams",
        "teamsmobile-android": "Microsoft Teams",
        "teamsmobile-ios": "Microsoft Teams",
        "spotify": "Spotify",
        "discord": "Discord",
        "slack_ssb": "Slack",
        "slack": "Slack",
        "whatsapp": "WhatsApp",
        "yasearchbrowser": "Yandex",
        "yandexsearch": "Yandex",
        "yabrowser": "Yandex Browser",
        "duckduckgo": "DuckDuckGo",
        "ddg": "DuckDuckGo",
        "vivaios": "Vivaldi",
        "opt": "Opera Touch",
        "opr": "Opera",
        "brave": "Brave",
        "atlas": "ChatGPT Atlas",
        "oculusbrowser": "Meta Quest Browser",
        "picobrowser": "PICO Browser",
        "steam": "Steam",
        "com.zhiliaoapp.musically": "TikTok",
        "com.google.android.youtube": "YouTube",
        "com.google.android.apps.youtube.music": "YouTube Music",
        "com.google.android.googlequicksearchbox": "Google app",
        "powershell": "PowerShell",
        "windowspowershell": "PowerShell",
    }
)

# The same, of texts that are no token with a slash.
PHRASES: Final = (
    (re.compile(r"\[LinkedInApp\]|\[LinkedIn/"), "LinkedIn"),
    (re.compile(r"\[Pinterest/"), "Pinterest"),
    (re.compile(r"TwitterAndroid|Twitter for i"), "Twitter"),
    (re.compile(r"\b(?:musical_ly|trill)_\d"), "TikTok"),
    (re.compile(r"\bBarcelona \d"), "Threads"),
    (re.compile(r"\bKAKAOTALK[ (]"), "KakaoTalk"),
    (re.compile(r"\bNAVER ?\("), "NAVER"),
    (re.compile(r"__weibo__|\bWeibo[ (]"), "Weibo"),
    (re.compile(r"Valve Steam"), "Steam"),
)

# The parser's names, and those that people know. The same browser has others on telephones.
BROWSERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Android": "Android Browser",
        "Chrome Mobile": "Chrome",
        "Chrome Mobile iOS": "Chrome",
        "Chrome Mobile WebView": "Android WebView",
        "DuckDuckGo Mobile": "DuckDuckGo",
        "Ecosia Android": "Ecosia",
        "Ecosia iOS": "Ecosia",
        "Edge Mobile": "Edge",
        "Facebook Messenger": "Messenger",
        "Firefox Mobile": "Firefox",
        "Firefox iOS": "Firefox",
        "Google": "Google app",
        "HeadlessChrome": "Headless Chrome",
        "IE": "Internet Explorer",
        "IE Mobile": "Internet Explorer",
        "MiuiBrowser": "Mi Browser",
        "Mobile Safari": "Safari",
        "Mobile Safari UI/WKWebView": "Safari",
        "Opera Mobile": "Opera",
        "PostmanRuntime": "Postman",
        "QQ Browser Mobile": "QQ Browser",
        "Quark PC": "Quark",
        "Slack Desktop Client": "Slack",
        "Steam Client": "Steam",
        "VivoBrowser": "vivo Browser",
    }
)

# What an app is built on. Where one of these is all that the parser knows, the app's own token is
# looked for.
SHELLS: Final = frozenset({"Android WebView", "Safari", "Electron", "Android Browser"})

# Machines that are neither computer, telephone nor tablet. A group, if there is one, is a part of
# the name. Of several the first counts.
MACHINES: Final = (
    (re.compile(r"PlayStation (\d|Vita|Portable)", re.IGNORECASE), "PlayStation"),
    (re.compile(r"\bXbox(?:[ _;]+Xbox)?(?: (Series [XS]|One|360))?"), "Xbox"),
    (re.compile(r"\bNintendo (Switch 2|Switch|WiiU|Wii|3DS|DSi)"), "Nintendo"),
    (re.compile(r"Steam Deck"), "Steam Deck"),
    (re.compile(r"\bQuest(?: (\d[A-Z]?|Pro))?(?=[;)]| Build)|OculusBrowser"), "Meta Quest"),
    (re.compile(r"PicoBrowser|\bPico (?:Neo )?\d|\bPICO \d"), "PICO"),
    (re.compile(r"AppleTV|Apple TV|\btvOS"), "Apple TV"),
    (re.compile(r"\bAFT[A-Z0-9]+\b"), "Fire TV"),
    (re.compile(r"\bRoku\b"), "Roku"),
    (re.compile(r"DeviceType/SmartDisplay|Fuchsia.*CrKey"), "Google Nest Hub"),
    (re.compile(r"\bCrKey|Chromecast"), "Chromecast"),
    (re.compile(r"Web0S|webOS\.TV|NetCast"), "LG TV"),
    (re.compile(r"VIDAA"), "VIDAA TV"),
    (re.compile(r"SMART-TV.*(?:Tizen|Maple|Samsung)|Tizen.*\bTV\b"), "Samsung TV"),
    (re.compile(r"Linux.*(?:Android TV|Google ?TV|BRAVIA|MiTV|MIBOX|SHIELD)"), "Android TV"),
    (re.compile(r"Andr[o0]id.*TV\b|Andr[o0]id.*\bOMI/"), "Android TV"),
    (re.compile(r"TV\b.*Android"), "Android TV"),
    (re.compile(r"TV\b|OMI/|AQUOS|Viera"), "Smart TV"),
    (re.compile(r"\bAEO[A-Z]{2}\b"), "Amazon Echo"),
    (re.compile(r"\bTesla/|QtCarBrowser"), "Tesla"),
    (re.compile(r"Apple Watch|\bWatch\d,\d|watchOS"), "Apple Watch"),
)
# And what says "Mobile", but is worn: watches, and other people's headsets.
WORN: Final = re.compile(r"Watch\b|\bWear ?OS|\bSM-[RL][389]\d{2}[A-Z]?\b|\bMobile VR\b")

# Browsers that say nothing where they came with the machine.
OWN_BROWSERS: Final = frozenset(
    {
        *("Android WebView", "Android Browser", "Safari", "Apple Mail", "NetFront", "NetFront NX"),
        *("Nintendo Browser", "WebKit Nintendo 3DS", "PlayStation 4", "PlayStation 5", "HbbTV"),
        *("LG Browser", "Odin", "SmartTV WebBrowser", "Vewd Browser"),
    }
)

_COMMENT = re.compile(r"\([^()]*\)")
_TOKEN = re.compile(r"([A-Za-z][\w.-]*)/v?(\d*)")
# Tokens that name neither a browser nor an app.
_NOISE = frozenset(
    """
    mozilla applewebkit khtml gecko chrome chromium headlesschrome crios fxios edgios version mobile
    safari firefox build nettype language process abi xweb webview wkwebview gmscore hmscore mmwebid
    mmwebsdk ucbs u3 tbs sa bropp webomni model scale cronet cfnetwork darwin dalvik exoplayerlib
    gzip appcore wv ios android app appname appversion appverc version_code weixin electron
    cordova-amazon-fireos amazonwebappplatform qtwebengine fban fbav fb_fw like os iphone ipad
    browser user
    """.split()  # noqa: SIM905 - prose, so that it can be read
)


def find_product(text: str) -> tuple[str, str]:
    """Return the name that people know of an app or browser in the table, and its version."""
    for phrase, name in PHRASES:
        if phrase.search(text):
            return name, ""
    known = {token.lower(): version for token, version in reversed(_TOKEN.findall(text))}
    for token, name in PRODUCTS.items():
        if token in known:
            return name, known[token]
    return "", ""


def find_token(text: str) -> tuple[str, str]:
    """Return the first product token that stands for something of its own, and its version."""
    for token, version in _TOKEN.findall(_COMMENT.sub(" ", text)):
        if token.lower() not in _NOISE and len(token) > 2:
            return token, version
    return "", ""


def find_machine(text: str) -> str:
    """Return the console, television, headset, car or watch that a text names, or ""."""
    for pattern, name in MACHINES:
        found = pattern.search(text)
        if found is not None:
            part = next(filter(None, found.groups()), "")
            return f"{name} {part}" if part else name
    return ""
