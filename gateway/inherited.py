"""What the processes that Assay starts inherit of its environment: no setting, as those hold keys.

Whoever runs as the same user reads a process's environment, and so does what dumps it.
"""

import os

from gateway.mistakes import PREFIX


def inherited() -> dict[str, str]:
    """Return the environment without what configures Assay."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
