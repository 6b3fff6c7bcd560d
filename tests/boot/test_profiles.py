# SPDX-License-Identifier: GPL-2.0-only
"""Both profiles configure a real tree, vng's with the real vng."""

import pytest

from harness.host.cache import Cache
from harness.kernel import build, configure
from harness.kernel.kconfig import parse_config
from harness.project.kernel import Tree
from harness.project.project import Project

pytestmark = pytest.mark.boot


@pytest.mark.parametrize(("profile", "few", "many"), [("minimal", 0, 900), ("vng", 900, 9999)])
def test_a_profile_configures_the_tree(
    project: Project, cache: Cache, tree: Tree, profile: str, few: int, many: int
) -> None:
    how = configure.recipe(project, project.plan("quick").kconfig, profile=profile)
    with build.objects(cache, tree, tree.commit, how) as make:
        config = parse_config(make.output.text(configure.CONFIG))
    assert config["HZ"] == "1000"
    assert few < list(config.values()).count("y") < many
