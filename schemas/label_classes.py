"""Which labels are the same class.

`1`, `"1"` and `true` are three labels, and Python holds two of them equal: so a label is looked up
together with the name of its type.
"""

from __future__ import annotations

from typing import TypeAlias

from schemas.setting_types import Label, Place, Text, label_text, raise_if_any

Classes: TypeAlias = dict[Text, list[Label]]
"""Labels by the name of their class."""


def class_of_label(classes: Classes) -> dict[tuple[str, Label], str]:
    """Return the class by (type name, label); a class's name is one of its labels.

    Raises
    ------
    SettingErrors
        A label in two classes, or a class without labels.
    """
    owners: dict[tuple[str, Label], str] = {("str", name): name for name in classes}
    problems: list[tuple[Place, str]] = []
    for name, labels in classes.items():
        if not labels:
            problems.append(((name,), "expected at least one label"))
        for position, label in enumerate(labels):
            owner = owners.setdefault((type(label).__name__, label), name)
            if owner != name:
                text = f'expected each label in one class, got {label_text(label)}, which "{owner}" has too'
                problems.append(((name, position), text))
    raise_if_any(problems)
    return owners


def check_class(label: Label, classes: Classes, *, place: Place = ()) -> None:
    """Raise `SettingErrors`, at `place`, unless the label is one of a class."""
    if (type(label).__name__, label) not in class_of_label(classes):
        text = f"expected a label of one of the classes {', '.join(classes)}, got {label_text(label)}"
        raise_if_any([(place, text)])
