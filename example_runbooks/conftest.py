"""Values that runbooks below this folder start with: ``handover.runbook.yaml`` reads them as ``{{ var.service }}``."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def runbook_vars() -> dict[str, object]:
    return {"service": "ledger", "regions": ["eu-west-1", "us-east-1"], "most_restarts": 3}
