"""The shop's pages."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from demo_project.shop.cart import Cart
from demo_project.shop.forms import PreferencesForm, QuantityForm
from demo_project.shop.preferences import Preferences
from demo_project.shop.products import PRODUCTS, Product


@require_safe
def product_list(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/product_list.html", {"products": PRODUCTS.values()})


@require_safe
def cart_detail(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/cart_detail.html")


@require_POST
def cart_add(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_product(slug)
    Cart(request.session).add(product)
    messages.success(request, _("%(product)s is in your cart.") % {"product": product.name})
    return redirect("shop:product_list")


@require_POST
def cart_change(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_product(slug)
    form = QuantityForm(request.POST)
    if form.is_valid():
        Cart(request.session).put(product, form.cleaned_data["quantity"])
    else:
        messages.error(request, _("Please choose a number from 0 to 20."))
    return redirect("shop:cart_detail")


@login_required
def checkout(request: HttpRequest) -> HttpResponse:
    """Sign in to order: the cart that was filled before comes along."""
    cart = Cart(request.session)
    if not cart:
        return redirect("shop:cart_detail")
    if request.method == "POST":
        cart.empty()
        messages.success(
            request, _("Thank you. As this is a demo, nothing was charged and nothing will come.")
        )
        return redirect("shop:product_list")
    return render(request, "shop/checkout.html")


def preferences(request: HttpRequest) -> HttpResponse:
    form = PreferencesForm(request.POST or None, initial=asdict(current_preferences(request)))
    if request.method == "POST" and form.is_valid():
        chosen = form.preferences()
        chosen.keep_in(request.session)
        with translation.override(chosen.language or translation.get_language()):
            messages.success(request, _("Your preferences are kept."))
        return redirect("shop:preferences")
    return render(request, "shop/preferences.html", {"form": form})


@require_POST
@login_required
def short_session(request: HttpRequest) -> HttpResponse:
    """Let this session end in three minutes, so that its warning comes in one."""
    request.session.set_expiry(180)
    messages.success(request, _("This session ends in three minutes. Wait for one, and see."))
    return redirect("shop:preferences")


def current_preferences(request: HttpRequest) -> Preferences:
    return getattr(request, "preferences", Preferences())


def get_product(slug: str) -> Product:
    try:
        return PRODUCTS[slug]
    except KeyError:
        raise Http404(_("There is no such product.")) from None
