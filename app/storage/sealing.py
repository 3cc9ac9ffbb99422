"""Encryption of what rests in Redis."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_CANNOT_BE_OPENED = "sealed data cannot be opened: see ENCRYPTION_KEYS"


class NoKeyFits(Exception):
    """None of the keys opens this: a key was taken away too early, or the data were damaged."""


class Sealer:
    """Seals texts with the first key and opens what any of them has sealed, so that keys can be changed."""

    __slots__ = ("_fernet", "_keys")

    def __init__(self, keys: Sequence[str]) -> None:
        """keys: Fernet keys, 32 bytes in URL-safe Base64. Raises ValueError for none, or for one that is not one."""
        self._keys = [_fernet(position, key) for position, key in enumerate(keys, start=1)]
        self._fernet = MultiFernet(self._keys)

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, text: str) -> bytes:
        """The text, encrypted and signed; ASCII."""
        return self._fernet.encrypt(text.encode())

    def key_of(self, sealed: bytes | str) -> int:
        """The position, from 1, of the key that opens this. Raises NoKeyFits."""
        for position, key in enumerate(self._keys, start=1):
            try:
                key.decrypt(sealed)
            except InvalidToken:
                continue
            return position
        raise NoKeyFits(_CANNOT_BE_OPENED)

    def unseal(self, sealed: bytes | str) -> str:
        """The text that was sealed. Raises NoKeyFits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise NoKeyFits(_CANNOT_BE_OPENED) from None


def _fernet(position: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        raise ValueError(f"encryption key {position} is not a Fernet key") from None
