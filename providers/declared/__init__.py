"""Services that configuration declares: calls from templates, answers read by JMESPath."""
