"""Who is told of a call when it is over, and how long what cannot be delivered is kept."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bridge.variables import VariableOrNone


class AfterCallSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A webhook for each call that has ended (`bridge.telemetry.after_call`); without `url` there is none."""

    url: str = ""
    """`https://...` of your service, which gets one signed POST a call."""
    secret_env: VariableOrNone = "AFTER_CALL_SECRET"
    """The variable of the secret that signs: `whsec_...`, or any long text; several with commas between."""
    directory: str = "after-call"
    """Where reports lie until they are delivered, relative to the configuration file; readable by us alone."""
    words: bool = True
    """Tell when each word was heard."""
    deadline_s: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    """Your service has to answer within this time, with a status from 200 to 299."""
    first_retry_s: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """The wait after the first failure; each further one doubles it."""
    longest_retry_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    most_waiting: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """Reports that may wait; beyond it the oldest is given up, loudly."""
    most_waiting_bytes: Annotated[int, msgspec.Meta(ge=1_000_000)] = 512_000_000
