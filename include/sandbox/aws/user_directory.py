"""The users of one pool, found by any name they go by without walking through all of them."""

# What `dict.get` takes and gives may be anything.

from __future__ import annotations

from typing import Any

NAMES = ("sub", "email")


class UserDirectory(dict[str, dict[str, Any]]):
    """Username to user, as the emulator keeps them, with an index of usernames, addresses and `sub`.

    The index holds every value a user goes by; whether a pool lets it be used as a name is checked when
    it is looked up. A pool without case sensitivity finds `User@Example.com` as `user@example.com`.
    """

    def __init__(self, *, case_sensitive: bool) -> None:
        super().__init__()
        self._case_sensitive = case_sensitive
        self._index: dict[str, list[str]] = {}
        self._indexed: dict[str, list[str]] = {}

    def fold(self, name: str) -> str:
        """Return `name` in the form in which two equal names are the same string."""
        return name if self._case_sensitive else name.casefold()

    def __setitem__(self, username: str, user: dict[str, Any]) -> None:
        """Keep `user` under `username` and index it."""
        super().__setitem__(username, user)
        self.reindex(username)

    def __delitem__(self, username: str) -> None:
        """Remove the user and its names."""
        super().__delitem__(username)
        self.reindex(username)

    def get(self, username: str, default: Any = None) -> Any:
        """Return the user of that username (not of another name), whatever its case if the pool ignores it."""
        for found in self._index.get(self.fold(username), ()):
            if self.fold(found) == self.fold(username):
                return self[found]
        return default

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return all users that `name` stands for, as username or as an attribute's value."""
        return [self[username] for username in self._index.get(self.fold(name), ())]

    def reindex(self, username: str) -> None:
        """Bring the index up to date with the user's attributes, after they were changed in place."""
        for key in self._indexed.pop(username, ()):
            self._index[key].remove(username)
            if not self._index[key]:
                del self._index[key]
        user = super().get(username)
        if user is None:
            return
        values = {a["Value"] for a in user.get("Attributes", []) if a.get("Name") in NAMES and a.get("Value")}
        self._indexed[username] = keys = sorted({self.fold(value) for value in {username, *values}})
        for key in keys:
            self._index.setdefault(key, []).append(username)
