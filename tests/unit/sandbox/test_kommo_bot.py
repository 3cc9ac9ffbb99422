"""The interpreter: which effects a bot has, given what comes in from outside."""

from collections.abc import Sequence
from typing import Any

import pytest

from sandbox.kommo_bot import BotRun, Continuation, Effect, Listen, Request, Show
from sandbox.kommo_design import (
    HANDLERS,
    Block,
    ConditionBlock,
    Design,
    MessageBlock,
    PauseBlock,
    WidgetBlock,
    designed,
)

IDENTITY = {"lead.id": "77", "contact.id": "88", "contact.name": "Ana", "origin": "telegram", "contact.cf.1": "segredo"}
URL = "https://bot.example.com/kommo/salesbot"

Json = dict[str, Any]


def handler(name: str, **params: Any) -> Json:
    return {"handler": name, "params": params}


def show(value: str) -> Json:
    return handler("show", type="text", value=value)


def goto(step: int, section: str = "question") -> Json:
    return handler("goto", type=section, step=step)


def exits(code: str) -> Json:
    return handler("exits", value=code)


def request(**data: str) -> Json:
    return handler("widget_request", url=URL, data=data)


def when(term1: str, operation: str, term2: Any, *result: Json) -> Json:
    return handler("condition", term1=term1, operation=operation, term2=term2, result=list(result))


def whenever(logic: str, terms: Sequence[tuple[str, str]], *result: Json) -> Json:
    conditions = [{"term1": term1, "term2": term2, "operation": "="} for term1, term2 in terms]
    return handler("conditions", logic=logic, conditions=conditions, result=list(result))


def step(*question: Json, **sections: list[Json]) -> Json:
    return {"question": list(question), "require": [], **sections}


def effects(
    blocks: Sequence[Block], *given: str | Continuation, message: str = "Oi"
) -> tuple[list[Effect], str | None]:
    """Run until nothing given is left and the bot waits or has ended; its effects and why it ended."""
    run, left, seen = BotRun(designed(blocks), IDENTITY, message), list(given), []
    effect = run.send()
    while effect is not None:
        seen.append(effect)
        if isinstance(effect, Show):
            effect = run.send()
        elif left:
            effect = run.send(left.pop(0))
        else:
            break
    assert not left, "the bot ended before everything was given to it"
    return seen, run.ended


def of_flow(
    *steps: Json, given: Sequence[str | Continuation] = (), message: str = "Oi"
) -> tuple[list[Effect], str | None]:
    return effects([WidgetBlock(steps)], *given, message=message)


SUCCESS = Continuation({"status": "success", "reply": "Custa R$ 10", "n": 3})


@pytest.mark.parametrize(
    ("steps", "given", "expected", "ended"),
    [
        pytest.param([step(show("um"), show("dois"))], [], [Show("um"), Show("dois")], "finished", id="in order"),
        pytest.param(
            [step(request(message="{{message_text}}", lead="{{lead.id}}", phone="{{contact.phone}}"))],
            [],
            [Request(URL, {"message": "Oi", "lead": "77", "phone": "{{contact.phone}}"})],
            None,
            id="a request is filled in and waits",
        ),
        pytest.param(
            [step(request(), show("{{json.reply}} {{json.n}}"))],
            [SUCCESS],
            [Request(URL, {}), Show("Custa R$ 10 3")],
            "finished",
            id="what follows the request runs when it is continued",
        ),
        pytest.param(
            [step(request(), goto(1)), step(show("segundo"))],
            [SUCCESS],
            [Request(URL, {}), Show("segundo")],
            "finished",
            id="goto question",
        ),
        pytest.param(
            [step(goto(0, "answer"), answer=[show("resposta")])], [], [Show("resposta")], "finished", id="goto answer"
        ),
        pytest.param(
            [step(goto(0, "finish"), finish=[show("fim")]), step()], [], [Show("fim")], "finished", id="goto finish"
        ),
        pytest.param([step(goto(7))], [], [], "goto to step 7, which does not exist", id="goto nowhere"),
        pytest.param([step(goto(0))], [], [], "endless loop", id="a goto to itself ends"),
        pytest.param(
            [step(show("Nome?"), answer=[show("Olá {{message_text}}")])],
            ["Ana"],
            [Show("Nome?"), Listen(), Show("Olá Ana")],
            "finished",
            id="a step with an answer waits for it",
        ),
        pytest.param(
            [step(handler("wait_answer", type="question", step=1)), step(show("{{message_text}}"))],
            ["segunda"],
            [Listen(), Show("segunda")],
            "finished",
            id="wait_answer",
        ),
        pytest.param(
            [step(show("a"), handler("stop", action="talk-close"), show("b"))], [], [Show("a")], "stop", id="stop"
        ),
        pytest.param([step(exits("success"), show("nunca"))], [], [], "finished", id="exits leave the flow"),
        pytest.param(
            [step(handler("show", type="buttons", value="Escolha", buttons=["A", "{{contact.name}}"]))],
            [],
            [Show("Escolha", ("A", "Ana"))],
            "finished",
            id="buttons",
        ),
        pytest.param(
            [step(handler("show", type="buttons_url", value="Veja", buttons=[{"text": "Site", "url": "https://a.b"}]))],
            [],
            [Show("Veja", ("Site <https://a.b>",))],
            "finished",
            id="buttons_url",
        ),
        pytest.param(
            [
                step(request(), whenever("and", [("{{json.status}}", "success")], show("ok"), goto(1)), show("não")),
                step(),
            ],
            [SUCCESS],
            [Request(URL, {}), Show("ok")],
            "finished",
            id="conditions that hold run their result and may leave",
        ),
        pytest.param(
            [step(request(), whenever("and", [("{{json.status}}", "fail")], show("nunca")), show("depois"))],
            [SUCCESS],
            [Request(URL, {}), Show("depois")],
            "finished",
            id="conditions that do not hold are passed by",
        ),
        pytest.param(
            [step(whenever("and", [("a", "a")], request(), show("dentro")), show("fora"))],
            [SUCCESS],
            [Request(URL, {}), Show("dentro"), Show("fora")],
            "finished",
            id="a request inside a result goes on there",
        ),
    ],
)
def test_a_flow_has_these_effects(
    steps: list[Json], given: list[str | Continuation], expected: list[Effect], ended: str | None
) -> None:
    assert of_flow(*steps, given=given) == (expected, ended)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        pytest.param(when("a", "=", "a", show("sim")), True, id="equal"),
        pytest.param(when("a", "=", "b", show("sim")), False, id="not equal"),
        pytest.param(when("a", "!=", "b", show("sim")), True, id="different"),
        pytest.param(when("{{json.n}}", "=", "3", show("sim")), True, id="compared as texts"),
        pytest.param(when("{{json.unknown}}", "=", "", show("sim")), False, id="unresolved is not empty"),
        pytest.param(when("chat.origin", "=", "telegram", show("sim")), True, id="origin by its special name"),
        pytest.param(when("{{origin}}", "in", ["waba", "telegram"], show("sim")), True, id="in"),
        pytest.param(when("{{origin}}", "in", ["waba"], show("sim")), False, id="not in"),
        pytest.param(when("{{origin}}", "not_in", ["waba"], show("sim")), True, id="not_in"),
        pytest.param(when("{{json.n}}", "in_range", ["1", "3"], show("sim")), True, id="in_range, ends included"),
        pytest.param(when("{{json.n}}", "in_range", ["4", "9"], show("sim")), False, id="out of range"),
        pytest.param(when("muitos", "in_range", ["1", "9"], show("sim")), False, id="no number is in no range"),
        pytest.param(whenever("or", [("a", "b"), ("a", "a")], show("sim")), True, id="or"),
        pytest.param(whenever("or", [("a", "b"), ("a", "c")], show("sim")), False, id="none of or"),
        pytest.param(whenever("and", [("a", "a"), ("a", "c")], show("sim")), False, id="one of and fails"),
    ],
)
def test_a_condition_decides(condition: Json, holds: bool) -> None:
    seen, _ = of_flow(step(request(), condition), given=[SUCCESS])
    assert (Show("sim") in seen) is holds


@pytest.mark.parametrize(
    ("continuation", "shown"),
    [
        pytest.param(Continuation({"reply": ""}), "{{json.reply}}", id="an empty reply shows its placeholder"),
        pytest.param(Continuation({}), "{{json.reply}}", id="a missing reply shows its placeholder"),
        pytest.param(Continuation({"reply": "x" * 5000}), "x" * 5000, id="a reply may be long"),
        pytest.param(Continuation({"reply": "{{contact.cf.1}}"}), "segredo", id="a reply can inject a placeholder"),
        pytest.param(
            Continuation({"reply": "{{contact.cf.2}}"}), "{{contact.cf.2}}", id="an unknown one stays literal"
        ),
    ],
)
def test_what_the_client_reads_of_a_reply(continuation: Continuation, shown: str) -> None:
    seen, _ = of_flow(step(request(), show("{{json.reply}}")), given=[continuation])
    assert seen[-1] == Show(shown)


def test_a_message_of_the_client_can_inject_a_placeholder() -> None:
    seen, _ = of_flow(step(request(message="{{message_text}}")), message="diga {{contact.cf.1}}")
    assert seen == [Request(URL, {"message": "diga segredo"})]


def test_handlers_of_the_continue_call_run_before_the_flow_goes_on() -> None:
    continuation = Continuation({"reply": "r"}, [show("primeiro {{json.reply}}"), show("segundo")])
    seen, _ = of_flow(step(request(), show("terceiro")), given=[continuation])
    assert seen[1:] == [Show("primeiro r"), Show("segundo"), Show("terceiro")]


def test_a_goto_of_the_continue_call_changes_where_the_flow_goes_on() -> None:
    seen, _ = of_flow(step(request(), show("não")), step(show("sim")), given=[Continuation({}, [goto(1)])])
    assert seen[1:] == [Show("sim")]


def test_each_continue_call_replaces_what_the_one_before_returned() -> None:
    seen, _ = of_flow(
        step(request(), request(), show("{{json.a}} {{json.b}}")),
        given=[Continuation({"a": "1"}), Continuation({"b": "2"})],
    )
    assert seen[-1] == Show("{{json.a}} 2")


def test_the_loop_answers_every_message_and_stops_after_a_failure() -> None:
    flow: Design = [
        step(request(message="{{message_text}}"), when("{{json.ok}}", "=", "1", exits("success")), exits("fail"))
    ]
    run = BotRun(designed(flow), IDENTITY, "um")
    assert run.send() == Request(URL, {"message": "um"})
    assert run.send(Continuation({"ok": "1"})) == Listen()
    assert run.send("dois") == Request(URL, {"message": "dois"})
    assert run.send(Continuation({"ok": "0"})) is None
    assert run.ended == "finished"


@pytest.mark.parametrize(
    ("after_success", "after_fail", "code", "listens"),
    [
        ("listen", "stop", "success", True),
        ("listen", "stop", "fail", False),
        ("stop", "listen", "success", False),
        ("stop", "listen", "fail", True),
    ],
)
def test_what_follows_an_exit_can_be_chosen(after_success: Any, after_fail: Any, code: str, listens: bool) -> None:
    run = BotRun(designed([step(exits(code))], after_success, after_fail), IDENTITY, "Oi")
    assert run.send() == (Listen() if listens else None)


def test_a_flow_that_names_no_exit_counts_as_answered() -> None:
    assert BotRun(designed([step(show("a"))]), IDENTITY, "Oi").send() == Show("a")
    seen, _ = effects(designed([step(show("a"))]))
    assert seen == [Show("a"), Listen()]


def test_blocks_of_the_designer_follow_each_other() -> None:
    blocks: list[Block] = [
        MessageBlock("Olá {{contact.name}}", then=1),
        PauseBlock(then=2),
        ConditionBlock("{{message_text}}", "=", "sim", then=3, otherwise=4),
        WidgetBlock([step(request(), exits("success"))], {"success": 4}),
        MessageBlock("{{json.reply}}"),
    ]
    seen, ended = effects(blocks, "sim", Continuation({"reply": "pronto"}))
    assert seen == [Show("Olá Ana"), Listen(), Request(URL, {}), Show("pronto")]
    assert ended == "finished"
    seen, _ = effects(blocks, "não")
    assert seen == [Show("Olá Ana"), Listen(), Show("{{json.reply}}")]


def test_blocks_in_a_circle_without_a_pause_end() -> None:
    run = BotRun(designed([ConditionBlock("a", "=", "a", then=0)]), IDENTITY, "Oi")
    assert run.send() is None
    assert run.ended == "endless loop"


def test_every_handler_that_may_be_saved_can_be_run() -> None:
    examples = {
        "widget_request": request(),
        "show": show("a"),
        "goto": goto(1),
        "wait_answer": handler("wait_answer", type="question", step=1),
        "conditions": whenever("and", [("a", "a")], goto(1)),
        "condition": when("a", "=", "a", goto(1)),
        "exits": exits("success"),
        "stop": handler("stop", action="talk-close"),
    }
    assert set(examples) == HANDLERS
    for name, example in examples.items():
        blocks: list[Block] = [WidgetBlock([step(example), step(show("b"))], {"success": 1}), MessageBlock("left")]
        assert effects(blocks) != ([], "finished"), name


def test_a_run_that_is_stopped_says_why() -> None:
    run = BotRun(designed([step(request())]), IDENTITY, "Oi")
    run.send()
    run.stop("a human took over")
    assert run.ended == "a human took over"


@pytest.mark.parametrize(
    ("design", "complaint"),
    [
        pytest.param([], "blocks, or of the steps", id="nothing"),
        pytest.param([step(), MessageBlock("a")], "blocks, or of the steps", id="steps and blocks mixed"),
        pytest.param([{"answer": []}], "a step consists of", id="a step without a question"),
        pytest.param([step(others=[])], "a step consists of", id="a step with something else"),
        pytest.param([step(handler("send_message", text="a"))], "'send_message' is not known", id="unknown handler"),
        pytest.param([step(when("a", ">", "b"))], "'>' is not known", id="unknown operation"),
        pytest.param(
            [step(when("a", "=", "a", handler("x")))], "'x' is not known", id="unknown handler inside a result"
        ),
        pytest.param(
            [step(handler("widget_request", url=URL, data={"n": 1}))], "are texts", id="data that are no text"
        ),
        pytest.param([ConditionBlock("a", "~", "b")], "'~' is not known", id="unknown operation of a block"),
        pytest.param([PauseBlock(then=3)], "block 3 does not exist", id="a block that leads nowhere"),
        pytest.param(
            [WidgetBlock([step()], {"success": -1})], "block -1 does not exist", id="an exit that leads nowhere"
        ),
        pytest.param([step(show("x" * 70_000))], "64 KB", id="too large"),
    ],
)
def test_a_bot_that_cannot_run_is_refused_when_it_is_saved(design: Design, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        designed(design)
