"""The two habits on the scoreboard do what their names say."""

import numpy as np

from streams.demo.scoreboard import AdwinHabit, PsiHabit, score


def test_the_psi_habit_is_quiet_on_a_large_unchanged_column_and_alarms_on_a_shift():
    random = np.random.default_rng(1)
    habit = PsiHabit({"salary": random.normal(size=10_000)})
    for chunk in range(10):
        habit.add({"salary": random.normal(size=500)}, 500 * (chunk + 1))
    assert habit.alarms == []
    habit.add({"salary": random.normal(1, 1, size=500)}, 5_500)
    assert habit.alarms == [5_500]


def test_the_psi_habit_judges_chunks_of_500_however_the_rows_come():
    random = np.random.default_rng(2)
    reference, stream = random.normal(size=5_000), random.normal(1, 1, size=1_200)
    whole, pieces = PsiHabit({"x": reference}), PsiHabit({"x": reference})
    whole.add({"x": stream}, 1_200)
    for start in range(0, 1_200, 25):
        pieces.add({"x": stream[start : start + 25]}, start + 25)
    assert pieces.alarms == whole.alarms == [500, 1_000]


def test_the_psi_habit_compares_categories_by_their_shares():
    habit = PsiHabit({"plan": np.array(["free", "paid"] * 500, object)})
    habit.add({"plan": np.array(["free"] * 500, object)}, 500)
    assert habit.alarms == [500]


def test_adwin_alarms_where_the_errors_rise():
    random = np.random.default_rng(3)
    habit = AdwinHabit()
    habit.add((random.random(2_000) < 0.1).astype(float), 2_000)
    quiet = list(habit.alarms)
    habit.add((random.random(1_000) < 0.6).astype(float), 3_000)
    assert quiet == []
    assert 2_000 < habit.alarms[0] < 2_300


def test_an_alarm_before_the_first_change_is_false_and_delays_end_at_the_next_change():
    result = score("habit", [40, 230], {"covariate": 100, "concept": 200})
    assert result.false_alarms == 1
    assert result.delays == {"covariate": None, "concept": 30}
