"""What names a turn."""

import pytest

from app.domain.turn import is_request_id, new_request_id
from tests.builders import NOW_MS

NO_IDS = {
    "another key": f"{new_request_id(NOW_MS)}:steps",
    "nothing": "",
    "too short": new_request_id(NOW_MS)[:-1],
    "too long": f"{new_request_id(NOW_MS)}0",
    "in capitals": "0198C5F6A7B8" + "0" * 16,
    "with an end of line": f"{new_request_id(NOW_MS)}\n",
    "digits of another script": "١" * 28,
}


def test_a_new_id_is_one() -> None:
    assert is_request_id(new_request_id(NOW_MS))


@pytest.mark.parametrize("text", NO_IDS.values(), ids=NO_IDS)
def test_what_is_no_id(text: str) -> None:
    assert not is_request_id(text)
