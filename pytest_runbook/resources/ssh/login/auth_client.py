"""The asyncssh client of one connection: checks the host's key, and offers keys and the password."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

import asyncssh

from .host_keys import HostKeys
from .identities import Identities


class Client(asyncssh.SSHClient):
    """Answers asyncssh's callbacks for one connection.

    on_end: called when an established connection has ended, with the error if there was one.
    banner: the text that the host sends before the login. tried: the ways to log in that were tried.
    proxy: the program of a ProxyCommand; also the connection's extra info of that name.
    """

    def __init__(
        self,
        host_keys: HostKeys,
        identities: Identities,
        password: str | None,
        on_end: Callable[[Exception | None], object],
    ) -> None:
        self.banner = ""
        self.proxy: subprocess.Popen[bytes] | None = None
        self.tried: list[str] = []
        self._host_keys = host_keys
        self._identities = identities
        self._password = password
        self._on_end = on_end
        self._has_offered_keys = False
        self._has_sent_password = False
        self._answers_sent = 0

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.proxy = conn.get_extra_info("subprocess")
        conn.set_extra_info(proxy=self.proxy)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return self._host_keys.accepts(key)

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.banner += msg

    def public_key_auth_requested(self) -> Sequence[asyncssh.SSHKeyPair] | None:
        if self._has_offered_keys:
            return None
        self._has_offered_keys = True
        self.tried += self._identities.names
        return self._identities.keys or None

    def password_auth_requested(self) -> str | None:
        if self._has_sent_password or not self._may_send_password:
            return None
        self._has_sent_password = True
        self.tried.append("the password")
        return self._password

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._may_send_password and not self._answers_sent else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str] | None:
        """Answer a single hidden prompt with the password, once. No other prompt can be answered without a user."""
        if not prompts:
            return []
        prompt_text = ", ".join(prompt.strip() for prompt, _ in prompts)
        if self._answers_sent or len(prompts) != 1 or prompts[0][1] or self._password is None:
            self.tried.append(f'an answer to "{prompt_text}"')
            return None
        self._answers_sent += 1
        self.tried.append("the password, asked for by keyboard-interactive")
        return [self._password]

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(exc)

    @property
    def _may_send_password(self) -> bool:
        return self._password is not None and not self._host_keys.is_changed
