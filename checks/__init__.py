"""Local checks, one module a kind: form, check digits, canonical value, what needs a provider."""
