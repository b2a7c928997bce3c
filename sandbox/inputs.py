"""The magic inputs of all stand-ins, as data: importing this starts nothing."""

from __future__ import annotations

from sandbox import (
    companies_house,
    dns_over_https,
    domains,
    gleif,
    google_address,
    hmrc,
    postcodes_io,
    twilio_lookup,
    vies,
    zerobounce,
)

SANDBOX_INPUTS = (
    *domains.INPUTS,
    *zerobounce.INPUTS,
    *twilio_lookup.INPUTS,
    *vies.INPUTS,
    *hmrc.INPUTS,
    *gleif.INPUTS,
    *companies_house.INPUTS,
    *postcodes_io.INPUTS,
    *google_address.INPUTS,
    *dns_over_https.INPUTS,
)
