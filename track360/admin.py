"""The integrations team's pages: partners, people, and what anybody did."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from track360.models import AuditEvent, Environment, Membership, Partner, User
from track360.partners import add_environments
from track360.team_admin import ReadOnlyAdmin, ReadOnlyInline, TeamAdmin, TeamInline

# Signing in to the admin is signing in to the portal, second factor included.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

# Tables of libraries: unused here, or with secrets in them that no page may show.
for model in (Group, EmailAddress, Authenticator, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class EnvironmentInline(ReadOnlyInline):
    model = Environment
    fields = ["kind", "created_at"]


class MembershipInline(TeamInline):
    model = Membership
    fields = ["user", "role"]
    autocomplete_fields = ["user"]


@admin.register(Partner)
class PartnerAdmin(TeamAdmin):
    """A partner is suspended or closed, in the portal, and never deleted: its history stays."""

    list_display = ["name", "slug", "status", "created_at"]
    list_filter = ["status"]
    search_fields = ["name", "slug"]
    fields = ["name", "slug", "status"]
    inlines = [EnvironmentInline, MembershipInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # The slug stands in the partner's addresses; a change of status takes a reason, which the portal asks for.
        return ["slug", "status"] if obj else ["status"]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else {"slug": ["name"]}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            add_environments(obj)


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name", "is_staff")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class UserMembershipInline(TeamInline):
    model = Membership
    fields = ["partner", "role"]
    autocomplete_fields = ["partner"]


@admin.register(User)
class UserAdmin(TeamAdmin, DjangoUserAdmin):
    """The team sees everybody; only superusers make, change and remove people."""

    form: type[forms.ModelForm[Any]] = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "name", "is_staff", "is_superuser", "is_active", "second_factor", "last_login"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = ()
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "is_staff", "usable_password", "password1", "password2"]})]
    inlines = [UserMembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("authenticator_set")

    @admin.display(description="second factor", boolean=True)
    def second_factor(self, user: User) -> bool:
        return bool(user.authenticator_set.all())  # type: ignore[attr-defined]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a person who leaves is made inactive: the audit keeps the name


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "actor", "action", "partner", "environment", "target", "ip"]
    list_filter = ["partner"]
    list_select_related = ["actor", "partner", "environment__partner"]
    search_fields = ["action__startswith", "target__startswith", "actor__email__iexact"]
    ordering = ["-at", "-id"]
