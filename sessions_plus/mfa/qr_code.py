"""A QR code as inline SVG: no request, no data URL, no style, so that any CSP lets it be."""

from __future__ import annotations

import io

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

MODULES_AROUND = 4  # the quiet zone of ISO/IEC 18004


def as_svg(text: str, *, label: str) -> SafeString:
    """
    Return ``text`` as a QR code, named ``label`` for who does not see it.

    Dark on white whatever the page's colours: many scanners don't read an inverted
    code. The colours are attributes, which need no ``style-src``.
    """
    import segno

    made = segno.make(text, error="m", micro=False)
    out = io.BytesIO()
    made.save(
        out,
        kind="svg",
        border=MODULES_AROUND,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgns=True,
        omitsize=True,
        svgclass="sp-qr",
        lineclass=None,
        title=None,
        nl=False,
    )
    # segno writes numbers and colours only: none of ``text`` is in the markup.
    opening, rest = out.getvalue().decode().split(" ", 1)
    markup = f'{opening} role="img" aria-label="{escape(label)}" {rest}'
    return mark_safe(markup)  # noqa: S308
