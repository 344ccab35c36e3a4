"""Small numbers for the names that recur: versions, segments, classes.

A partition stores these codes in its pending predictions, so its tables are part of its state and only
ever grow. Each has a limit.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from detectors.segments import NONE, OTHER, segment_name
from schemas.errors import Reject

VERSIONS_MAX = 256
SEGMENTS_MAX = 60_000
CLASSES_MAX = 1_000
LISTS_MAX = 255
UNLISTED_MAX = 32
UNLISTED_CHARS_MAX = 128
NO_CLASS = 0xFFFF


class Tables(msgspec.Struct):
    """The names behind a partition's codes; position in a list is the code.

    Parameters
    ----------
    models
        Model names.
    versions
        (model, version) pairs.
    segments
        Per model: tuples with one segment name per declared dimension.
    classes
        Per model: class names.
    class_lists
        Per model: lists of class codes that probabilities are given of.
    unlisted
        Per model: feature names that events carry and the profile does not list.
    """

    models: list[str] = []
    versions: list[tuple[str, str]] = []
    segments: dict[str, list[tuple[str, ...]]] = {}
    classes: dict[str, list[str]] = {}
    unlisted: dict[str, list[str]] = {}
    class_lists: dict[str, list[list[int]]] = {}


class Interner:
    """Gives codes to names and remembers them in a partition's `Tables`."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = tables or Tables()
        self.changed = False
        self._versions = {pair: code for code, pair in enumerate(self.tables.versions)}
        self._segments = {
            model: {names: code for code, names in enumerate(rows)}
            for model, rows in self.tables.segments.items()
        }
        self._classes = {
            model: {name: code for code, name in enumerate(rows)}
            for model, rows in self.tables.classes.items()
        }
        self._lists = {
            model: {tuple(codes): place for place, codes in enumerate(lists)}
            for model, lists in self.tables.class_lists.items()
        }
        self._raw_segments: dict[tuple[str, tuple[object, ...]], int] = {}

    def model(self, model: str) -> int:
        """Return the code of a model."""
        if model not in self.tables.models:
            self.tables.models.append(model)
            self.changed = True
        return self.tables.models.index(model)

    def version(self, model: str, version: str) -> int:
        """Return the code of a model's version.

        Raises
        ------
        Reject
            Beyond `VERSIONS_MAX` versions of one model.
        """
        code = self._versions.get((model, version))
        if code is not None:
            return code
        if sum(1 for name, _ in self.tables.versions if name == model) > VERSIONS_MAX:
            raise Reject(
                "too_many_versions",
                f"model {model} has had {VERSIONS_MAX} versions; {version!r} is "
                "one more: is a timestamp or a request id sent as the version?",
            )
        self.tables.versions.append((model, version))
        self.changed = True
        self._versions[model, version] = len(self.tables.versions) - 1
        return len(self.tables.versions) - 1

    def add_class(self, model: str, name: str) -> int:
        """Return the code of a class name, giving it one if it is new.

        Raises
        ------
        Reject
            Beyond `CLASSES_MAX` classes.
        """
        codes = self._classes.setdefault(model, {})
        code = codes.get(name)
        if code is not None:
            return code
        if len(codes) >= CLASSES_MAX:
            raise Reject(
                "too_many_classes",
                f"model {model} has {CLASSES_MAX} classes; {name[:40]!r} is one "
                "more: is a number sent as a label?",
            )
        codes[name] = len(codes)
        self.tables.classes.setdefault(model, []).append(name)
        self.changed = True
        return codes[name]

    def class_list(self, model: str, names: tuple[str, ...]) -> int | None:
        """Return the code of a list of classes, giving it one if it is new.

        None beyond `LISTS_MAX` lists, and for names that would take the second half of the room for classes, which is
        kept for those that are predicted or true.
        """
        known, lists = self._classes.get(model, {}), self._lists.setdefault(model, {})
        new = sum(name not in known for name in names)
        if new and len(known) + new > CLASSES_MAX // 2:
            return None
        codes = tuple(self.add_class(model, name) for name in names)
        if codes not in lists:
            if len(lists) >= LISTS_MAX:
                return None
            lists[codes] = len(lists)
            self.tables.class_lists.setdefault(model, []).append(list(codes))
            self.changed = True
        return lists[codes]

    def segment(
        self, model: str, dimensions: tuple[str, ...], values: Mapping[str, object] | None, *, limit: int
    ) -> int:
        """Return the code of an event's segments.

        Parameters
        ----------
        dimensions
            The declared dimensions; a value that is absent is `(none)`.
        limit
            Number of names per dimension, beyond which values are `(other)`.
        """
        held = values or {}
        raw = tuple([held.get(name) for name in dimensions])
        key = (model, raw)
        code = self._raw_segments.get(key)
        if code is not None:
            return code
        whole = all(v is None or type(v) is str for v in raw)  # 1, 1.0 and True are one key to a dict
        rows = self.tables.segments.setdefault(model, [])
        named = tuple(
            self._segment_name(rows, position, dimension, raw[position], limit)
            for position, dimension in enumerate(dimensions)
        )
        codes = self._segments.setdefault(model, {})
        if named not in codes:
            if len(rows) >= SEGMENTS_MAX:
                named = tuple(segment_name(dimension, OTHER) for dimension in dimensions)
            if named not in codes:
                codes[named] = len(rows)
                rows.append(named)
                self.changed = True
        if whole and len(self._raw_segments) < SEGMENTS_MAX:
            self._raw_segments[key] = codes[named]
        return codes[named]

    @staticmethod
    def _segment_name(
        rows: list[tuple[str, ...]], position: int, dimension: str, value: object, limit: int
    ) -> str:
        if value is None:
            return segment_name(dimension, NONE)
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        name = segment_name(dimension, text)
        taken = {row[position] for row in rows}
        return name if name in taken or len(taken) < limit else segment_name(dimension, OTHER)

    def unlisted(self, model: str) -> list[str]:
        """Return the remembered feature names of a model that its profile does not list."""
        return self.tables.unlisted.setdefault(model, [])

    def remember_unlisted(self, model: str, name: str) -> None:
        """Remember one more such name, up to `UNLISTED_MAX`."""
        names = self.unlisted(model)
        if len(names) < UNLISTED_MAX and name not in names:
            names.append(name)
            self.changed = True

    def forget_unlisted(self, model: str, listed: Container[str]) -> None:
        """Forget the names that are listed meanwhile, so that others have room."""
        names = self.unlisted(model)
        kept = [name for name in names if name not in listed]
        if len(kept) < len(names):
            self.tables.unlisted[model] = kept
            self.changed = True
