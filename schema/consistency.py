"""What clients get of how the fields of a record fit together."""

import strawberry

from schema.enums import FindingCode

CONSISTENCY = (
    "Whether its fields fit together: a finding for each two that can be compared, whether they"
    " agree or not. It changes no verdict. Selecting it asks the registers of VAT numbers, LEIs"
    " and companies for their names."
)


@strawberry.type(description="One side of a comparison.")
class Side:
    """See verdicts.consistency.Side."""

    field: str = strawberry.field(description="The field, as a path: `company.name`.")
    says: str = strawberry.field(description="What it says.")


@strawberry.type(description="Whether two fields of a record fit together.")
class Finding:
    """See verdicts.consistency.Finding."""

    code: FindingCode = strawberry.field(description="What was compared.")
    score: float = strawberry.field(
        description=(
            "1 where both sides agree, 0 where they have nothing in common; from 0.9 on they are"
            " taken for the same, below 0.6 for different."
        )
    )
    message: str = strawberry.field(description="For people: what was compared, and how it ended.")
    sides: list[Side] = strawberry.field(description="The two sides.")
