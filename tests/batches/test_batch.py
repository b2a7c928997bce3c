from batches.batch import ENDED, MOVES, WORKED, Move, State, after

BY_ITSELF = {Move.CLAIM, Move.COMPLETE, Move.END}


def reachable(start: State) -> set[State]:
    found, new = set[State](), {start}
    while new:
        found |= new
        new = {state for one in new for state in MOVES[one].values()} - found
    return found


def test_every_state_can_be_reached_and_has_its_moves() -> None:
    assert set(MOVES) == set(State)
    assert reachable(State.DRAFT) == set(State)
    assert {move for moves in MOVES.values() for move in moves} == set(Move)


def test_nothing_happens_by_itself_in_a_batch_that_has_ended() -> None:
    assert [(state, move) for state in ENDED for move in BY_ITSELF & MOVES[state].keys()] == []


def test_what_is_cancelled_or_failed_stays_so() -> None:
    assert reachable(State.CANCELLED) == {State.CANCELLED}
    assert reachable(State.FAILED) == {State.FAILED}


def test_chunks_are_begun_only_where_they_are_handed_out() -> None:
    assert {state for state in State if after(state, Move.CLAIM) is not None} == WORKED


def test_saying_it_again_changes_nothing() -> None:
    said_again = {
        Move.START: {State.QUEUED, State.RUNNING},
        Move.RESUME: {State.QUEUED, State.RUNNING},
        Move.PAUSE: {State.PAUSED},
        Move.CANCEL: {State.CANCELLING, State.CANCELLED},
        Move.CAP: {State.CAPPED},
    }
    assert {
        move: {state for state in states if after(state, move) is state}
        for move, states in said_again.items()
    } == said_again


def test_whatever_still_runs_can_be_cancelled_and_fail() -> None:
    for state in set(State) - ENDED:
        assert after(state, Move.CANCEL) is not None
        assert after(state, Move.FAIL) is State.FAILED
