"""The GraphQL operations of the command line."""

from collections.abc import Mapping, Sequence

USAGE = "usage { records callsMade valuesAsked savedByLocalChecks savedByDedupe savedByCache cost }"
SHORT = "status normalized reasons { code retryable }"
HEAD = """
  kind input normalized status
  reasons { code message check retryable retryAt parts }
  outcomes {
    check conclusion reasons { code message check retryable retryAt parts }
    provider foundAt expiresAt cost
  }
  decidedAt expiresAt source
"""
FULL = {
    "email": """
  domain { name disposable mx acceptsMail }
  mailbox { role deliverable catchAll freeProvider suggestion }
""",
    "phone": """
  e164 region nationalFormat
  lineType { type carrier mobileCountryCode mobileNetworkCode }
""",
    "vatNumber": """
  country
  registry { registeredName registeredAddress consultationNumber confirmedAt }
""",
    "iban": " country bankCode bban ",
    "lei": """
  registry {
    legalName status registrationStatus nextRenewal jurisdiction country registeredAs
  }
""",
    "company": """
  jurisdiction number name
  registry {
    registeredName status type incorporatedOn dissolvedOn registeredAddress jurisdiction
  }
""",
    "address": """
  country postalCode missing
  deliverability {
    formatted granularity complete corrected missing unconfirmed business residential
  }
""",
    "postcode": """
  country
  registry { country region district latitude longitude terminatedYear terminatedMonth }
""",
}
"""For each field of a record everything that its verdict has beside `HEAD`."""
CONSISTENCY = "consistency { code score message sides { field says } }"

FIELDS = tuple(FULL)

KINDS = """
query AssayKinds {
  kinds {
    name description meaning
    checks { name description local inPolicy optional providers }
    sandboxInputs { service value meaning }
  }
}
"""
PROVIDERS = """
query AssayProviders {
  providers {
    name service kind check state concurrency slotsInUse inFlight inFlightLimit valuesPerCall price
    breaker openBreakers { bulk partition state reason since until }
    pausedForMs pausedBecause rateShare windows { rate limit used left moreAt bulk }
    calls values cost callsToday costToday failures { code count share } errorRate
    latencyP50Ms latencyP95Ms
  }
}
"""


def validate_document(
    fields: Sequence[str], *, full: bool, declared: Mapping[str, str] | None = None
) -> str:
    """Return the operation that validates records with these `fields`.

    `declared` says what the verdicts of some have beside `HEAD`, where it is not as in `FULL`.
    """
    shown = FULL | dict(declared or {})
    verdicts = " ".join(f"{name} {{ {HEAD + shown[name] if full else SHORT} }}" for name in fields)
    compared = CONSISTENCY if full else ""
    return f"""
mutation AssayValidate($records: [RecordInput!]!, $options: ValidateOptions) {{
  validate(records: $records, options: $options) {{
    results {{ ref index status {verdicts} {compared} }}
    {USAGE}
  }}
}}
"""
