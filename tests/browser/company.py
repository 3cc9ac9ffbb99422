"""A company whose people set ByteGPT up in the browser."""

import secrets
from collections.abc import Mapping
from typing import Any

from app.domain.accounts import Account, Secrets
from sandbox.front.people import Language
from sandbox.kommo_chat import Client
from sandbox.stack import Stack

# In none of these tests may it be seen anywhere but in the field it was typed into.
KEY_PREFIX = "sk-proj-"


class Company:
    """An account in which the widget is installed, and the company's key and assistant at OpenAI.

    ByteGPT knows neither of them, unless the constructor is told so.
    """

    def __init__(self, stack: Stack, name: str, archive: bytes, *, key_saved: bool = False, **fields: Any) -> None:
        """key_saved: whether ByteGPT has the key. fields: of domain.accounts.Account."""
        self._stack = stack
        self.name = name
        self.kommo = stack.kommo.add_account(name)
        self._widget = self.kommo.office.upload(archive)
        self._widget.status = "installed"
        self.key = KEY_PREFIX + secrets.token_hex(16)
        self.assistant_id = f"asst_{secrets.token_hex(12)}"
        stack.openai.add_key(self.key, name)
        stack.openai.add_assistant(self.assistant_id, name, instructions=f"Assistente de {name}.")
        account = Account(
            self.kommo.account_id,
            self.kommo.subdomain,
            client_id=self.kommo.integration.client_id,
            secrets=Secrets(self.key if key_saved else None, access_token=self.kommo.long_lived_token()),
            **fields,
        )
        stack.accounts.add(account, self.kommo.integration.secret)

    @property
    def stored(self) -> Account:
        """The account as ByteGPT has it now."""
        account = self._stack.accounts.get(self.kommo.account_id)
        assert account is not None
        return account

    @property
    def in_kommo(self) -> str:
        """Everything that Kommo itself keeps of the widget's settings."""
        return str(self._widget.settings)

    def texts(self, language: Language) -> Mapping[str, Any]:
        """What stands in the widget's file of this language."""
        return self._widget.archive.texts[language]

    def client(self, name: str = "Maria") -> Client:
        """Somebody who writes to the company's newest bot."""
        return self.kommo.client(name)
