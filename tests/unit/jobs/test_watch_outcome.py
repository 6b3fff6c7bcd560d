# SPDX-License-Identifier: GPL-2.0-only
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness.jobs.watch_outcome import Visit, Watched, begun, since
from harness.project.release import order

TAGS = st.lists(
    st.builds(
        lambda major, minor, third, rc: f"v{major}.{minor}" + (f"-rc{rc}" if rc else third),
        st.integers(6, 7),
        st.integers(0, 3),
        st.sampled_from(["", ".1", ".2", ".13"]),
        st.sampled_from([0, 0, 1, 10]),
    ),
    unique=True,
    max_size=12,
)


def visit(tag: str, exit_code: int = 0) -> Visit:
    return Visit(tag, "0" * 40, tag[1:], exit_code, "held", "")


def test_the_first_look_takes_the_newest_alone_or_all_later_than_what_is_asked() -> None:
    tags = ["v7.2.13", "v7.3-rc1", "v7.2", "v7.2.9"]
    assert begun("mine", "s", tags, None).unvisited(tags) == ["v7.3-rc1"]
    assert begun("mine", "s", tags, "v7.2").unvisited(tags) == ["v7.2.9", "v7.2.13", "v7.3-rc1"]
    assert begun("mine", "s", [], None).unvisited([]) == []


def test_a_stable_release_made_after_the_next_ones_candidate_is_new() -> None:
    watched = begun("mine", "s", ["v7.2", "v7.3-rc1"], None)
    assert watched.unvisited(["v7.2", "v7.3-rc1", "v7.2.1"]) == ["v7.2.1", "v7.3-rc1"]


def test_since_makes_what_was_passed_over_new_but_not_what_was_visited() -> None:
    tags = ["v7.0", "v7.1", "v7.2"]
    watched = begun("mine", "s", tags, None)
    watched = msgspec.structs.replace(watched, visits=(visit("v7.2"),))
    assert since(watched, "v7.0").unvisited(tags) == ["v7.1"]


def test_the_last_good_one_is_the_latest_release_not_the_latest_visit() -> None:
    visits = (visit("v7.3-rc1"), visit("v7.2.1"), visit("v7.3-rc2", 3))
    watched = Watched("mine", "s", visits=visits)
    assert watched.last_good == visits[0]
    assert Watched("mine", "s", visits=visits[2:]).last_good is None


@given(TAGS, TAGS, st.booleans())
def test_every_tag_is_visited_once_whenever_it_appears(
    early: list[str], late: list[str], everything: bool
) -> None:
    watched = begun("mine", "s", early, "v0.1" if everything else None)
    seen: list[str] = []
    for offered in (early, list(dict.fromkeys(early + late)), early + late, late):
        for tag in watched.unvisited(list(dict.fromkeys(offered))):
            seen.append(tag)
            watched = msgspec.structs.replace(watched, visits=(*watched.visits, visit(tag)))
    assert len(seen) == len(set(seen))
    assert set(late) - set(early) <= set(seen)
    if everything:
        assert set(seen) == {*early, *late}
    else:
        assert len(set(seen) & set(early)) == min(1, len(early))
    assert all(order(tag) for tag in seen)
    # What is kept is what was meant.
    assert msgspec.json.decode(msgspec.json.encode(watched), type=Watched) == watched
