"""The arguments of `watchkeeper profile`, apart from what it does so that no other command has to load that."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_profile_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser; `--config` is the caller's."""
    parser.add_argument("--model", help="the model of the settings that the profile is for")
    parser.add_argument(
        "--input", type=Path, metavar="X", help="training data: Parquet, CSV or JSONL (also .gz)"
    )
    parser.add_argument("--out", type=Path, metavar="P.json", help="where the profile is written")
    parser.add_argument("--labels", type=Path, metavar="Y.jsonl", help="ground truth of prediction events")
    parser.add_argument("--label", metavar="COL", help="column of the true class or number")
    parser.add_argument("--prediction", metavar="COL", help="column of the predicted class or number")
    parser.add_argument("--score", metavar="COL", help="column of the positive class's probability")
    parser.add_argument("--time", metavar="COL", help="column of the time, in any order; it is no feature")
    parser.add_argument("--importances", type=Path, metavar="I.json", help="importances of the features")
    parser.add_argument(
        "--bins-of",
        type=Path,
        metavar="A.json",
        help="use the features and bins of this profile: for the profile of one version beside that of its model",
    )
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("A.json", "B.json"),
        help="show what differs between two profiles",
    )
    parser.add_argument(
        "--learned",
        action="store_true",
        help="write the profile that a running model has learned from its events, instead of building one",
    )
    parser.add_argument("--json", action="store_true", help="machine output")
