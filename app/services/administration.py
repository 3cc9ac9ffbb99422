"""Accounts as their keepers change them: operators through the CLI, companies through the widget (contract 3)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.account_changes import (
    STALE_MASK,
    AccountChange,
    InvalidFields,
    asked_of_openai,
    changed,
    is_mask,
    shortcomings,
    with_imported,
)
from app.domain.accounts import Account, AccountUnknown, ChangedMeanwhile, Locale, masked
from app.domain.assistants import ApiChoice, Profile
from app.domain.plans import PlanUnknown, When
from app.services.ports import Accounts, Integrations, PlanChange, Plans, SetupCheck, SetupFindings

# How often a change is made anew because somebody else changed the account at the same moment.
ATTEMPTS = 20

SECRET_WITHOUT_ID = "client_secret belongs to a client_id: send both."
ID_WITHOUT_SECRET = "This integration is not known yet: send its client_secret too."
NOTHING_FOUND = SetupFindings()


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a new account gets that says nothing itself (DEFAULT_TIMEZONE, DEFAULT_LOCALE)."""

    timezone: str = "America/Sao_Paulo"
    locale: Locale = "pt"


@dataclass(frozen=True, slots=True)
class Saved:
    """An account as it is stored now.

    warnings: why it may not be able to answer, for people, without secrets.
    findings: what OpenAI said about it; nothing where no key is stored.
    """

    account: Account
    warnings: tuple[str, ...] = ()
    findings: SetupFindings = NOTHING_FOUND


class Administration:
    """Adds and changes accounts; removing.py removes them.

    Saving comes first and OpenAI is looked at afterwards: what was sent is never lost because OpenAI hangs or the
    caller goes away, and a definition that is imported from there is a second change of its own.
    Every method raises StoreUnavailable.
    """

    def __init__(
        self,
        accounts: Accounts,
        integrations: Integrations,
        plans: Plans,
        plan_change: PlanChange,
        setup: SetupCheck,
        defaults: Defaults,
        api_choice: ApiChoice = "auto",
    ) -> None:
        """api_choice: the setting OPENAI_API."""
        self._accounts = accounts
        self._integrations = integrations
        self._plans = plans
        self._plan_change = plan_change
        self._setup = setup
        self._defaults = defaults
        self._api_choice = api_choice

    def account(self, account_id: int) -> Account:
        """The account. Raises AccountUnknown."""
        account = self._accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        return account

    def client_secret(self, account: Account) -> str | None:
        """The newest secret of the account's private integration, None where it has none. To be shown masked only."""
        if account.client_id is None:
            return None
        return next(iter(self._integrations.of(account.client_id)), None)

    def add(self, account_id: int, change: AccountChange) -> Saved:
        """Store a new account, also one that cannot answer yet. Takes up to 10 seconds.

        change holds at least the subdomain. Raises AccountExists and InvalidFields.
        """
        blank = Account(account_id, subdomain="", timezone=self._defaults.timezone, locale=self._defaults.locale)
        account = changed(blank, change)
        self._check_plan(account.plan)
        client_secret = self._new_client_secret(blank, change)
        return self._looked_at(self._accounts.add(account, client_secret))

    def change(
        self, account_id: int, change: AccountChange, guard: Callable[[Account], None] = lambda _found: None
    ) -> Saved:
        """Change what change names; the rest stays. Takes up to 10 seconds.

        guard: is shown the account that would be changed; whatever it raises leaves the account as it is.
        Raises AccountUnknown, InvalidFields, and ChangedMeanwhile where others change the account all the time.
        """

        def guarded(found: Account) -> Account:
            guard(found)
            return changed(found, settings)

        settings = change.copy()
        plan = settings.pop("plan", None)
        if plan is not None:
            self._check_plan(plan)
        client_secret = self._new_client_secret(self.account(account_id), change)
        account = self._update(account_id, guarded, client_secret)
        if plan is not None and plan != account.plan:
            self._plan_change.apply(account_id, plan, "now")
            account = self.account(account_id)
        return self._looked_at(account)

    def keep_definition(self, account_id: int, assistant_id: str | None, profile: Profile) -> Account:
        """Store what OpenAI gave of this assistant as the account's sleeping profile, where it has a place for it.

        It has none where it names another assistant now, or has a profile of its own. Raises as change does.
        """
        return self._update(account_id, lambda found: with_imported(found, assistant_id, profile))

    def set_plan(self, account_id: int, plan: str, when: When) -> Account:
        """Let the account have this plan from now or from its next month on. Raises AccountUnknown and PlanUnknown."""
        self._plans.get(plan)
        self._plan_change.apply(account_id, plan, when)
        return self.account(account_id)

    def pause(self, account_id: int) -> Account:
        """Answer this account's webhooks with account_paused from now on. Raises AccountUnknown."""
        return self._update(account_id, lambda found: replace(found, paused=True))

    def resume(self, account_id: int) -> Account:
        """End a pause. Raises AccountUnknown."""
        return self._update(account_id, lambda found: replace(found, paused=False))

    def _update(
        self, account_id: int, change: Callable[[Account], Account], client_secret: str | None = None
    ) -> Account:
        for _ in range(ATTEMPTS):
            found = self.account(account_id)
            wanted = change(found)
            if wanted == found and client_secret is None:
                return found
            try:
                return self._accounts.replace(wanted, found.version, client_secret)
            except ChangedMeanwhile:
                continue
        raise ChangedMeanwhile(account_id)

    def _looked_at(self, account: Account) -> Saved:
        """See what OpenAI says about what has just been saved, and keep the definition it may give."""
        warnings = shortcomings(account, self._api_choice)
        assistant = asked_of_openai(account, self._api_choice)
        key = account.secrets.openai_api_key
        if key is None:
            return Saved(account, warnings)
        own_profile = assistant is None or assistant.profile is not None
        asked_id = None if own_profile else account.assistant_id
        findings = self._setup.look(asked_id, key)
        profile = findings.imported_profile
        if profile is not None:
            account = self.keep_definition(account.account_id, asked_id, profile)
        return Saved(account, (*warnings, *findings.warnings), findings)

    def _check_plan(self, name: str) -> None:
        try:
            self._plans.get(name)
        except PlanUnknown:
            raise InvalidFields({"plan": ["No plan has this name: see bytegpt plan list."]}) from None

    def _new_client_secret(self, account: Account, change: AccountChange) -> str | None:
        """The secret that the change brings for the account's integration, None for one that stays."""
        if "client_id" not in change and "client_secret" not in change:
            return None
        client_id = change.get("client_id", account.client_id)
        given = change.get("client_secret")
        if client_id is None:
            if given is not None:
                raise InvalidFields({"client_secret": [SECRET_WITHOUT_ID]})
            return None
        known = self._integrations.of(client_id)
        if given is None and not known:
            raise InvalidFields({"client_id": [ID_WITHOUT_SECRET]})
        if given is None or not is_mask(given):
            return given
        if known and given == masked(known[0]):
            return None
        raise InvalidFields({"client_secret": [STALE_MASK]})
