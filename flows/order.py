"""What a flow is told: where it works, how long a stage may take, what becomes of its results."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seed = Annotated[int, Field(ge=0)]
Hours = Annotated[float, Field(gt=0, le=24 * 365)]


_OF_A_CLONE = ("repository", "branch", "data_seed", "remote", "push", "commit")


class Order(BaseModel):
    """An order to a flow; Prefect's page shows it as a form.

    Without one a flow works in a clone of its own, `.work/clones/<flow>`, and shares nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_place: bool = Field(default=False, description="Work in the worker's checkout itself, as `make run` does.")
    repository: str = Field(
        default="", description="Address or folder to clone. None: the worker's checkout, as committed."
    )
    branch: str = Field(default="", description="Where to start from. None: the branch that the repository is on.")
    data_seed: Seed | None = Field(
        default=None, description="New data, on which all is trained and measured anew. None: that of params.yaml."
    )
    remote: str = Field(
        default="", description="Address of the DVC remote. None: QRESTORE_REMOTE, or the repository's own."
    )
    push: bool = Field(default=False, description="Push data to the DVC remote.")
    commit: bool = Field(default=False, description="Commit results to a branch <flow>/<date> of the repository.")
    stage_hours: Hours = Field(default=48, description="A stage that takes longer is ended, and the flow fails.")
    notify: str = Field(
        default="", description="Prefect notification block, type/name. None: QRESTORE_NOTIFY, or nobody."
    )

    @model_validator(mode="after")
    def _somebodys_work_tree_is_left_alone(self) -> "Order":
        fields = type(self).model_fields
        if self.in_place and (given := [name for name in _OF_A_CLONE if getattr(self, name) != fields[name].default]):
            raise ValueError(f"in_place goes without {', '.join(given)}: that is for a clone of its own")
        return self
