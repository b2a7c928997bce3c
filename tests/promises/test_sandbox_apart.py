"""What a stand-in made up is never told as a real outcome, and a real one never as made up."""

from typing import Any

from tests.assay_process import Record, Sections, living
from tests.sandbox_process import RunningSandbox

REGISTERED = "results { vatNumber { status outcomes { provider } } } usage { callsMade }"
BRITISH: list[Record] = [{"vatNumber": "GB100000230"}]


async def test_a_rehearsal_and_a_real_provider_beside_a_stand_in_share_nothing(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """HMRC has credentials here and VIES has none: both answer the same check."""
    real: dict[str, Any] = {
        **usual["providers"]["hmrc"],
        "base_url": f"{sandbox.http}/hmrc",
        "client_id": "sandbox",
        "client_secret": "sandbox",
    }
    given = {**usual, "providers": {**usual["providers"], "hmrc": real}}
    async with living(given) as assay:
        panels = assay.assembly.context.panels
        states = {one.name: one.state.value for one in panels["vatNumber", "registry"].providers}
        made_up = await assay.validate(REGISTERED, BRITISH, sandbox=True)
        live = await assay.validate(REGISTERED, BRITISH)
        made_up_again = await assay.validate(REGISTERED, BRITISH, sandbox=True)
    assert states == {"vies": "SANDBOX", "hmrc": "READY"}
    assert made_up["usage"]["callsMade"] == live["usage"]["callsMade"] == 2, "a token, a lookup"
    assert made_up_again["usage"]["callsMade"] == 0
