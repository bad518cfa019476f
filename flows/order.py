"""What a flow is told: where it works, how long a stage may take, what becomes of its results."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seed = Annotated[int, Field(ge=0)]
Hours = Annotated[float, Field(gt=0, le=24 * 365)]


_OF_A_CLONE = ("repository", "branch", "data_seed", "remote", "push", "commit")


class Order(BaseModel):
    """Where a flow works, and what becomes of its results.

    As it stands, in a clone of its own, `.work/clones/FLOW`, and nothing is shared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_place: bool = Field(default=False, description="Work in the worker's checkout itself, as `make run` does.")
    repository: str = Field(
        default="", description="Address or folder to clone. Empty: the worker's checkout, as committed."
    )
    branch: str = Field(default="", description="Where to start from. Empty: the branch that the repository is on.")
    data_seed: Seed | None = Field(
        default=None, description="New data, on which all is trained and measured anew. None: that of params.yaml."
    )
    remote: str = Field(
        default="", description="Address of the DVC remote. Empty: QRESTORE_REMOTE, or the repository's own."
    )
    push: bool = Field(default=False, description="Push data to the DVC remote.")
    commit: bool = Field(
        default=False,
        description="Commit results to a branch of the repository, such as `retrain/2026-11-22`. "
        "Without push, the cache of this machine alone has their data.",
    )
    stage_hours: Hours = Field(default=48, description="A stage that takes longer is ended, and the flow fails.")
    notify: str = Field(
        default="", description="Prefect notification block, type/name. Empty: QRESTORE_NOTIFY, or nobody."
    )

    @model_validator(mode="after")
    def _somebodys_work_tree_is_left_alone(self) -> "Order":
        fields = type(self).model_fields
        if self.in_place and (given := [name for name in _OF_A_CLONE if getattr(self, name) != fields[name].default]):
            raise ValueError(f"in_place goes without {', '.join(given)}: that is for a clone of its own")
        return self
