"""Encryption of what rests in Redis."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class NoKeyFits(Exception):
    """None of the keys opens this: a key was taken away too early, or the data were damaged."""


class Sealer:
    """Seals texts with the first key and opens what any of them has sealed, so that keys can be changed."""

    __slots__ = ("_fernet",)

    def __init__(self, keys: Sequence[str]) -> None:
        """keys: Fernet keys, 32 bytes in URL-safe Base64. Raises ValueError for none, or for one that is not one."""
        self._fernet = MultiFernet([_fernet(position, key) for position, key in enumerate(keys, start=1)])

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, text: str) -> bytes:
        """The text, encrypted and signed; ASCII."""
        return self._fernet.encrypt(text.encode())

    def unseal(self, sealed: bytes | str) -> str:
        """The text that was sealed. Raises NoKeyFits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise NoKeyFits("sealed data cannot be opened: see ENCRYPTION_KEYS") from None


def _fernet(position: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(f"encryption key {position} is not a Fernet key") from None
