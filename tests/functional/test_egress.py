"""The address that calls to Kommo leave from (KOMMO_EGRESS)."""

import sys
from pathlib import Path

import pytest

from sandbox.flows import recommended_flow
from sandbox.stack import Stack

PATIENCE = 20.0


@pytest.mark.skipif(sys.platform == "darwin", reason="needs 127.0.0.2")
def test_calls_to_kommo_leave_from_the_address_that_the_setting_names(tmp_path: Path) -> None:
    with Stack(tmp_path, settings={"KOMMO_EGRESS": "second=127.0.0.2"}) as stack:
        company = stack.add_company("Padaria")
        company.kommo.add_bot(recommended_flow(stack.door))
        stack.start("web", "worker")
        stack.wait_until_ready()
        assert company.kommo.client("Ana").ask("Oi", PATIENCE) == ["[Padaria] Mensagem 1: Oi"]
        assert {call.source for call in stack.kommo.continues} == {"127.0.0.2"}
