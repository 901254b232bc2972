"""The manifest of a trained or imported model → the network that its weights are of.

Settings are what a training was asked for; one that ended before its rows became long is of a network without
the YaRN that they name. Plans ask here, so nothing needs torch.
"""

from __future__ import annotations

import msgspec

from dspipe.recipe import Model
from dspipe.shards import Manifest

EXTENDED = "extended"  # a fact; manifests without it are of networks whose YaRN was always in force


def read_network(manifest: Manifest) -> Model:
    """The network, with `yarn` where that is in force."""
    model = msgspec.convert(manifest.settings["model"], Model)
    if manifest.facts.get(EXTENDED, True):
        return model
    return msgspec.structs.replace(model, yarn=None)
