"""How long a certificate lasts, read from its own bytes."""

from __future__ import annotations

import datetime
import ssl

import pytest
import trustme

from pytest_runbook.resources.tls import days_until_expiry


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2049, 2050, 2199], ids=str)
def test_last_day_of_any_century_is_read(year: int) -> None:
    """Certificates write years from 1950 to 2049 with two digits, later ones with four."""
    expires = datetime.datetime(year, 7, 1, 12, tzinfo=datetime.UTC)
    began = expires - datetime.timedelta(days=1)
    certificate = trustme.CA().issue_cert("shop.example", not_before=began, not_after=expires)
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    left = (expires - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)

    assert days_until_expiry(der) in (int(left // 1), int((left + 0.001) // 1))
