"""The lean partners of the benchmarks, as processes on real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bench.moments import Moments
from bench.processes import Partner
from bench.wire import Recording, told

TERMINAL = '{"response":{"id":"resp_0123456789ab","output":[{"content":[{"text":"Sobre o pedido #0000000"}]}]}}'
OPENING = 'data: {"response":{"id":"resp_0123456789ab"}}\n\n'
CLOSING = f"event: response.completed\ndata: {TERMINAL}\n\n"
RECORDING = Recording(
    question={"input": [{"content": "Pedido #0000000"}]},
    reply={"data": {"reply": "Sobre o pedido #0000000"}},
    conversation="HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + '{"id":"conv"}',
    accepted="HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\nAccepted",
    answer=[
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{len(OPENING):x}\r\n{OPENING}\r\n",
        f"{len(CLOSING):x}\r\n{CLOSING}\r\n0\r\n\r\n",
    ],
)


@pytest.fixture
def partners(tmp_path: Path) -> Iterator[tuple[Partner, Partner]]:
    """OpenAI and Kommo."""
    path = tmp_path / "recording.json"
    RECORDING.save(path)
    openai, kommo = Partner("openai", path, tmp_path), Partner("kommo", path, tmp_path)
    try:
        openai.set_pace(0.01)
        yield openai, kommo
    finally:
        openai.stop()
        kommo.stop()


def ask(openai: Partner, number: int) -> str:
    """The streamed answer to one turn."""
    body = {"input": [{"content": f"Pedido {told(number)}"}]}
    return requests.post(f"{openai.url}/v1/responses", json=body, timeout=10).text


def continue_bot(kommo: Partner, number: int, answered: int) -> int:
    """The status that a continue call is answered with."""
    url = f"{kommo.url}/api/v4/salesbot/1/continue/{number}"
    return requests.post(url, json={"data": {"reply": f"Sobre o pedido {told(answered)}"}}, timeout=10).status_code


def test_an_answer_is_the_recorded_one_with_a_number_and_an_id_of_its_own(partners: tuple[Partner, Partner]) -> None:
    answer = ask(partners[0], 1234567)

    assert answer == (OPENING + CLOSING).replace("#0000000", "#1234567").replace(
        "resp_0123456789ab", f"resp_{1234567:012x}"
    )


def test_moments_are_noted_from_the_first_number_on(partners: tuple[Partner, Partner]) -> None:
    openai, kommo = partners
    openai.begin(7)
    kommo.begin(7)
    for number in (6, 7, 8):
        ask(openai, number)
        continue_bot(kommo, number, number)

    assert set(openai.noted()["moments"]) == set(kommo.noted()["moments"]) == {"7", "8"}
    assert openai.state() == {"in_flight": 0, "done": 2}
    assert all(began < ended for began, ended in openai.noted()["moments"].values())


def test_kommo_tells_a_second_call_and_the_answer_to_another_turn(partners: tuple[Partner, Partner]) -> None:
    kommo = partners[1]

    assert [continue_bot(kommo, 1, 1), continue_bot(kommo, 1, 1), continue_bot(kommo, 2, 3)] == [202, 202, 202]
    assert (kommo.noted()["twice"], kommo.noted()["wrong"]) == (1, 1)


def test_what_no_turn_asks_is_not_found_and_counted(partners: tuple[Partner, Partner]) -> None:
    openai = partners[0]

    assert requests.get(f"{openai.url}/v1/responses/resp_1", timeout=10).status_code == 404
    assert openai.noted()["unexpected"] == 1


def test_latency_is_what_a_turn_took_beyond_openai(partners: tuple[Partner, Partner]) -> None:
    openai, kommo = partners
    ask(openai, 1)
    continue_bot(kommo, 1, 1)
    ((began, ended),) = openai.noted()["moments"].values()
    (told_at,) = kommo.noted()["moments"].values()

    moments = Moments({1: began - 5.0}, {1: (began, ended)}, {1: told_at}, 0, 0)

    assert moments.added(0.0) == [pytest.approx(5.0 + told_at - ended)]
