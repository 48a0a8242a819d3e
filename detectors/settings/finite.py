"""Settings whose numbers are finite: one that is not cannot be written to the topic ``monitors``, where it becomes null, which nobody can read."""

from pydantic import ConfigDict

from detectors.profile import Frozen


class Finite(Frozen):
    """Settings without nan and infinity; a limit that is not wanted is left out, or larger than anything that comes."""

    model_config = ConfigDict(allow_inf_nan=False)
