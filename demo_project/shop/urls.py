"""The shop's addresses."""

from __future__ import annotations

from django.urls import path

from demo_project.shop import views

app_name = "shop"

urlpatterns = [
    path("", views.product_list, name="product_list"),
    path("cart/", views.cart_detail, name="cart_detail"),
    path("cart/<slug:slug>/add/", views.cart_add, name="cart_add"),
    path("cart/<slug:slug>/change/", views.cart_change, name="cart_change"),
    path("checkout/", views.checkout, name="checkout"),
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/short/", views.short_session, name="short_session"),
]
