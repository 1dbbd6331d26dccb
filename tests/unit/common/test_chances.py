"""What mostly fails is left out more and more often, and tried again now and then."""

from __future__ import annotations

from salt_eventsd.common.chances import CHANCES, Chances


def _turns_until_taken(chances: Chances) -> int:
    return next(turn for turn in range(1000) if chances.take())


def test_each_failure_but_the_first_doubles_how_often_it_is_left_out() -> None:
    # Given
    chances = Chances()

    # When
    left_out = []
    for _ in range(9):
        left_out.append(_turns_until_taken(chances))
        chances.failed()

    # Then
    assert left_out == [0] * CHANCES + [4, 8, 16, 32, 64, 64, 64]


def test_one_success_makes_up_for_all_failures() -> None:
    # Given
    chances = Chances()
    for _ in range(5):
        _turns_until_taken(chances)
        chances.failed()

    # When
    _turns_until_taken(chances)
    chances.succeeded()
    chances.failed()

    # Then
    assert chances.take()


def test_failures_that_come_in_turn_with_successes_are_not_forgotten() -> None:
    # Given
    chances, tried = Chances(keeps=0.75), 0

    # When: every second one fails
    for number in range(1000):
        if chances.take():
            tried += 1
            (chances.failed if number % 2 else chances.succeeded)()

    # Then
    assert tried < 300


def test_rare_failures_are_forgotten() -> None:
    # Given
    chances, tried = Chances(keeps=0.75), 0

    # When
    for number in range(1000):
        if chances.take():
            tried += 1
            (chances.failed if number % 20 == 0 else chances.succeeded)()

    # Then
    assert tried == 1000


def test_so_many_failures_as_one_likes_change_nothing() -> None:
    # Given
    chances = Chances(free=5)

    # When
    for _ in range(4):
        chances.failed()

    # Then
    assert chances.take()
