"""Where addresses lead, as browsers read them, and addresses that would lead off a site."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

HOST = "testserver"

# What a browser's parser of addresses does not see (WHATWG URL §4.4).
_AROUND = "".join(map(chr, range(0x21)))
_UNSEEN = re.compile(r"[\t\r\n]")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")

HOSTILE = {
    "another host": "https://evil.example/",
    "two slashes": "//evil.example/",
    "three slashes": "///evil.example/",
    "four slashes": "////evil.example/",
    "slashes after a scheme": "https:///evil.example/",
    "many slashes after a scheme": "https://////evil.example/",
    "no slash after a scheme": "https:evil.example",
    "one slash after a scheme": "https:/evil.example",
    "backslashes": "\\\\evil.example",
    "slash and backslash": "/\\evil.example",
    "backslash and slash": "\\/evil.example",
    "a scheme with backslashes": "https:\\\\evil.example",
    "userinfo": f"https://{HOST}@evil.example/",
    "userinfo and password": f"https://{HOST}:443@evil.example/",
    "userinfo at home": f"https://evil.example@{HOST}/",
    "backslash in userinfo": f"https://evil.example\\@{HOST}/",
    "our host as a subdomain": f"https://{HOST}.evil.example/",
    "our host as an ending": f"https://evil{HOST}/",
    "another port": f"https://{HOST}:8443/",
    "our host, then two slashes": f"https://{HOST}//evil.example",
    "our host, then three slashes": f"https://{HOST}///evil.example",
    "our host, then a backslash": f"https://{HOST}/\\evil.example",
    "our host, then a tab": f"https://{HOST}/\t/evil.example",
    "our host, then a newline": f"https://{HOST}/\n/evil.example",
    "our host over HTTP, then two slashes": f"http://{HOST}//evil.example",
    "our host without a scheme, then two slashes": f"//{HOST}//evil.example",
    "our host without a scheme, then a backslash": f"//{HOST}/\\evil.example",
    "a space first": " //evil.example",
    "a space at the end": "//evil.example ",
    "a tab first": "\t//evil.example",
    "a tab between": "/\t/evil.example",
    "a newline between": "/\n/evil.example",
    "a carriage return between": "/\r/evil.example",
    "NUL first": "\x00//evil.example",
    "a control character first": "\x01https://evil.example/",
    "DEL first": "\x7f//evil.example",
    "a bad IPv6 address": "//[evil.example",
    "no-break space first": "\xa0//evil.example",
    "zero-width space first": "\u200b//evil.example",
    "a script": "javascript:alert(document.domain)",
    "a script in capitals": "JaVaScRiPt:alert(1)",
    "a script with a newline": "java\nscript:alert(1)",
    "a script after our host": f"javascript://{HOST}/%0aalert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "a file": "file:///etc/passwd",
    "FTP": f"ftp://{HOST}/",
    "another app": "intent://evil.example/#Intent;scheme=https;end",
    "encoded slashes": "%2f%2fevil.example",
    "encoded twice": "%252f%252fevil.example",
    "encoded backslashes": "/%5cevil.example",
    "encoded newline": "/%0d%0aSet-Cookie:%20a=b",
    "a header": "/\r\nSet-Cookie: a=b",
    "dots and slashes": "/.//evil.example",
    "up and slashes": "/..//evil.example",
    "our host, then dots": f"https://{HOST}/.//evil.example",
    "full-width slashes": "\uff0f\uff0fevil.example",
    "a host of look-alikes": "https://evil.example\uff0f@testserver/",
    "far too long": "/" + "x" * 20_000,
    "long, then another host": f"https://{HOST}//evil.example/" + "x" * 20_000,
}


def leaves(address: str) -> bool:
    """Say whether a browser that is on this site's HTTPS pages would leave it for ``address``."""
    text = _UNSEEN.sub("", address.strip(_AROUND)).replace("\\", "/")
    scheme = _SCHEME.match(text)
    if scheme is None and not text.startswith("//"):
        return False
    if scheme is not None and scheme.group(1).lower() not in ("http", "https"):
        return True
    authority = re.split(r"[/?#]", text[scheme.end() if scheme else 0 :].lstrip("/"))[0]
    return authority != HOST


def carried(address: str) -> list[str]:
    """Return where the query of an address has the next page lead on to."""
    return [value for name, value in parse_qsl(urlsplit(address).query) if name == "next"]
