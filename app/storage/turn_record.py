"""What stands in the record of a turn, read back."""

import json
from collections.abc import Mapping

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.turn import Charge, Status, Turn
from app.storage.sealing import Sealer

# Fields that hold sealed texts.
_SEALED = (b"sealed", b"answer")


def turn_of(request_id: str, found: Mapping[bytes, bytes], sealer: Sealer) -> Turn:
    """The turn of a record. One that is worn out comes without its texts. Raises NoKeyFits."""
    told = _told(request_id, {name.decode(): value.decode() for name, value in found.items() if name not in _SEALED})
    if told.worn_out:
        return told
    sealed = {name: sealer.unseal(found[name]) for name in _SEALED if name in found}
    texts = json.loads(sealed.get(b"sealed", "{}"))
    told.message, told.instructions = texts.get("message", ""), texts.get("instructions", "")
    told.answer = sealed.get(b"answer")
    return told


def conversation_of(found: Mapping[bytes, bytes]) -> Conversation | None:
    """The conversation of a record, None for an empty one."""
    if not found:
        return None
    last_item = found.get(b"last_item")
    return Conversation(
        Api(found[b"api"].decode()), found[b"conversation_id"].decode(), last_item.decode() if last_item else None
    )


def _told(request_id: str, text: Mapping[str, str]) -> Turn:
    return Turn(
        request_id=request_id,
        account_id=int(text["account_id"]),
        status=Status(text["status"]),
        accepted_at=int(text["accepted_at"]),
        replayed_at=int(text["replayed_at"]) if "replayed_at" in text else None,
        replays=int(text.get("replays", 0)),
        deadline_at=int(text["deadline_at"]),
        return_url=text["return_url"],
        period=text["period"],
        day=text["day"],
        hour=int(text["hour"]),
        weight=int(text["weight"]),
        claims=int(text["claims"]),
        line=text.get("line"),
        error_code=Failure(text["error_code"]) if "error_code" in text else None,
        charge=Charge(text["charge"]),
        origin=text.get("origin"),
        handler=text.get("handler"),
        note_lead_id=int(text["note_lead_id"]) if "note_lead_id" in text else None,
        first_refusal="first_refusal" in text,
        asked=text.get("asked") == "1",
        attempts=int(text.get("attempts", 0)),
        api=Api(text["api"]) if "api" in text else None,
        conversation_id=text.get("conversation_id"),
        answer_id=text.get("answer_id") or None,
        maybe_delivered=text.get("maybe_delivered") == "1",
        remaining=int(text.get("remaining", 0)),
        offers=int(text.get("offers", 0)),
        token_renewed=text.get("token_renewed") == "1",
        last_resort=text.get("last_resort") == "1",
        made_afresh="made_afresh" in text,
        gated=Failure(text["gated"]) if text.get("gated") else None,
        gated_at=int(text.get("gated_at", 0)),
        openai_ms=int(text.get("openai_ms", 0)),
    )
