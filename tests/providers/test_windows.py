"""No service refuses, however it counts and whatever delays the calls; on a virtual clock."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.rates import arrival_s, rate_of
from providers.trip import US
from sandbox.limits import Counting
from tests.providers.simulated import Stalls, Way, World

SECONDS = 2.0
EXAMPLES = 12
seeds = st.integers(0, 10_000)
whenever = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each world begins anew
)


@whenever
@given(
    rates=st.sampled_from(
        (("20/s",), ("50/500ms", "70/s"), ("3/200ms",), ("200/s",), ("7/s", "9/2s"))
    ),
    counting=st.sampled_from(("sliding", "fixed")),
    processes=st.integers(1, 4),
    batch=st.booleans(),
    transit_s=st.sampled_from((0.0, 0.01, 0.04)),
    answer_s=st.sampled_from((0.0, 0.05, 0.8)),
    seed=seeds,
)
def test_windows_are_never_exceeded(
    valkey_server_url: str,
    *,
    rates: tuple[str, ...],
    counting: Counting,
    processes: int,
    batch: bool,
    transit_s: float,
    answer_s: float,
    seed: int,
) -> None:
    """Each call is let go late, too, by as much as the bound on its arrival leaves room for."""
    rules = tuple(map(rate_of, rates))
    way = Way(arrival_s(rules) - transit_s, transit_s, answer_s)
    world = World(valkey_server_url, rules, counting, way, seed)
    ours = [world.process(f"p{at}-", batch=batch) for at in range(processes)]
    world.run(SECONDS / 2)
    ours[0].dead = processes > 1  # what it had under way arrives, and nobody tells of its end
    world.run(SECONDS / 2)
    assert world.refused == 0
    slowest = max(rule.period_s / rule.limit for rule in rules)
    longest_s = max(rule.period_s for rule in rules)
    least = (
        SECONDS / slowest / (1 + (arrival_s(rules) + 0.1) / min(r.period_s for r in rules)) / 1.3
    )
    if processes == 1 and longest_s <= 1 and answer_s < min(r.period_s for r in rules) / 2:
        assert len(world.arrived) >= least


@whenever
@given(
    limit=st.sampled_from((50, 200, 500)),
    burst=st.sampled_from((5, 10, 50)),
    processes=st.integers(1, 4),
    seed=seeds,
)
def test_a_bucket_is_never_empty(
    valkey_server_url: str, limit: int, burst: int, processes: int, seed: int
) -> None:
    """Calls are late by up to what the rest of the bucket absorbs."""
    rule = rate_of(f"{limit}/s burst {burst}")
    way = Way(rule.late_s * 0.8, rule.late_s * 0.2, 0.05)
    world = World(valkey_server_url, (rule,), "bucket", way, seed)
    for at in range(processes):
        world.process(f"p{at}-")
    world.run(SECONDS)
    assert world.refused == 0
    assert len(world.arrived) >= 0.97 * limit * SECONDS


@whenever
@given(
    processes=st.integers(1, 4),
    together=st.booleans(),
    unseen_s=st.sampled_from((0.0, 0.002)),
    stall_s=st.sampled_from((0.012, 0.03, 0.07)),
    seed=seeds,
)
def test_loops_that_stand_still_never_empty_a_bucket(
    valkey_server_url: str,
    *,
    processes: int,
    together: bool,
    unseen_s: float,
    stall_s: float,
    seed: int,
) -> None:
    """What is late is not sent, or told; what one process can't use then another uses."""
    rule = rate_of("200/s burst 5")
    world = World(valkey_server_url, (rule,), "bucket", Way(0.0, 0.001, 0.01), seed)
    for at in range(processes):
        first_s = 0.1 if together else 0.1 + 0.05 * at
        world.process(f"p{at}-", stalls=Stalls(first_s, stall_s, 0.2, unseen_s))
    world.run(SECONDS)
    assert world.refused == 0
    lost = 0.05 if processes > 2 and not together and stall_s <= 0.03 else stall_s / 0.2
    assert len(world.arrived) >= (1 - lost) * rule.limit * SECONDS


@whenever
@given(backlogs=st.sampled_from(((1, 1), (3, 1), (2, 1))), seed=seeds)
def test_tenants_get_the_same(valkey_server_url: str, backlogs: tuple[int, int], seed: int) -> None:
    """One tenant's work is in more processes than the other's."""
    way = Way(0.0, 0.005, 0.005)
    world = World(valkey_server_url, (rate_of("100/s"),), "sliding", way, seed)
    tenants = {
        tenant: [
            world.process(f"{tenant}{at}-", batch=True, tenant=tenant) for at in range(processes)
        ]
        for tenant, processes in zip("ab", backlogs, strict=True)
    }
    world.run(2 * SECONDS)
    one, other = (sum(process.given for process in ours) for ours in tenants.values())
    assert abs(one - other) <= 0.06 * (one + other)


@whenever
@given(concurrency=st.integers(1, 9), processes=st.integers(2, 4), seed=seeds)
def test_slots_are_never_too_many_and_everybody_gets_some(
    valkey_server_url: str, concurrency: int, processes: int, seed: int
) -> None:
    way = Way(0.0, 0.01, 0.2)
    world = World(valkey_server_url, (), "sliding", way, seed, concurrency=concurrency)
    ours = [world.process(f"p{at}-") for at in range(processes)]
    for _ in range(100):
        world.run(SECONDS / 100)
        assert sum(process.in_use for process in ours) <= concurrency
    fair = max(1, concurrency // processes) if concurrency >= processes else 0
    assert min(process.given for process in ours) >= 4 * fair * SECONDS


@settings(whenever, max_examples=6)
@given(at_s=st.floats(6.0, 7.1), seed=seeds)
def test_who_is_killed_takes_few_permits_along(
    valkey_server_url: str, at_s: float, seed: int
) -> None:
    """Two of four go at any moment: a fifth of a second's calls are lost at most, not all."""

    def arrived(lost: int) -> int:
        way = Way(0.0, 0.002, 0.008)
        world = World(valkey_server_url, (rate_of("200/s"),), "sliding", way, seed)
        ours = [world.process(f"p{at}-") for at in range(4)]
        world.run(at_s)
        for one in ours[:lost]:
            one.dead = True
        world.run(9.5 - at_s)
        assert world.refused == 0
        return len(world.arrived)

    assert arrived(0) - arrived(2) <= 40


def test_a_list_that_waits_once_is_hardly_delayed(valkey_server_url: str) -> None:
    """Twice the limit at once: the second half comes a second later, and not over another."""
    world = World(valkey_server_url, (rate_of("50/s"),), "sliding", Way(0.0, 0.0, 0.001), 1)
    process = world.process("one-")
    world.run(1.2)
    assert process.given == 100
    assert world.refused == 0


def test_batches_reserve_less_ahead_while_somebody_interactive_asks(valkey_server_url: str) -> None:
    world = World(valkey_server_url, (rate_of("100/s"),), "sliding", Way(0.0, 0.0, 0.0), 1)
    many = world.process("batch-", batch=True)
    one = world.process("one-")

    def ahead_s() -> float:
        answer = world.reserve(many, [])
        many.number += len(answer.groups[0].delays)
        return max(answer.groups[0].delays) / US

    assert 0.03 < ahead_s() <= 0.07
    world.now += 0.5
    world.reserve(one, [])
    world.now += 0.9
    assert ahead_s() <= 0.014
    world.now += 0.2
    assert ahead_s() > 0.03
