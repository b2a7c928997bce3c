"""The services that Assay speaks: one module each, held to `Service` by the type checker.

Their order is who is asked first, where the configuration names no order.
"""

from providers.exchange import Service
from providers.services import (
    companies_house,
    dns_over_https,
    gleif,
    google_address,
    hmrc,
    postcodes_io,
    twilio_lookup,
    vies,
    zerobounce,
)

SERVICES: tuple[Service, ...] = (
    vies,
    hmrc,
    gleif,
    companies_house,
    zerobounce,
    twilio_lookup,
    postcodes_io,
    google_address,
    dns_over_https,
)
