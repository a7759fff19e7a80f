"""Projects of their own, as the tests of the plugin have them, whose processes are counted at the end."""

from __future__ import annotations

from tests.plugin.conftest import nothing_left as nothing_left
from tests.plugin.conftest import project as project
