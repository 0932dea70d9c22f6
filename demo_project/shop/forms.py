"""What visitors may tell the shop."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from demo_project.shop.cart import MOST_OF_ONE
from demo_project.shop.preferences import CURRENCIES, THEMES, Preferences


class QuantityForm(forms.Form):
    quantity = forms.IntegerField(min_value=0, max_value=MOST_OF_ONE)


class PreferencesForm(forms.Form):
    theme = forms.ChoiceField(
        label=_("Theme"), choices=list(THEMES.items()), widget=forms.RadioSelect
    )
    currency = forms.ChoiceField(
        label=_("Currency"), choices=list(CURRENCIES.items()), widget=forms.RadioSelect
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=lambda: [("", _("As the browser")), *settings.LANGUAGES],
        required=False,
        widget=forms.RadioSelect,
    )

    def preferences(self) -> Preferences:
        chosen: dict[str, Any] = self.cleaned_data
        return Preferences(**chosen)
