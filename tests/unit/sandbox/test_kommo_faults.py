"""Which fault a call suffers."""

from sandbox.kommo_faults import FaultBoard, Route, hang, reset, status


def test_a_fault_happens_as_often_as_was_said() -> None:
    board = FaultBoard()
    board.add(reset(), Route.CONTINUE, times=2)
    assert [board.take(Route.CONTINUE) for _ in range(3)] == [reset(), reset(), None]


def test_a_fault_of_another_route_is_left_for_that_route() -> None:
    board = FaultBoard()
    board.add(reset(), Route.NOTE)
    assert board.take(Route.CONTINUE) is None
    assert board.take(Route.NOTE) == reset()


def test_faults_happen_in_the_order_in_which_they_were_added() -> None:
    board = FaultBoard()
    board.add(status(503), Route.CONTINUE)
    board.add(hang())
    board.add(status(429), Route.CONTINUE)
    assert [board.take(Route.CONTINUE) for _ in range(4)] == [status(503), hang(), status(429), None]


def test_a_fault_without_a_number_lasts_until_it_is_cleared() -> None:
    board = FaultBoard()
    board.add(status(500), times=None)
    assert {board.take(Route.CONTINUE) for _ in range(50)} == {status(500)}
    board.clear()
    assert board.take(Route.CONTINUE) is None


def test_what_was_injected_is_counted_by_route() -> None:
    board = FaultBoard()
    board.add(status(500), times=3)
    for route in (Route.NOTE, Route.CONTINUE, Route.NOTE, Route.NOTE):
        board.take(route)
    assert board.injected == {Route.NOTE: 2, Route.CONTINUE: 1}
