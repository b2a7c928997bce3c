"""The pure heart: values, reasons, outcomes and verdicts. Knows nobody and does no I/O."""
